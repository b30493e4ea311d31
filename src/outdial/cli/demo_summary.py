"""How a demo call went: in a few lines, and whether that is how it should have gone."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.text import Text

from outdial.cli.narration import BY, no_more_calls, spoken
from outdial.cli.output import console
from outdial.telephony.outcome import NAMED, WISH

# What a call to each of these simulated callees ends with, when all is well; every other one is completed.
ENDS = {
    "+12025550102": {"busy", "declined", "no_answer"},
    "+12025550103": {"busy"},
    "+12025550104": {"no_answer"},
    "+12025550107": {"failed"},
}
MACHINES = {"+12025550105", "+12025550106", "+12025550108"}  # with detection on: hung up on, or left a message
TALKERS = {"+12025550100", "+12025550101"}                   # both sides are heard


def judge(call: dict[str, Any], recording: Path | None, *, amd: bool) -> list[str]:
    """What isn't as it should be with a call to one of the simulated callees."""
    on_machine = {"machine", "completed"} if call["message_delivered"] else {"machine"}
    is_machine = call["to"] in MACHINES and (amd or (call.get("answered_by") or {}).get("category") == "machine")
    expected = ENDS.get(call["to"], on_machine if is_machine else {"completed"})
    faults = []
    if call["end_reason"] not in expected:
        error = (call["error"] or {}).get("message")
        faults.append(f"it ended {call['end_reason']}" + (f": {error}" if error else ""))
    if call["to"] in TALKERS:
        speakers = {turn["speaker"] for turn in call["transcript"] if turn["text"]}
        faults += [f"the {speaker} was not heard" for speaker in ("agent", "callee") if speaker not in speakers]
        if recording is None or not recording.exists():
            faults.append("there is no recording")
    return faults


def sum_up(
    call: dict[str, Any],
    recording: Path | None,
    faults: list[str],
    *,
    model: str | None = None,
    answers: Sequence[int] = (),
) -> None:
    """`answers`: how long each answer of its `model` took to the first word, in ms."""
    rows = [] if call["outcome"] is None else [("Outcome", spoken(call["outcome"]))]
    by = f", by {BY.get(call['ended_by'], call['ended_by'])}" if call["ended_by"] else ""
    rows.append(("Ended", spoken(call["end_reason"]) + by))
    if call["duration_s"] is not None:
        rows.append(("Talked", f"{call['duration_s']:.1f} s"))
    if call["answered_by"]:
        rows.append(("Answered by", call["answered_by"]["category"]))
    if call["message_delivered"]:
        rows.append(("Message", "left after the greeting"))
    waits = [turn["latency"]["total"] for turn in call["transcript"] if (turn["latency"] or {}).get("total")]
    if waits:
        rows.append(("Replied after", f"{statistics.median(waits):.0f} ms (median, since the callee fell silent)"))
    if model is not None:
        median = f", first word after {statistics.median(answers):.0f} ms (median)" if answers else ""
        rows.append(("Model", f"{model}: {len(answers)} answers{median}"))
        noted = {name: value for name, value in call["noted"].items() if name not in (NAMED, WISH)}
        if noted:
            rows.append(("Noted", ", ".join(f"{name}: {value}" for name, value in noted.items())))
    if recording is not None:
        rows.append(("Recording", f"{recording} (left: callee, right: agent)"))
    console.print()
    if (note := no_more_calls(call)) is not None:
        rows.append(("Do not call", note))
    for name, value in rows:
        console.print(Text.assemble((f"{name:<15}", "bold"), value), soft_wrap=True)
    for fault in faults:
        console.print(Text(f"Not as it should be: {fault}", style="red"), soft_wrap=True)
