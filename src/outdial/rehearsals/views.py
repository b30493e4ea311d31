"""How a rehearsed call is shown."""

from collections.abc import Iterable
from typing import Any

from typing_extensions import TypedDict

from outdial.rehearsals.run import Rehearsed
from outdial.rehearsals.tape import TapedAnswer


class PassedView(TypedDict):
    """`led_by`: the answer that led to this step, or the exit of a model's talk; `no_reply`, `no_match`, `limit` or
    `model_failed`; null where none was needed. `line` is the script's."""

    step: str
    line: int
    at_ms: int
    led_by: str | None


class LineView(TypedDict):
    """Something said or pressed; `speaker` is agent or callee. `interrupted`: `text` is what was heard of it."""

    speaker: str
    text: str
    start_ms: int
    end_ms: int
    interrupted: bool


class CallView(TypedDict):
    """`outcome` is what a call would have. Times are those of a call on which everybody speaks at an easy pace."""

    outcome: str | None
    ended_by: str | None
    noted: dict[str, Any]
    path: list[PassedView]
    turns: list[LineView]
    duration_ms: int


class RehearsalView(CallView):
    """`wrong` is the first thing that went wrong, and `line` where the rehearsals say otherwise; null where nothing
    did, or where it is no line's fault."""

    name: str
    passed: bool
    wrong: str | None
    line: int | None


class SpokenView(TypedDict):
    """What was understood of a line that was spoken, and how long after it the agent did; null where it didn't."""

    line: int
    said: str
    heard: str
    reply_ms: int | None


class AudioRehearsalView(RehearsalView):
    spoken: list[SpokenView]


class ToolCallView(TypedDict):
    """`arguments`: JSON, as the model wrote it."""

    tool: str
    arguments: str


class AnswerView(TypedDict):
    """What a model answered when it was asked at `at_ms` of the call; its own times are measured. `fails`: the word it
    broke off with. `dollars` is null where nobody knows the model's price."""

    model: str
    says: str
    calls: list[ToolCallView]
    fails: str | None
    at_ms: int
    first_word_ms: int | None
    total_ms: int
    tokens: int
    dollars: float | None


class ToolWishView(TypedDict):
    """A tool that a model called, as a call's events tell it; `done` false: it was interrupted, and nothing came of
    it."""

    at_ms: int
    tool: str
    arguments: dict[str, Any]
    done: bool


class ModelView(TypedDict):
    """Which model answers. `stand_in`: the simulator's, instead of the agent's own, which can't be used here."""

    name: str
    stand_in: bool


class TalkView(CallView):
    """`awaits_callee`: the agent listens, and the call goes on with more lines. `stopped`: why it can't go on, where
    that is no end of a call. `answers` are sent along with the next line, so that the model isn't asked again; `model`
    is null where none is needed."""

    awaits_callee: bool
    stopped: str | None
    model: ModelView | None
    answers: list[AnswerView]
    tools: list[ToolWishView]


def rehearsal_view(done: Rehearsed) -> RehearsalView:
    return RehearsalView(
        name=done.name, passed=done.wrong is None, wrong=done.wrong, line=done.line, **_call(done)
    )


def audio_rehearsal_view(done: Rehearsed) -> AudioRehearsalView:
    spoken = [
        SpokenView(line=one.line, said=one.said, heard=one.heard, reply_ms=one.reply_ms) for one in done.spoken
    ]
    return AudioRehearsalView(**rehearsal_view(done), spoken=spoken)


def talk_view(done: Rehearsed, answers: Iterable[TapedAnswer] = (), model: ModelView | None = None) -> TalkView:
    return TalkView(
        awaits_callee=done.awaits_callee,
        stopped=done.wrong,
        model=model,
        answers=[_answer(one) for one in answers],
        tools=[
            ToolWishView(at_ms=one.at_ms, tool=one.tool, arguments=dict(one.arguments), done=one.done)
            for one in done.tools
        ],
        **_call(done),
    )


def _answer(one: TapedAnswer) -> AnswerView:
    return AnswerView(
        model=one.model,
        says=one.says,
        calls=[ToolCallView(tool=tool, arguments=arguments) for tool, arguments in one.calls],
        fails=one.fails,
        at_ms=one.at_ms,
        first_word_ms=one.first_word_ms,
        total_ms=one.total_ms,
        tokens=one.tokens,
        dollars=one.dollars,
    )


def _call(done: Rehearsed) -> CallView:
    return CallView(
        outcome=done.outcome,
        ended_by=None if done.ended_by is None else str(done.ended_by),
        noted=dict(done.noted),
        path=[PassedView(step=one.step, line=one.line, at_ms=one.at_ms, led_by=one.led_by) for one in done.path],
        turns=[
            LineView(
                speaker=turn.speaker,
                text=turn.text,
                start_ms=turn.start_ms,
                end_ms=turn.start_ms if turn.end_ms is None else turn.end_ms,
                interrupted=turn.interrupted,
            )
            for turn in done.turns
        ],
        duration_ms=done.duration_ms,
    )
