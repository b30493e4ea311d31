"""How many calls one core holds: talking ones, with voice detection on every one of them, and announcements."""

from collections.abc import Sequence
from typing import Any

from bench import load
from bench.callee import Manner
from bench.figures import Figure, Result
from bench.load import Step
from bench.options import Options
from bench.scene import Scene, scene

MAX_LATE_MS = 40.0   # p99: two frames; a fifth of the audio the carrier holds
MAX_SLOWER_MS = 100  # of the median reply, against the first step: voice detection keeps up
TALKING = (50, 100, 150, 200, 225, 250, 275, 300, 325, 350, 375, 400, 450, 500)
TALKING_TARGET = 250
ANNOUNCING = (100, 200, 300, 350, 400, 450, 500, 550, 600, 650, 700, 800, 900)
ANNOUNCING_TARGET = 350


def talking(options: Options) -> Result:
    """Every callee talks in turn with the agent; Silero listens to each all the time; all are recorded."""
    with scene(manner=Manner.TALKS, preferred=options.preferred) as started:
        return _result(started, "talking", "Talking calls on one core", TALKING, TALKING_TARGET, options)


def announcements(options: Options) -> Result:
    """The agent speaks without a pause and can't be interrupted: no voice detection. All are recorded."""
    with scene(manner=Manner.LISTENS, announce=True, preferred=options.preferred) as started:
        title = "Announcement calls on one core"
        return _result(started, "announcements", title, ANNOUNCING, ANNOUNCING_TARGET, options)


def _result(
    started: Scene, name: str, title: str, levels: Sequence[int], target: int, options: Options
) -> Result:
    held, rows = _ramp(started, options.pick(levels, (2, 4)), options)
    figures = [Figure(name="calls held", value=held, unit="calls", target=target, at_least=True)]
    warnings = {**started.server.warnings(), **started.carrier.warnings()}
    said = "; ".join(f"{message} ({times} times)" for message, times in warnings.items())
    return Result(
        name=name,
        title=title,
        figures=figures,
        rows=rows,
        notes=[
            f"Held: frames at most {MAX_LATE_MS:g} ms late at the 99th percentile, no gap heard, and replies (where "
            f"there are any) at most {MAX_SLOWER_MS} ms slower than at the first step. Load is added until that fails "
            "twice in a row.",
            f"Logged meanwhile: {said or 'no warning'}.",
        ],
    )


def _ramp(started: Scene, levels: Sequence[int], options: Options) -> tuple[int, list[dict[str, Any]]]:
    """The highest level that holds, and what was heard at each. A level that fails is listened to once more:
    a disturbance from outside isn't a limit of ours."""
    seconds = options.listen_s(12)
    held, rows = 0, []
    first: Step | None = None
    for step in load.steps(started, levels, options, seconds):
        first = first or step
        rows.append(step.row())
        if not _holds(step, first):
            again = load.listen(started, seconds)
            rows.append(again.row())
            if not _holds(again, first):
                break
        held = step.calls
    return held, rows


def _holds(step: Step, first: Step) -> bool:
    if step.p99_ms >= MAX_LATE_MS or step.heard["gaps"]:
        return False
    if step.reply_ms is None or first.reply_ms is None:
        return True
    return step.reply_ms - first.reply_ms <= MAX_SLOWER_MS
