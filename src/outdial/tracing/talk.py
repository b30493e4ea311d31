"""The spans of a conversation: its turns with their parts, what its model was asked, and its tools. Pure.

    conversation
    ├ turn                       of each side; the agent's, where it answers the callee, from the callee's last sound on
    │ ├ end of turn              until it was taken for the last
    │ ├ recognition              until its words were known
    │ ├ model first token
    │ ├ model first sentence
    │ ├ synthesis                until there was audio
    │ ├ first frame              until it left for the callee
    │ └ playback                 until the callee had heard all of it
    ├ chat <model>               each answer of a model
    └ execute_tool <tool>

Turns are told on the call clock, which begins with the audio; after a transfer that came to nothing, anew.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from outdial.tracing.context import span_id
from outdial.tracing.span import Span, SpanEvent, SpanKind, child, known
from outdial.tracing.story import Dial, Happening, Story

AGENT = "agent"
PARTS = (  # each until the time of that name in `turn_times`
    ("end of turn", "decided_ms"),
    ("recognition", "text_ms"),
    ("model first token", "first_token_ms"),
    ("model first sentence", "first_sentence_ms"),
    ("synthesis", "first_audio_ms"),
    ("first frame", "first_frame_ms"),
    ("playback", "played_ms"),
)


_TOLD = (
    "model_failed", "tools_missing", "recognition_late", "agent_limit", "brain_lost", "brain_failed", "sound_failed",
)  # fmt: skip


def spans_of_talk(story: Story, dial: Dial, attempt: Span, began_at: datetime, ended_at: datetime) -> Iterator[Span]:
    told = [each for each in story.happenings if each.attempt == dial.number]
    conversation = child(
        attempt,
        "conversation",
        (began_at, ended_at),
        id_=span_id(story.call_id, "conversation", dial.number),
        events=[
            SpanEvent(name=each.type, at=each.at, attributes=known({"error.type": _word(each.data.get("error"))}))
            for each in told
            if each.type in _TOLD
        ],
    )
    yield conversation
    if story.is_recorded:
        yield child(attempt, "recording", (began_at, ended_at), id_=span_id(story.call_id, "recording", dial.number))
    for turn in _turns(told, _clock(story, dial, began_at)):
        yield from _of_turn(turn, conversation, story.call_id)
    for number, each in enumerate(told):
        if each.type == "model":
            yield _of_model(each, conversation, span_id(story.call_id, "chat", dial.number, number))
        elif each.type == "tool":
            yield _of_tool(each, conversation, span_id(story.call_id, "tool", dial.number, number))


# -- turns -----------------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class _Turn:
    """The last that was written of it, when its call clock began, and the times of an answer of the agent's."""

    told: Mapping[str, Any]
    zero_at: datetime
    times: Mapping[str, Any] = field(default_factory=dict)

    def at(self, ms: int) -> datetime:
        return self.zero_at + timedelta(milliseconds=ms)

    def ms(self, name: str) -> int | None:
        value = self.times.get(name)
        return value if isinstance(value, int) else None


def _clock(story: Story, dial: Dial, began_at: datetime) -> Sequence[datetime]:
    """When the call clock began, each time."""
    back = [each.returned_at for each in story.transfers if each.attempt_id == dial.id and each.returned_at is not None]
    return [began_at, *sorted(back)]


def _turns(told: Sequence[Happening], clock: Sequence[datetime]) -> Sequence[_Turn]:
    """A turn is written again as it grows; its times are written right before it is whole."""
    turns: dict[int, _Turn] = {}
    times: Mapping[str, Any] = {}
    for each in told:
        if each.type == "turn_times":
            times = each.data
        elif each.type == "transcript":
            zero_at = max(at for at in clock if at <= each.at or at == clock[0])
            turn = turns.setdefault(each.data["seq"], _Turn(told=each.data, zero_at=zero_at))
            turn.told = each.data
            if times and each.data.get("speaker") == AGENT:
                turn.times, times = times, {}
    return sorted(turns.values(), key=lambda turn: turn.at(turn.told["start_ms"]))


def _of_turn(turn: _Turn, conversation: Span, call_id: str) -> Iterator[Span]:
    told, callee_ended_ms = turn.told, turn.ms("ended_ms")
    began_ms = told["start_ms"] if callee_ended_ms is None else callee_ended_ms
    ended_ms = told.get("end_ms") or turn.ms("played_ms") or told["start_ms"]
    latency = told.get("latency") or {}
    span = child(
        conversation,
        "turn",
        (turn.at(began_ms), turn.at(ended_ms)),
        id_=span_id(call_id, "turn", told["seq"]),
        attributes=known({
            "outdial.turn.seq": told["seq"],
            "outdial.turn.speaker": told.get("speaker"),
            "outdial.turn.interrupted": told.get("interrupted"),
            "outdial.turn.latency_ms": latency.get("total"),
        }),
    )
    yield span
    if callee_ended_ms is None:
        return
    before_ms = callee_ended_ms
    for name, until in PARTS:
        until_ms = turn.ms(until)
        if until_ms is not None:  # what was done ahead took no time of the callee's
            part_began_ms = min(before_ms, until_ms)
            part_id = span_id(call_id, "turn", told["seq"], name)
            yield child(span, name, (turn.at(part_began_ms), turn.at(until_ms)), id_=part_id)
            before_ms = max(before_ms, until_ms)


# -- models and tools ------------------------------------------------------------------------------------------


def _of_model(answer: Happening, conversation: Span, id_: int) -> Span:
    """Told when it is whole, with how long it took."""
    data = answer.data
    took = timedelta(milliseconds=data.get("total_ms") or 0)
    return child(
        conversation,
        f"chat {data.get('model')}",
        (answer.at - took, answer.at),
        id_=id_,
        kind=SpanKind.CLIENT,
        attributes=known({
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": data.get("model"),
            "outdial.model.tokens": data.get("tokens"),
            "outdial.model.dollars": data.get("dollars"),
            "outdial.model.first_token_ms": data.get("first_word_ms"),
            "outdial.model.first_sentence_ms": data.get("first_sentence_ms"),
        }),
    )


def _of_tool(asked: Happening, conversation: Span, id_: int) -> Span:
    """An author's is a request to somebody, told when it was answered, and has the id that was sent along; our own take
    no time."""
    data = asked.data
    took = timedelta(milliseconds=data.get("duration_ms") or 0)
    sent, status, place = data.get("span_id"), data.get("status"), data.get("place")
    failed = place is not None and data.get("result") in ("failed", "unknown")
    return child(
        conversation,
        f"execute_tool {data.get('tool')}",
        (asked.at - took, asked.at),
        id_=id_ if sent is None else int(sent, 16),
        kind=SpanKind.INTERNAL if place is None else SpanKind.CLIENT,
        attributes=known({
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": data.get("tool"),
            "outdial.tool.place": place,
            "outdial.tool.result": data.get("result"),
            "outdial.tool.done": data.get("done"),
            "http.response.status_code": status,
            **({} if status is None or place is None else _server(place)),
            "error.type": _word(data.get("reason")) if failed else None,
        }),
        error=(_word(data.get("reason")) or "failed") if failed else None,
    )


def _server(place: str) -> Mapping[str, str | int]:
    """Of an HTTP tool's host, with its port or without."""
    host, _, port = place.rpartition(":")
    has_port = bool(host) and port.isdecimal()
    return {"server.address": host, "server.port": int(port)} if has_port else {"server.address": place}


def _word(value: object) -> str | None:
    """One of ours, as they are everywhere; a sentence is none."""
    return value if isinstance(value, str) and value and " " not in value else None
