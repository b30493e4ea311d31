"""A television, or somebody else in the room: the callee is the voice that is near."""

from collections.abc import Sequence
from itertools import product

from bench.talk.plans import AfterTurn, Plan, Says
from bench.talk.playing import Played
from bench.talk.situations.situation import REMINDER, Judged, Situation, route
from outdial.testing.line_audio import Line

NEWS = (
    "Good evening. The government has said no to a new tax on sugar. In the north there will be heavy rain tomorrow, "
    "and yes, some snow in the mountains. Two trains collided near the harbor this morning, nobody was hurt. The price "
    "of oil went up by three percent. And now to sports, where the home team has won the match with two goals to one."
)
ANSWERS = (("Yes, it does.", "yes"), ("No, it doesn't.", "no"), ("Yes, that's fine.", "yes"))
SILENCE_MS = 6000
QUESTION_MS = 4500  # of the reminder: who was told no more than its beginning answers nothing


def _plans(voices: Sequence[str]) -> list[Plan]:
    return [
        Plan(
            kind="television",
            row="20 dB below",
            script=REMINDER,
            steps=(AfterTurn(heard_ms=QUESTION_MS), Says((answer,))),
            voice=voice,
            line=Line(behind=NEWS, behind_db=20.0, noise_db=30),
            expected=expected,
        )
        for voice, (answer, expected) in product(voices, ANSWERS)
    ]


def _judge(plan: Plan, played: Played) -> Judged:
    found = route(plan, played) | {"interrupted": played.interrupted, f"silence over {SILENCE_MS} ms": True}
    reply_ms = played.reply_ms(played.utterances[0]) if played.utterances else None
    if reply_ms is not None:
        found[f"silence over {SILENCE_MS} ms"] = max(reply_ms, played.longest_pause_ms()) > SILENCE_MS
    return Judged(found=found, took_ms={} if reply_ms is None else {"reply": float(reply_ms)})


BEHIND = Situation(
    name="television", plans=_plans, judge=_judge, at_least={"right": 0.9},
    at_most={"wrong": 0.05, f"silence over {SILENCE_MS} ms": 0},
)  # fmt: skip
