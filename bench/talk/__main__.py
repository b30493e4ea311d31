"""`python -m bench.talk SITUATION…`: plays a situation's plans and shows each conversation, to see why it was counted
as it was. `--folder FOLDER`: instead of them, conversations of your own (see `bench/talk/recorded.py`)."""

import argparse
import sys
from pathlib import Path

from bench.talk import voices
from bench.talk.playing import Played, play
from bench.talk.recorded import play_recorded
from bench.talk.situations import SITUATIONS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.talk", description="Show conversations that are measured.")
    parser.add_argument("situation", nargs="*", help=", ".join(SITUATIONS))
    parser.add_argument("--voice", action="append", help=f"of {', '.join(voices.available())}; may be repeated")
    parser.add_argument("--row", help="only what is counted there, such as 'clean'")
    parser.add_argument("--folder", type=Path, action="append", default=[], help="with script.yaml, plan.json and WAVs")
    arguments = parser.parse_args()
    for folder in arguments.folder:
        expected, played = play_recorded(folder)
        print(f"\n== {folder.name}: {expected}")
        _show(played)
    for name in arguments.situation:
        situation = SITUATIONS[name]
        for plan in situation.plans(arguments.voice or voices.available()):
            if arguments.row in (None, plan.row):
                voices.prepare(plan.texts)
                played = play(plan)
                print(f"\n== {plan.kind}, {plan.row}, {plan.voice}: {plan.steps} {plan.line}")
                _show(played)
                judged = situation.judge(plan, played)
                print(", ".join(name for name, found in judged.found.items() if found) or "-", dict(judged.took_ms))
    return 0


def _show(played: Played) -> None:
    for turn in played.turns:
        broken = " (interrupted)" if turn.interrupted else ""
        print(f"{turn.start_ms:6} {turn.end_ms or 0:6} {turn.speaker:6} {turn.text}{broken}")
    for utterance in played.utterances:
        print(f"{utterance.start_ms:6} {utterance.end_ms:6} said   {utterance.text}")
    print(f"noted {played.noted}")


if __name__ == "__main__":
    sys.exit(main())
