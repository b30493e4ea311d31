"""ElevenLabs' websocket with contexts: /v1/text-to-speech/{voice}/multi-stream-input. At most five are open at once.

Source: elevenlabs.io/docs, multi-context websocket. The id and the end of a context are spelled one way or the other.
"""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from outdial.simulator.faults import Fault, FaultKind, Faults
from outdial.simulator.speech.socket import Asked, Line, Message, Refused, VoiceSocket, refusal
from outdial.simulator.speech.utterance import Speak, TimedWord, Utterance, strike

NAME = "elevenlabs"
MOST_CONTEXTS = 5
ERRORS = {FaultKind.VOICE_OUT_OF_QUOTA: "quota_exceeded", FaultKind.VOICE_BUSY: "system_busy"}
STATUSES = {
    FaultKind.VOICE_UNAUTHORIZED: "invalid_api_key",
    FaultKind.VOICE_THROTTLED: "too_many_concurrent_requests",
    FaultKind.VOICE_ERROR: "system_busy",
}


class ElevenLabsVoice:
    name = NAME
    path = "/elevenlabs/v1/text-to-speech/{voice}/multi-stream-input"

    def __init__(self) -> None:
        self._sockets = count()

    def accept(self, asked: Asked, line: Line, speak: Speak, faults: Faults) -> VoiceSocket:
        if not (asked.headers.get("xi-api-key") or asked.query.get("authorization")):
            raise Refused(status=401, body=_detail("missing_api_key"))
        if asked.query.get("output_format") != "ulaw_8000":
            raise Refused(status=400, body=_detail("unsupported_output_format"))
        if (refused := refusal(faults, NAME, lambda fault: _detail(STATUSES[fault.kind]))) is not None:
            raise refused
        return _Socket(line, speak, faults, old_spelling=next(self._sockets) % 2 == 1)


class _Socket:
    def __init__(self, line: Line, speak: Speak, faults: Faults, *, old_spelling: bool) -> None:
        self._line = line
        self._speak = speak
        self._faults = faults
        self._contexts: dict[str, _Context] = {}
        self.old_spelling = old_spelling

    def receive(self, message: Message) -> None:
        try:
            asked = json.loads(message)
        except ValueError:
            self.fail("invalid_message", 1008)
            return
        if asked.get("close_socket"):
            self._line.close(1000, "")
            return
        name = str(asked.get("context_id") or "default")
        context = self._contexts.get(name)
        if asked.get("close_context"):
            if context is not None:
                context.close()
            return
        text = asked.get("text")
        if not isinstance(text, str):
            self.fail("invalid_message", 1008)
        elif context is None:
            self._open(name, text)
        elif "voice_settings" in asked:
            self.fail("voice_settings_changed", 1008)
        else:
            context.say(text, flush=bool(asked.get("flush")))

    async def aclose(self) -> None:
        for context in self._contexts.values():
            await context.utterance.aclose()

    def fail(self, error: str, code: int) -> None:
        self._line.send(json.dumps({"message": error, "error": error, "code": code}))
        self._line.close(code, error)

    def send(self, name: str, message: Mapping[str, Any], *, final: bool | None) -> None:
        id_, end = ("context_id", "is_final") if self.old_spelling else ("contextId", "isFinal")
        self._line.send(json.dumps({**message, end: final, id_: name}))

    def ended(self, name: str) -> None:
        self._contexts.pop(name, None)

    def goes_wrong(self, fault: Fault) -> None:
        match fault.kind:
            case FaultKind.VOICE_CUT:
                self._line.cut()
            case FaultKind.VOICE_CLOSED:
                self._line.close(fault.code, "")
            case FaultKind.VOICE_GARBLED:
                self._line.send("{")
            case kind:
                self.fail(ERRORS[kind], 1008)

    def _open(self, name: str, text: str) -> None:
        if len(self._contexts) == MOST_CONTEXTS:
            self.fail("max_active_conversations", 1008)
        elif text != " ":
            self.fail("first_message_without_a_space", 1008)
        else:
            context = self._contexts[name] = _Context(self, name)
            context.utterance = Utterance(self._speak, context, strike(self._faults, NAME))


class _Context:
    """One utterance's Output."""

    utterance: Utterance

    def __init__(self, socket: _Socket, name: str) -> None:
        self._socket = socket
        self._name = name
        self._said_ms = 0.0
        self._waiting = ""  # until a flush

    def say(self, text: str, *, flush: bool) -> None:
        self._waiting += text
        if flush and self._waiting:
            self.utterance.say(self._waiting)
            self._waiting = ""

    def close(self) -> None:
        """What was flushed is still said."""
        self.utterance.end()

    def audio(self, ulaw: bytes, words: Sequence[TimedWord]) -> None:
        characters, starts, lasts = [], [], []
        for word in words:
            each_ms = (word.end_ms - word.start_ms) / (len(word.text) + 1)
            for place, character in enumerate(word.text + " "):
                characters.append(character)
                starts.append(round(word.start_ms + place * each_ms - self._said_ms))
                lasts.append(round(each_ms))
        alignment = {"chars": characters, "charStartTimesMs": starts, "charDurationsMs": lasts} if words else None
        self._said_ms += len(ulaw) / 8
        audio = b64encode(ulaw).decode()
        message = {"audio": audio, "alignment": alignment, "normalizedAlignment": alignment}
        self._socket.send(self._name, message, final=None)

    def flushed(self) -> None:
        pass  # nothing is told of it

    def done(self) -> None:
        self._socket.ended(self._name)
        self._socket.send(self._name, {"audio": None}, final=True)

    def goes_wrong(self, fault: Fault) -> None:
        self._socket.goes_wrong(fault)


def _detail(status: str) -> str:
    return json.dumps({"detail": {"status": status, "message": status}})
