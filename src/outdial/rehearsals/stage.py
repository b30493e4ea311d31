"""Rehearsals and talks for those who write scripts on a server that also serves calls."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, TypeVar

from typing_extensions import TypedDict

from outdial.agents.llm.chat import Model
from outdial.agents.llm.free_talk import ModelName
from outdial.agents.llm.metering import Meter, Metered
from outdial.agents.llm.stand_in import is_stand_in, stand_in
from outdial.agents.llm.vendors import ModelServers
from outdial.agents.script.model import ScriptError
from outdial.refusals import LimitReached
from outdial.rehearsals.parse import parse_rehearsals
from outdial.rehearsals.run import Tried, budget, rehearse, talk, talk_with_models
from outdial.rehearsals.tape import Elsewhere, Tape, TapedAnswer
from outdial.rehearsals.views import ModelView, RehearsalView, TalkView, rehearsal_view, talk_view
from outdial.testing.callee import CalleeLine
from outdial.token_buckets import TokenBuckets

SETTING = "OUTDIAL_MODEL_SERVERS"
PER_MINUTE = 60  # of a workspace, and as many at once after a pause
LONGEST_S = 2.0  # of what one request rehearses

# With a model, which takes its time and may cost money:
TALKS = 4                # at once in a process, …
TALKS_OF_A_WORKSPACE = 2 # … and of one workspace
LONGEST_TALK_S = 30.0    # of one request, which brings the call from one line of the callee to the next

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
    """One thing at a time in a process, beside its event loop: who is on a call comes first. Talks with a model wait
    most of the time, and are a few at once. `servers`: opens models; `meter`: counts what they cost a workspace, on
    this event loop; `simulator_url`: whose model stands in for those that can't be used here."""

    def __init__(
        self,
        *,
        servers: ModelServers | None = None,
        meter: Callable[[str], Meter] | None = None,
        simulator_url: str | None = None,
        per_minute: int = PER_MINUTE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._one_at_a_time = asyncio.Semaphore(1)
        self._servers = servers or ModelServers({})
        self._meter = meter
        self._simulator_url = simulator_url
        self._talking: Counter[str] = Counter()  # by workspace
        self._executor = ThreadPoolExecutor(TALKS, "talk")  # its threads are there once they are needed
        self._buckets = TokenBuckets(per_s=per_minute / 60, at_once=per_minute, clock=clock)  # by workspace

    async def rehearse(self, workspace_id: str, source: str, rehearsals: str) -> Report:
        """Raises LimitReached."""
        return await self._in_turn(workspace_id, lambda: _report(source, rehearsals))

    async def talk(
        self,
        workspace_id: str,
        source: str,
        callee: Sequence[CalleeLine],
        variables: Mapping[str, Any],
        answers: Sequence[TapedAnswer] = (),
        *,
        may_ask: Callable[[], Awaitable[None]] | None = None,
    ) -> Talk:
        """`answers`: what the model said so far. `may_ask` is called before a model is asked, and raises a Refusal
        where that isn't to be. Raises LimitReached."""
        found = await self._in_turn(workspace_id, lambda: _talk(source, callee, variables))
        if not isinstance(found, Tried):
            return found
        if may_ask is not None:
            await may_ask()
        name, models = await self._models(found)
        if name is None:
            return Talk(errors=[_no_key(found)], call=None)
        if self._talking.total() >= TALKS or self._talking[workspace_id] >= TALKS_OF_A_WORKSPACE:
            raise LimitReached("too_many_talks", "Others are talking to models just now. Try again in a moment.", 5)
        self._talking[workspace_id] += 1
        try:
            loop, tape = asyncio.get_running_loop(), Tape(answers)
            elsewhere = [Elsewhere(self._metered(model, workspace_id), loop) for model in models]
            limits = budget(LONGEST_TALK_S)
            done = await loop.run_in_executor(
                self._executor,
                lambda: asyncio.run(talk_with_models(found, callee, variables, elsewhere, tape, limits)),
            )
        finally:
            self._talking[workspace_id] -= 1
        stands_in = is_stand_in(name, self._simulator_url)
        view = ModelView(name=name.name, stand_in=stands_in)
        return Talk(errors=[], call=talk_view(done, tape.answers, view))

    async def _models(self, tried: Tried) -> tuple[ModelName | None, list[Model]]:
        """One for each of the agent's, or the stand-in for all where none can be used here; and the name of the first
        that can, None where there is none."""
        names: Sequence[ModelName] = tried.models
        usable = next(filter(self._servers.allows, names), None)
        if usable is None and self._simulator_url is not None:
            names = [stand_in(self._simulator_url)] * len(names)
            usable = next(filter(self._servers.allows, names), None)
        # The first time it takes a second; calls are talking.
        return usable, [] if usable is None else await asyncio.to_thread(self._servers.open, names)

    def _metered(self, model: Model, workspace_id: str) -> Model:
        return model if self._meter is None else Metered(model, self._meter(workspace_id))

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


def _talk(source: str, callee: Iterable[CalleeLine], variables: Mapping[str, Any]) -> Talk | Tried:
    """The agent, where it needs a model."""
    try:
        tried = Tried.of(source)
    except ScriptError as error:
        return Talk(errors=[_fault("script", error)], call=None)
    if tried.needs_model:
        return tried
    return Talk(errors=[], call=talk_view(talk(tried, callee, variables, budget(LONGEST_S))))


def _no_key(tried: Tried) -> Fault:
    name = tried.models[0]
    if name.speaks:
        message = (
            f"its model {name.name[:60]} speaks, and can't be written to: call a number of yours, or write down in "
            "rehearsals what it says"
        )
        return Fault(part="script", line=name.line, message=message)
    message = f"this server has no key for the model {name.name[:60]}; its operator can name its server in {SETTING}"
    return Fault(part="script", line=name.line, message=message)


def _fault(part: Literal["script", "rehearsals"], error: ScriptError) -> Fault:
    return Fault(part=part, line=error.line, message=error.reason)
