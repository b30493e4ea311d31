"""An agent that talks to callees written down: what came of each call, and the first line that went wrong.

Nothing here waits: a call takes milliseconds. Scripts of strangers may take long, so this belongs on no event loop
that serves calls. With audio: with_audio.py.
"""

import asyncio
import re
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import Any, Protocol

from outdial.agents.kinds import KINDS, PYTHON, ParsedAgent, check_written, kind_of, parse_agent
from outdial.agents.llm.chat import Model
from outdial.agents.llm.free_talk import ModelName
from outdial.agents.python.loading import load_file
from outdial.agents.script.model import ScriptError
from outdial.agents.script.path import Passed, Path
from outdial.conversation.live_call import AgentCoroutine, LiveCall
from outdial.conversation.transcript import Turn
from outdial.conversation.verb_results import AgentFailed
from outdial.rehearsals.model import Expected, Rehearsal
from outdial.rehearsals.tape import Tape
from outdial.telephony.outcome import Facts, outcome_of
from outdial.telephony.state import EndedBy, EndReason
from outdial.telephony.verdict import AnsweredBy
from outdial.testing import virtual_time
from outdial.testing.call_limits import CallLimits
from outdial.testing.callee import CalleeLine, WentWrong
from outdial.testing.text_call import TextCall, hold_call
from outdial.testing.written_brain import WrittenBrain
from outdial.testing.written_model import NOTHING_WRITTEN, WrittenModel
from outdial.testing.written_tools import WrittenTools

NO_ANSWER = "the model is asked here, and no answer of its is written (model: …)"
GOES_ON = "the agent goes on and on: it was stopped after an hour"
LONGEST_S = 3600.0  # of the clock of a call in memory, which stands still but where the agent itself sleeps
NO_BRAIN_ANSWER = "the agent's brain is asked here, and no answer of its is written (brain: …)"
NO_TOOL_ANSWER = "the tool {tool} is asked here, and no answer of its is written (tools: …)"
CIRCLES = "the script goes round in circles: it was stopped after {steps} steps"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenLine:
    """What the agent understood of a line that was spoken ("": nothing), and how long after its last voiced moment the
    agent spoke; None where it didn't any more. `line`: where it is written."""

    line: int
    said: str
    heard: str
    reply_ms: int | None

    @property
    def is_misheard(self) -> bool:
        """Whether other words were understood, whatever their case and punctuation."""
        return re.findall(r"\w+", self.said.casefold()) != re.findall(r"\w+", self.heard.casefold())


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolWish:
    """A tool that a model called; `done` False: it was interrupted, and nothing came of it."""

    at_ms: int
    tool: str
    arguments: Mapping[str, Any]
    done: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """What came of a call. `wrong`: the first thing that went wrong, None for none, and `line` of the rehearsals where
    it is written (None where that is no line's fault). `awaits_callee`: an open call, which goes on with more lines.
    `spoken`: with audio, the callee's lines. `tools`: what a model wanted, in a talk."""

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
    spoken: tuple[SpokenLine, ...] = ()
    tools: tuple[ToolWish, ...] = ()


class HeldCall(Protocol):
    """What is looked at of a call, with audio or without."""

    @property
    def noted(self) -> Mapping[str, Any]: ...
    @property
    def variables(self) -> Mapping[str, Any]: ...
    @property
    def turns(self) -> Sequence[Turn]: ...
    @property
    def now_ms(self) -> int: ...
    @property
    def ended_by(self) -> EndedBy | None: ...
    @property
    def answered_by(self) -> AnsweredBy | None: ...
    @property
    def callee_responded(self) -> bool: ...
    @property
    def transferred(self) -> bool | None: ...
    @property
    def called_back(self) -> bool: ...
    @property
    def awaits_callee(self) -> bool: ...


def budget(seconds: float) -> CallLimits:
    """Limits for whoever waits no longer than that, however many calls it rehearses."""
    until = time.monotonic() + seconds
    return CallLimits(is_over=lambda: time.monotonic() > until)


@dataclass(frozen=True, slots=True)
class Tried:
    """An agent to be tried, of whatever kind."""

    kind: str
    agent: ParsedAgent

    @classmethod
    def of(cls, source: str) -> "Tried":
        """Of a source that somebody brings along. Raises ScriptError."""
        check_written(source)
        return cls(kind_of(source), parse_agent(source))

    @classmethod
    def python(cls, file: FilePath, name: str | None = None) -> "Tried":
        """The agent of a file, which is run; `name`: which one, where there are several. Raises ScriptError."""
        found = {one.name: one for one in load_file(file)}
        if name is None and len(found) == 1:
            (name,) = found
        if name not in found:
            there = ", ".join(sorted(found)) or "none"
            raise ScriptError(f"which agent? there are: {there} (write {file.name}:name)")
        return cls(PYTHON, found[name])

    @property
    def needs_model(self) -> bool:
        return bool(self.models)

    @property
    def models(self) -> tuple[ModelName, ...]:
        """Which it may ask: each has its place in what it is run with."""
        return KINDS[self.kind].models(self.agent)


def rehearse(
    tried: Tried,
    rehearsals: Iterable[Rehearsal],
    limits: CallLimits | None = None,
    models: Sequence[Model] | None = None,
) -> list[Rehearsed]:
    """`models`, one for each of the agent's: asked instead of what the rehearsals say that a model answers."""
    run = virtual_time.run if models is None else asyncio.run  # models take their time
    return run(_rehearse(tried, list(rehearsals), limits, models))


def talk(
    tried: Tried, callee: Iterable[CalleeLine], variables: Mapping[str, Any], limits: CallLimits | None = None
) -> Rehearsed:
    """The call so far, with a callee who is there: after its lines the agent waits for more."""
    return virtual_time.run(talk_with_models(tried, callee, variables, (), Tape(), limits))


async def talk_with_models(
    tried: Tried,
    callee: Iterable[CalleeLine],
    variables: Mapping[str, Any],
    models: Sequence[Model],
    tape: Tape,
    limits: CallLimits | None = None,
) -> Rehearsed:
    """The same for an agent that asks `models`, one for each of its own, for what isn't on the `tape`."""
    call = TextCall(callee, variables=variables, language=tried.agent.language, is_open=True, limits=limits)
    tape.now_ms = lambda: call.now_ms
    done = await held(
        tried, call, Rehearsal(name="", line=0), lambda agent: hold_call(agent, call), models=tape.models(models)
    )
    told = zip(call.events, call.told_at_ms, strict=True)
    tools = (
        ToolWish(at_ms=at_ms, tool=data["tool"], arguments=data.get("arguments") or {}, done=bool(data.get("done")))
        for (type_, data), at_ms in told
        if type_ == "tool"
    )
    return replace(done, tools=tuple(tools))


async def _rehearse(
    tried: Tried, rehearsals: list[Rehearsal], limits: CallLimits | None, models: Sequence[Model] | None
) -> list[Rehearsed]:
    return [await _hold_without_audio(tried, one, limits, models) for one in rehearsals]


async def _hold_without_audio(
    tried: Tried, rehearsal: Rehearsal, limits: CallLimits | None, models: Sequence[Model] | None
) -> Rehearsed:
    lines = (line for line, _ in rehearsal.callee)
    call = TextCall(lines, variables=rehearsal.variables, language=tried.agent.language, limits=limits)
    return await held(tried, call, rehearsal, lambda agent: hold_call(agent, call), models=models)


async def held(
    tried: Tried,
    call: HeldCall,
    rehearsal: Rehearsal,
    hold: Callable[[AgentCoroutine], Coroutine[Any, Any, None]],
    *,
    models: Sequence[Model] | None = None,
) -> Rehearsed:
    """What comes of a call that `hold` lets an agent hold. `models`: by default, what is written answers."""
    path = Path(lambda: call.now_ms)
    written = WrittenModel(rehearsal.model, first_s=0.0, word_s=0.0)
    asked: list[Model] = [written] * len(tried.models) if models is None else [*models]
    brain = WrittenBrain(rehearsal.brain)
    tools = WrittenTools(rehearsal.tools, brain)

    async def agent(live: LiveCall) -> None:
        await KINDS[tried.kind].run(tried.agent, live, path, asked, tools)

    wrong: str | None = None
    line: int | None = None
    try:
        async with asyncio.timeout(LONGEST_S):
            await hold(agent)
    except TimeoutError:
        wrong = GOES_ON
    except WentWrong as error:
        wrong = error.reason
        line = None if error.line is None or not rehearsal.callee else rehearsal.callee[error.line][1]
    except AgentFailed as error:
        wrong = NO_ANSWER if NOTHING_WRITTEN in error.reason else _in_full(error)
    if brain.unwritten:
        wrong = NO_BRAIN_ANSWER
    if wrong is None and tools.unwritten is not None:
        wrong = NO_TOOL_ANSWER.format(tool=tools.unwritten)
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


def _in_full(error: AgentFailed) -> str:
    """With what it was raised because of: here nobody's words are in it but the author's."""
    return error.reason if error.__cause__ is None else f"{error.reason} {error.__cause__}".rstrip()


def _facts(call: HeldCall) -> Facts:
    return Facts(
        answered=True,
        end_reason=EndReason.COMPLETED,
        ended_by=call.ended_by or EndedBy.AGENT,
        answered_by=call.answered_by,
        callee_responded=call.callee_responded,
        transferred=call.transferred,
        called_back=call.called_back,
        noted=call.noted,
    )


def _unmet(rehearsal: Rehearsal, call: HeldCall, path: Path, outcome: str | None) -> tuple[str | None, int | None]:
    """The first thing expected that didn't come about, in the order of the file."""
    expect = rehearsal.expect
    found: list[tuple[int, str]] = []

    def compare(what: str, expected: Expected | None, came: Any, same: Callable[[Any, Any], bool]) -> None:
        if expected is not None and not same(came, expected.value):
            found.append((expected.line, f"{what} is {in_words(came)}, not {in_words(expected.value)}"))

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


def in_words(value: Any) -> str:
    return "nothing" if value is None else f"'{str(value)[:100]}'"
