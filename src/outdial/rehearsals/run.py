"""A script that talks to callees written down: what came of each call, and the first line that went wrong.

Nothing here waits: a call takes milliseconds. Scripts of strangers may take long, so this belongs on no event loop
that serves calls.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from outdial.agents.script.model import Script
from outdial.agents.script.path import Passed, Path
from outdial.agents.script.run import run_script
from outdial.conversation.live_call import LiveCall
from outdial.conversation.transcript import Turn
from outdial.conversation.understanding.turn_phrases import turn_phrases
from outdial.rehearsals.model import Expected, Rehearsal
from outdial.telephony.outcome import Facts, outcome_of
from outdial.telephony.state import EndedBy, EndReason
from outdial.testing.callee import CalleeLine
from outdial.testing.text_call import CallLimits, TextCall, WentWrong, hold_call

CIRCLES = "the script goes round in circles: it was stopped after {steps} steps"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """What came of a call. `wrong`: the first thing that went wrong, None for none, and `line` of the rehearsals where
    it is written (None where that is no line's fault). `awaits_callee`: an open call, which goes on with more lines."""

    name: str
    wrong: str | None
    line: int | None
    outcome: str | None
    ended_by: EndedBy | None
    noted: Mapping[str, Any]
    path: tuple[Passed, ...]
    turns: tuple[Turn, ...]
    duration_ms: int
    awaits_callee: bool = False


def budget(seconds: float) -> CallLimits:
    """Limits for whoever waits no longer than that, however many calls it rehearses."""
    until = time.monotonic() + seconds
    return CallLimits(is_over=lambda: time.monotonic() > until)


def rehearse(script: Script, rehearsals: Iterable[Rehearsal], limits: CallLimits | None = None) -> list[Rehearsed]:
    return asyncio.run(_rehearse(script, list(rehearsals), limits))


def talk(
    script: Script, callee: Iterable[CalleeLine], variables: Mapping[str, Any], limits: CallLimits | None = None
) -> Rehearsed:
    """The call so far, with a callee who is there: after its lines the agent waits for more."""
    words = turn_phrases(script.language)
    call = TextCall(callee, variables=variables, is_open=True, limits=limits, words=words)
    return asyncio.run(_hold(script, call, Rehearsal(name="", line=0)))


async def _rehearse(script: Script, rehearsals: list[Rehearsal], limits: CallLimits | None) -> list[Rehearsed]:
    done = []
    for one in rehearsals:
        lines = (line for line, _ in one.callee)
        call = TextCall(lines, variables=one.variables, limits=limits, words=turn_phrases(script.language))
        done.append(await _hold(script, call, one))
    return done


async def _hold(script: Script, call: TextCall, rehearsal: Rehearsal) -> Rehearsed:
    path = Path(lambda: call.now_ms)

    async def agent(live: LiveCall) -> None:
        await run_script(script, live, path)

    wrong: str | None = None
    line: int | None = None
    try:
        await hold_call(agent, call)
    except WentWrong as error:
        wrong = error.reason
        line = None if error.line is None or not rehearsal.callee else rehearsal.callee[error.line][1]
    if path.circled:
        wrong, line = CIRCLES.format(steps=len(path.passed)), None
    outcome = None if call.ended_by is None else outcome_of(_facts(call))
    if wrong is None:
        wrong, line = _unmet(rehearsal, call, path, outcome)
    return Rehearsed(
        name=rehearsal.name,
        wrong=wrong,
        line=line,
        outcome=outcome,
        ended_by=call.ended_by,
        noted=dict(call.noted),
        path=tuple(path.passed),
        turns=tuple(call.turns),
        duration_ms=call.now_ms,
        awaits_callee=call.awaits_callee,
    )


def _facts(call: TextCall) -> Facts:
    return Facts(
        answered=True,
        end_reason=EndReason.COMPLETED,
        ended_by=call.ended_by or EndedBy.AGENT,
        answered_by=call.answered_by,
        callee_responded=call.callee_responded,
        transferred=call.transferred,
        noted=call.noted,
    )


def _unmet(rehearsal: Rehearsal, call: TextCall, path: Path, outcome: str | None) -> tuple[str | None, int | None]:
    """The first thing expected that didn't come about, in the order of the file."""
    expect = rehearsal.expect
    found: list[tuple[int, str]] = []

    def compare(what: str, expected: Expected | None, came: Any, same: Callable[[Any, Any], bool]) -> None:
        if expected is not None and not same(came, expected.value):
            found.append((expected.line, f"{what} is {_words(came)}, not {_words(expected.value)}"))

    compare("outcome", expect.outcome, outcome, _same)
    compare("ended_by", expect.ended_by, call.ended_by and str(call.ended_by), _same)
    steps = tuple(one.step for one in path.passed)
    if expect.path is not None and steps != expect.path.value:
        found.append((expect.path.line, _other_way(steps, expect.path.value)))
    for name, one in expect.noted.items():
        compare(f"noted {name}", one, call.noted.get(name), _same)
    known = {**call.variables, **call.noted}
    for name, one in expect.variables.items():
        compare(f"variable {name}", one, known.get(name), _same)
    line, wrong = min(found, key=lambda one: one[0], default=(None, None))
    return wrong, line


def _other_way(came: tuple[str, ...], expected: tuple[str, ...]) -> str:
    where = next(
        (place for place, (one, other) in enumerate(zip(came, expected, strict=False)) if one != other),
        min(len(came), len(expected)),
    )
    before = f"after {came[where - 1]}" if where else "first"
    return f"path: {before} comes {_step(came, where)}, not {_step(expected, where)}"


def _step(steps: tuple[str, ...], where: int) -> str:
    return steps[where] if where < len(steps) else "the end"


def _same(came: Any, expected: Any) -> bool:
    """As it is meant in YAML: 3 is "3", true is "true"; nothing is what is missing."""
    if isinstance(came, str | int | float | bool) and isinstance(expected, str | int | float | bool):
        return _plain(came) == _plain(expected)
    return bool(came == expected)


def _plain(value: str | float | bool) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return str(int(value))
    return " ".join(str(value).split())


def _words(value: Any) -> str:
    return "nothing" if value is None else f"'{str(value)[:100]}'"
