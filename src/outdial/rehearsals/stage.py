"""Rehearsals and talks for those who write scripts on a server that also serves calls."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypeVar

from typing_extensions import TypedDict

from outdial.agents.script.model import ScriptError
from outdial.refusals import LimitReached
from outdial.rehearsals.parse import parse_rehearsals
from outdial.rehearsals.run import Tried, budget, rehearse, talk
from outdial.rehearsals.views import RehearsalView, TalkView, rehearsal_view, talk_view
from outdial.testing.callee import CalleeLine
from outdial.token_buckets import TokenBuckets

PER_MINUTE = 60  # of a workspace, and as many at once after a pause
LONGEST_S = 2.0  # of what one request rehearses

NO_TALK = "an agent with a model can't be talked to by typing; rehearse it, or call the browser phone with it"

T = TypeVar("T")


class Fault(TypedDict):
    """Why it can't be rehearsed: a fault of the script, or of its rehearsals."""

    part: Literal["script", "rehearsals"]
    line: int | None
    message: str


class Report(TypedDict):
    """`errors` has the first fault of each; then nothing was rehearsed."""

    errors: list[Fault]
    passed: int
    failed: int
    rehearsals: list[RehearsalView]


class Talk(TypedDict):
    """`errors` has the script's first fault; then there is no call."""

    errors: list[Fault]
    call: TalkView | None


class Stage:
    """One thing at a time in a process, beside its event loop: who is on a call comes first."""

    def __init__(self, *, per_minute: int = PER_MINUTE, clock: Callable[[], float] = time.monotonic) -> None:
        self._one_at_a_time = asyncio.Semaphore(1)
        self._buckets = TokenBuckets(per_s=per_minute / 60, at_once=per_minute, clock=clock)  # by workspace

    async def rehearse(self, workspace_id: str, source: str, rehearsals: str) -> Report:
        """Raises LimitReached."""
        return await self._in_turn(workspace_id, lambda: _report(source, rehearsals))

    async def talk(
        self, workspace_id: str, source: str, callee: Iterable[CalleeLine], variables: Mapping[str, Any]
    ) -> Talk:
        """Raises LimitReached."""
        return await self._in_turn(workspace_id, lambda: _talk(source, callee, variables))

    async def _in_turn(self, workspace_id: str, work: Callable[[], T]) -> T:
        if wait_s := self._buckets.take(workspace_id):
            raise LimitReached(
                "too_many_rehearsals", f"That was a lot of rehearsing at once. Try again in {wait_s} s.", wait_s
            )
        async with self._one_at_a_time:
            return await asyncio.to_thread(work)


def _report(source: str, rehearsals: str) -> Report:
    faults: list[Fault] = []
    try:
        tried = Tried.of(source)
    except ScriptError as error:
        faults.append(_fault("script", error))
    try:
        found = parse_rehearsals(rehearsals).rehearsals
    except ScriptError as error:
        faults.append(_fault("rehearsals", error))
    if faults:
        return Report(errors=faults, passed=0, failed=0, rehearsals=[])
    done = [rehearsal_view(one) for one in rehearse(tried, found, budget(LONGEST_S))]
    passed = sum(one["passed"] for one in done)
    return Report(errors=[], passed=passed, failed=len(done) - passed, rehearsals=done)


def _talk(source: str, callee: Iterable[CalleeLine], variables: Mapping[str, Any]) -> Talk:
    try:
        tried = Tried.of(source)
    except ScriptError as error:
        return Talk(errors=[_fault("script", error)], call=None)
    if tried.needs_model:
        return Talk(errors=[Fault(part="script", line=None, message=NO_TALK)], call=None)
    return Talk(errors=[], call=talk_view(talk(tried, callee, variables, budget(LONGEST_S))))


def _fault(part: Literal["script", "rehearsals"], error: ScriptError) -> Fault:
    return Fault(part=part, line=error.line, message=error.reason)
