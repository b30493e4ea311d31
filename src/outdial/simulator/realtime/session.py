"""The server's side of one websocket of the simulated Realtime API, without I/O."""

import asyncio
import base64
import binascii
import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from outdial.simulator.faults import FaultKind, Faults
from outdial.simulator.realtime.answers import Answer, Told, answer
from outdial.simulator.realtime.events import DEFAULT, Json, error, event, merged, new_id
from outdial.simulator.realtime.speaking import Speaking
from outdial.simulator.realtime.turns import Heard, Turns
from outdial.simulator.speech.socket import Asked, Line, Message, Refused
from outdial.simulator.speech.utterance import Speak
from outdial.speech.base import SpeechToText

NAME = "openai"
OF_ANSWER = (
    FaultKind.REALTIME_SLOW, FaultKind.REALTIME_SILENT, FaultKind.REALTIME_FAILED, FaultKind.REALTIME_CUT,
    FaultKind.REALTIME_LATE,
)  # fmt: skip
FORMATS = ("audio/pcmu",)  # that it takes and gives
Brain = Callable[[Sequence[Told], Mapping[str, Any]], Answer]


def accept(
    asked: Asked, line: Line, engine: SpeechToText, speak: Speak, faults: Faults, brain: Brain = answer
) -> "RealtimeSession":
    """Raises Refused."""
    key = asked.headers.get("authorization", "").removeprefix("Bearer ").strip()
    if not key or faults.strike_voice(FaultKind.REALTIME_UNAUTHORIZED, vendor=NAME) is not None:
        raise _refused(401, "invalid_api_key")
    if faults.strike_voice(FaultKind.REALTIME_THROTTLED, vendor=NAME) is not None:
        raise _refused(429, "rate_limit_exceeded")
    if not asked.query.get("model"):
        raise _refused(400, "missing_model")
    if "openai-beta" in asked.headers:
        raise _refused(400, "beta_api_shape_disabled")
    return RealtimeSession(asked.query["model"], line, engine, speak, faults, brain)


def _refused(status: int, code: str) -> Refused:
    told = {"error": {"message": code, "type": "invalid_request_error", "param": None, "code": code}}
    return Refused(status=status, body=json.dumps(told))


class RealtimeSession:
    """`told`: what it was told, but for audio; `heard_ms` of that."""

    def __init__(
        self, model: str, line: Line, engine: SpeechToText, speak: Speak, faults: Faults, brain: Brain
    ) -> None:
        self.told: list[Json] = []
        self._line = line
        self._engine = engine
        self._speak = speak
        self._faults = faults
        self._brain = brain
        self._session: Json = merged(DEFAULT, {"model": model})
        self._turns = Turns(self._began, self._ended)
        self._item = ""                       # what the callee is saying
        self._history: list[tuple[str, Told]] = []  # by item
        self._said_ms: dict[str, int] = {}    # audio of items that were spoken
        self._speaking: Speaking | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._do: Mapping[str, Callable[[Json], None]] = {
            "session.update": self._update,
            "input_audio_buffer.append": self._append,
            "input_audio_buffer.clear": self._clear,
            "conversation.item.create": self._create_item,
            "conversation.item.truncate": self._truncate,
            "conversation.item.delete": self._delete,
            "response.create": self._create_response,
            "response.cancel": self._cancel,
        }
        line.send(event("session.created", session=self._session))

    @property
    def heard_ms(self) -> int:
        return self._turns.heard_ms

    # -- what it is told -------------------------------------------------------------------------------------------

    def receive(self, message: Message) -> None:
        try:
            told = json.loads(message)
        except ValueError:
            told = None
        if not isinstance(told, dict) or told.get("type") not in self._do:
            self._line.send(error("invalid_value", "No such event.", None))
            return
        if told["type"] != "input_audio_buffer.append":
            self.told.append(told)
        self._do[told["type"]](told)

    async def aclose(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _update(self, told: Json) -> None:
        changes = told.get("session")
        if not isinstance(changes, dict) or changes.get("type") != "realtime":
            self._line.send(error("missing_required_parameter", "session.type", told.get("event_id")))
            return
        session = merged(self._session, changes)
        formats = {session["audio"][side]["format"].get("type") for side in ("input", "output")}
        if not formats <= set(FORMATS):
            self._line.send(error("invalid_value", "format", told.get("event_id")))
            return
        self._session = session
        detection = session["audio"]["input"]["turn_detection"] or {}
        self._turns.padding_ms = int(detection.get("prefix_padding_ms", 300))
        self._turns.silence_ms = int(detection.get("silence_duration_ms", 500))
        shown = session
        if self._strikes(FaultKind.REALTIME_WRONG_FORMAT):
            shown = merged(session, {"audio": {"output": {"format": {"type": "audio/pcm", "rate": 24000}}}})
        self._line.send(event("session.updated", session=shown))

    def _append(self, told: Json) -> None:
        try:
            ulaw = base64.b64decode(told["audio"], validate=True)
        except (KeyError, TypeError, binascii.Error, ValueError):
            self._line.send(error("invalid_value", "audio", told.get("event_id")))
            return
        self._turns.feed(ulaw)

    def _clear(self, told: Json) -> None:
        self._turns.forget()
        self._line.send(event("input_audio_buffer.cleared"))

    def _create_item(self, told: Json) -> None:
        item = told.get("item")
        if not isinstance(item, dict) or "type" not in item:
            self._line.send(error("missing_required_parameter", "item", told.get("event_id")))
            return
        item = {"id": new_id("item"), "object": "realtime.item", "status": "completed", **item}
        match item:
            case {"type": "message", "role": str(role), "content": list(content)}:
                text = " ".join(str(part.get("text", "")) for part in content)
                self._history.append((item["id"], Told(role, text)))
            case {"type": "function_call_output", "output": str(output)}:
                self._history.append((item["id"], Told("function", output)))
        self._line.send(event("conversation.item.added", previous_item_id=None, item=item))
        self._line.send(event("conversation.item.done", previous_item_id=None, item=item))

    def _truncate(self, told: Json) -> None:
        item, until_ms = str(told.get("item_id")), told.get("audio_end_ms")
        ms = self._said_ms.get(item)
        if self._speaking is not None and self._speaking.item == item:
            ms = self._speaking.spoken_ms
        if ms is None or not isinstance(until_ms, int):
            self._line.send(error("item_truncate_invalid_item_id", item, told.get("event_id")))
        elif not ms or not until_ms:
            self._line.send(error("unsupported_content_type", "no audio yet", told.get("event_id")))
        elif until_ms > ms:
            message = f"Audio content of {ms} ms is already shorter than {until_ms} ms"
            self._line.send(error("invalid_value", message, told.get("event_id")))
        else:
            self._line.send(
                event("conversation.item.truncated", item_id=item, content_index=0, audio_end_ms=until_ms)
            )

    def _delete(self, told: Json) -> None:
        item = str(told.get("item_id"))
        self._history = [one for one in self._history if one[0] != item]
        self._line.send(event("conversation.item.deleted", item_id=item))

    # -- the callee ------------------------------------------------------------------------------------------------

    def _began(self, start_ms: int) -> None:
        self._item = new_id("item")
        started = event("input_audio_buffer.speech_started", audio_start_ms=start_ms, item_id=self._item)
        self._line.send(started)
        if self._speaking is not None:
            self._speaking.cancel("turn_detected")

    def _ended(self, heard: Heard, at_ms: int) -> None:
        item = self._item
        self._line.send(event("input_audio_buffer.speech_stopped", audio_end_ms=at_ms, item_id=item))
        self._line.send(event("input_audio_buffer.committed", item_id=item, previous_item_id=None))
        content = [{"type": "input_audio", "transcript": None}]
        message = {
            "id": item, "object": "realtime.item", "type": "message", "role": "user", "status": "completed",
            "content": content,
        }  # fmt: skip
        self._line.send(event("conversation.item.added", previous_item_id=None, item=message))
        self._line.send(event("conversation.item.done", previous_item_id=None, item=message))
        self._respond(heard, item)

    async def _understood(self, heard: Heard, item: str) -> None:
        recognition = self._engine.recognition()
        recognition.feed(heard.pcm)
        text = await recognition.text()
        self._history.append((item, Told("user", text)))
        place = {"item_id": item, "content_index": 0}
        if self._strikes(FaultKind.REALTIME_NO_WORDS):
            told = {"type": "transcription_error", "code": "audio_unintelligible", "message": "no", "param": None}
            failed = "conversation.item.input_audio_transcription.failed"
            self._line.send(event(failed, error=told, **place))
            return
        details = {"audio_tokens": len(heard.pcm) // 1600, "text_tokens": 0}
        spent = {
            "type": "tokens", "total_tokens": details["audio_tokens"] + 4, "input_tokens": details["audio_tokens"],
            "output_tokens": 4, "input_token_details": details,
        }  # fmt: skip
        done = "conversation.item.input_audio_transcription.completed"
        self._line.send(event(done, transcript=text, usage=spent, logprobs=None, **place))

    # -- the model -------------------------------------------------------------------------------------------------

    def _create_response(self, told: Json) -> None:
        if self._speaking is not None:
            message = "Conversation already has an active response"
            self._line.send(error("conversation_already_has_active_response", message, told.get("event_id")))
        else:
            self._respond(None, "")

    def _cancel(self, told: Json) -> None:
        if self._speaking is None:
            self._line.send(error("response_cancel_not_active", "Nothing to cancel", told.get("event_id")))
        else:
            self._speaking.cancel("client_cancelled")

    def _respond(self, heard: Heard | None, item: str) -> None:
        if self._strikes(FaultKind.REALTIME_EXPIRED):
            self._line.send(error("session_expired", "Your session hit the maximum duration.", None))
            self._line.close(1001, "")
            return
        struck = {kind: self._faults.strike_voice(kind, vendor=NAME) for kind in OF_ANSWER}
        speaking = Speaking(
            self._line,
            self._speak,
            {kind: fault for kind, fault in struck.items() if fault is not None},
            lambda: self._over(speaking),
        )
        self._speaking = speaking
        if heard is not None:
            speaking.heard_ms = len(heard.pcm) // 16
        speaking.begin()
        self._start(self._answer(speaking, heard, item))

    async def _answer(self, speaking: Speaking, heard: Heard | None, item: str) -> None:
        if heard is not None:
            await self._understood(heard, item)
        if self._speaking is speaking:
            await speaking.run(self._brain([told for _, told in self._history], self._session))

    def _over(self, speaking: Speaking) -> None:
        self._said_ms[speaking.item] = speaking.spoken_ms
        if speaking.text:
            self._history.append((speaking.item, Told("assistant", speaking.text)))
        if self._speaking is speaking:
            self._speaking = None

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="simulated realtime session")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _strikes(self, kind: FaultKind) -> bool:
        return self._faults.strike_voice(kind, vendor=NAME) is not None
