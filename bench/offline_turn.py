"""A whole turn with the speech engines in the package: from the callee's last word to the agent's first."""

import time
from typing import Any

from bench.callee import Manner
from bench.figures import Figure, Result, median, percentile
from bench.options import Options
from bench.scene import Scene, scene, wait_until

TURNS = 12
TARGET_MS = 900.0
PARTS = ("silence", "recognition", "decision", "synthesis", "total")
QUESTIONS = (
    "Does Monday at nine suit you?", "Shall I send you a reminder the day before?", "Is the address still the same?",
    "Would you like a call when an earlier time is free?", "Did you get the form we sent?",
    "Will you come by car?", "Do you know where to find us?", "Is this the best number to reach you?",
    "Are you still a patient of ours?", "May we write to you about the next appointment?",
    "Is the morning good for you in general?", "Have I got everything right so far?",
)  # fmt: skip


def offline_turn(options: Options) -> Result:
    """One call that says what was never said before, and one that says it again."""
    turns = options.pick(TURNS, 2)
    rows, replies = [], []
    with scene(
        manner=Manner.TALKS, speech="offline", script=_script(turns), pin_server=False, preferred=options.preferred
    ) as started:
        for prompts in ("new", "said before"):
            heard, parts = _call(started)
            replies += heard
            row = {"prompts": prompts, "turns": len(heard), "heard p50 ms": round(median(heard) * 1000)}
            rows.append(row | {part: round(median(turn[part] for turn in parts)) for part in PARTS})
    new = rows[0]["heard p50 ms"]
    return Result(
        name="offline_turn",
        title="A whole turn with the offline speech engines",
        figures=[
            Figure(
                name="callee's last word to agent's first, p50",
                value=median(replies) * 1000,
                unit="ms",
                target=TARGET_MS,
            ),
            Figure(name="the same, p99", value=percentile(replies, 99) * 1000, unit="ms"),
            Figure(name="with prompts never said before, p50", value=float(new), unit="ms", target=TARGET_MS),
        ],
        rows=rows,
        notes=[
            "Heard: taken by the carrier, from its last frame with voice to the agent's first frame. The other columns "
            "are the medians of the transcript's own account; `silence` is how long the callee had been silent when "
            "that was taken for the end (set to 500 ms). The server may use every core.",
        ],
    )


def _call(started: Scene) -> tuple[list[float], list[dict[str, Any]]]:
    """One call to its end: seconds until each reply as heard, and the transcript's account of the same turns."""
    started.carrier.ask("begin")
    (call_id,) = started.place_calls(1)
    started.wait_for_streams(1)
    wait_until(lambda: _view(started, call_id)["state"] == "ended", "end of the call", timeout_s=300)
    heard = started.carrier.ask("end")["replies_s"]
    time.sleep(0.5)
    transcript = _view(started, call_id)["transcript"]
    return heard, [turn["latency"] for turn in transcript if turn["speaker"] == "agent" and turn["latency"]]


def _view(started: Scene, call_id: str) -> dict[str, Any]:
    response = started.api.get(f"/v1/calls/{call_id}")
    response.raise_for_status()
    view: dict[str, Any] = response.json()
    return view


def _script(turns: int) -> str:
    lines = ["agent:", "  name: Questions", "start: step0", "steps:"]
    for number, question in enumerate(QUESTIONS[:turns]):
        following = f"step{number + 1}"
        lines += [
            f"  step{number}:",
            f'    ask: "{question}"',
            "    answers:",
            "      - words: [yes, fine, works, will be there]",
            f"        goto: {following}",
            "    no_match:",
            "      retries: 0",
            f"      then: {following}",
        ]
    return "\n".join([*lines, f"  step{turns}:", "    hang_up: Thank you. Goodbye.", ""])
