"""The spans of a conversation that a model leads, in virtual time."""

import asyncio
import json
from dataclasses import asdict, replace
from datetime import timedelta
from itertools import pairwise

from agents.llm.test_tools_on_a_call import OWN, SLOTS
from outdial.testing.phone import Phone
from outdial.testing.virtual_time import run
from outdial.testing.written_model import WrittenModel, calls
from outdial.testing.written_tools import Takes, WrittenTools
from outdial.tracing.span import SpanKind
from outdial.tracing.spans import spans_of
from outdial.tracing.story import Happening, Transferred
from tracing.test_spans import ANSWERED, at, story

BYE = [calls("hang_up", goodbye="Goodbye!", outcome="confirmed")]
PARTS = [
    "end of turn", "recognition", "model first token", "model first sentence", "synthesis", "first frame", "playback",
]  # fmt: skip


class Written(Phone):
    """Keeps all that a journal would, in its order."""

    def __init__(self, *given, **more) -> None:
        super().__init__(*given, **more)
        self.happened: list[Happening] = []
        self._began_s = asyncio.get_running_loop().time()

    def turn(self, turn) -> None:
        super().turn(turn)
        self._happens("transcript", asdict(turn))

    def event(self, type_, data) -> None:
        super().event(type_, data)
        self._happens(type_, data)

    def _happens(self, type_, data) -> None:
        after_s = asyncio.get_running_loop().time() - self._began_s
        # As it is read from the database.
        kept = {name: value for name, value in data.items() if name not in ("text", "arguments", "answer")}
        written_at = ANSWERED.audio_started_at + timedelta(seconds=after_s)
        self.happened.append(Happening(type=type_, data=json.loads(json.dumps(kept)), at=written_at, attempt=1))


def talked() -> Written:
    async def call() -> Written:
        tools = WrittenTools({"free_slots": [Takes(1.0, SLOTS)]})
        model = WrittenModel([
            ["Let me look which times there are on Friday.", calls("free_slots", day="friday")],
            "Friday at nine is free. Is that fine?",
            BYE,
        ], first_s=0.3, word_s=0.02)  # fmt: skip
        phone = Written(OWN, models=[model], tools=tools)
        phone.says("Can I come on Friday?", after="Tuesday")
        phone.says("Yes.", after="fine?")
        await phone.talk()
        return phone

    return run(call())


def test_each_turn_has_its_parts_each_after_the_other():
    phone = talked()
    told = spans_of(story(replace(ANSWERED, ended_at=at(200)), ended_at=at(200), happenings=phone.happened))
    [conversation] = [span for span in told if span.name == "conversation"]
    turns = [span for span in told if span.name == "turn"]
    assert {span.parent for span in turns} == {conversation.context}
    assert [turn.attributes["outdial.turn.speaker"] for turn in turns] == [
        turn.speaker for _, turn in sorted(phone.turns.items())
    ]
    times = next(data for type_, data in phone.events if type_ == "turn_times")
    answer = next(turn for turn in turns if turn.attributes["outdial.turn.seq"] == times["seq"])
    zero_at = conversation.began_at
    assert answer.began_at == zero_at + timedelta(milliseconds=times["ended_ms"])
    assert answer.ended_at == zero_at + timedelta(milliseconds=phone.turns[times["seq"]].end_ms)
    assert answer.attributes["outdial.turn.latency_ms"] == phone.turns[times["seq"]].latency["total"]
    parts = [span for span in told if span.parent == answer.context]
    assert [part.name for part in parts] == PARTS
    assert parts[0].began_at == answer.began_at
    assert all(before.ended_at == after.began_at for before, after in pairwise(parts))
    took = {part.name: (part.ended_at - part.began_at) / timedelta(milliseconds=1) for part in parts}
    assert took["model first token"] == times["first_token_ms"] - times["text_ms"]
    assert took["synthesis"] == times["first_audio_ms"] - times["first_sentence_ms"]


def test_models_and_tools_are_told_by_the_names_that_everybody_has_for_them():
    told = spans_of(story(replace(ANSWERED, ended_at=at(200)), ended_at=at(200), happenings=talked().happened))
    chat = [span for span in told if span.name.startswith("chat ")]
    assert len(chat) == 3
    assert all(span.kind is SpanKind.CLIENT and span.began_at < span.ended_at for span in chat)
    assert chat[0].attributes["gen_ai.operation.name"] == "chat"
    assert chat[0].attributes["gen_ai.request.model"] == "written"
    [slots] = [span for span in told if span.name == "execute_tool free_slots"]
    assert slots.kind is SpanKind.CLIENT
    assert slots.ended_at - slots.began_at == timedelta(seconds=1)
    assert slots.attributes["gen_ai.tool.name"] == "free_slots"
    assert slots.attributes["outdial.tool.result"] == "ok"
    [bye] = [span for span in told if span.name == "execute_tool hang_up"]
    assert (bye.kind, bye.began_at) == (SpanKind.INTERNAL, bye.ended_at)


def test_nothing_that_anybody_said_is_in_any_of_them():
    phone = talked()
    told = spans_of(story(ANSWERED, happenings=phone.happened))
    events = [dict(event.attributes) for span in told for event in span.events]
    said = json.dumps([[[span.name, dict(span.attributes)] for span in told], events])
    for words in ("Friday", "friday", "nine", "Goodbye", "confirmed", "Yes"):
        assert words not in said


def test_after_a_transfer_that_came_to_nothing_the_clock_begins_anew():
    def turn(seq: int, start_ms: int, when: float) -> Happening:
        data = {"seq": seq, "speaker": "agent", "start_ms": start_ms, "end_ms": start_ms + 500, "interrupted": False}
        return Happening(type="transcript", data=data, at=at(when), attempt=1)

    back = Transferred(
        attempt_id="att_1", at=at(20), answered_at=None, ended_at=at(30), returned_at=at(31), result="busy", error=None
    )
    told = spans_of(story(ANSWERED, transfers=[back], happenings=[turn(1, 0, 10), turn(2, 0, 32)]))
    turns = [span for span in told if span.name == "turn"]
    assert [span.began_at for span in turns] == [ANSWERED.audio_started_at, at(31)]


def test_what_was_thought_ahead_took_no_time_of_the_callee_s():
    times = {"seq": 9, "ended_ms": 1000, "decided_ms": 1500, "text_ms": 1300, "first_token_ms": 1400,
             "first_sentence_ms": None, "first_audio_ms": 1520, "first_frame_ms": 1530, "played_ms": None}  # fmt: skip
    turn = {"seq": 9, "speaker": "agent", "start_ms": 1530, "end_ms": 2000, "interrupted": True}
    told = spans_of(story(ANSWERED, happenings=[
        Happening(type="turn_times", data=times, at=at(12), attempt=1),
        Happening(type="transcript", data=turn, at=at(12), attempt=1),
    ]))  # fmt: skip
    [answer] = [span for span in told if span.name == "turn"]
    parts = {span.name: span for span in told if span.parent == answer.context}
    assert list(parts) == ["end of turn", "recognition", "model first token", "synthesis", "first frame"]
    assert parts["recognition"].began_at == parts["recognition"].ended_at
    assert parts["synthesis"].began_at == parts["end of turn"].ended_at
    assert answer.attributes["outdial.turn.interrupted"] is True


def test_a_tool_that_failed_is_an_error_by_its_word_and_never_by_a_sentence():
    asked = {"tool": "book", "place": "calendar.example.com:8443", "result": "failed", "reason": "http_503",
             "status": 503, "done": False, "duration_ms": 40, "span_id": "00f067aa0ba902b7"}  # fmt: skip
    odd = {**asked, "reason": "what a server said", "span_id": "00f067aa0ba902b8", "status": None}
    told = spans_of(story(ANSWERED, happenings=[
        Happening(type="tool", data=data, at=at(12), attempt=1) for data in (asked, odd)
    ]))  # fmt: skip
    first, second = (span for span in told if span.name == "execute_tool book")
    assert (first.context.span_id, first.error) == (0x00F067AA0BA902B7, "http_503")
    assert first.attributes["server.address"] == "calendar.example.com"
    assert first.attributes["server.port"] == 8443
    assert first.attributes["http.response.status_code"] == 503
    assert second.error == "failed"
    assert "error.type" not in second.attributes
