"""How a rehearsed call is shown."""

from typing import Any

from typing_extensions import TypedDict

from outdial.rehearsals.run import Rehearsed


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


class TalkView(CallView):
    """`awaits_callee`: the agent listens, and the call goes on with more lines. `stopped`: why it can't go on, where
    that is no end of a call."""

    awaits_callee: bool
    stopped: str | None


def rehearsal_view(done: Rehearsed) -> RehearsalView:
    return RehearsalView(
        name=done.name, passed=done.wrong is None, wrong=done.wrong, line=done.line, **_call(done)
    )


def audio_rehearsal_view(done: Rehearsed) -> AudioRehearsalView:
    spoken = [
        SpokenView(line=one.line, said=one.said, heard=one.heard, reply_ms=one.reply_ms) for one in done.spoken
    ]
    return AudioRehearsalView(**rehearsal_view(done), spoken=spoken)


def talk_view(done: Rehearsed) -> TalkView:
    return TalkView(awaits_callee=done.awaits_callee, stopped=done.wrong, **_call(done))


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
