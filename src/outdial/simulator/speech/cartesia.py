"""Cartesia's Sonic on a websocket: /tts/websocket. A context an utterance, several at once.

Source: docs.cartesia.ai/api-reference/tts/websocket, version 2026-03-01.
"""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from outdial.simulator.faults import Fault, FaultKind, Faults
from outdial.simulator.speech.socket import Asked, Line, Message, Refused, VoiceSocket, refusal
from outdial.simulator.speech.utterance import Speak, TimedWord, Utterance, strike

NAME = "cartesia"
ULAW = {"container": "raw", "encoding": "pcm_mulaw", "sample_rate": 8000}
ERRORS = {
    FaultKind.VOICE_OUT_OF_QUOTA: ("quota_exceeded", 402),
    FaultKind.VOICE_BUSY: ("concurrency_limited", 429),
}
OF_CONTEXT = ("transcript", "continue", "flush")  # what may differ between the messages of one


class CartesiaVoice:
    name = NAME
    path = "/cartesia/tts/websocket"

    def accept(self, asked: Asked, line: Line, speak: Speak, faults: Faults) -> VoiceSocket:
        if "cartesia-version" not in asked.headers and "cartesia_version" not in asked.query:
            raise _refused(400, "version_missing")
        authorization = asked.headers.get("authorization", "")
        if not (asked.headers.get("x-api-key") or authorization.removeprefix("Bearer ").strip()):
            raise _refused(401, "unauthorized")
        refused = refusal(faults, NAME, lambda fault: json.dumps({"error_code": fault.kind.removeprefix("voice_")}))
        if refused is not None:
            raise refused
        return _Socket(line, speak, faults)


class _Socket:
    def __init__(self, line: Line, speak: Speak, faults: Faults) -> None:
        self._line = line
        self._speak = speak
        self._faults = faults
        self._contexts: dict[str, _Context] = {}
        self._over: list[_Context] = []

    def receive(self, message: Message) -> None:
        try:
            asked = json.loads(message)
            name = asked["context_id"]
        except (ValueError, TypeError, KeyError):
            self._error(None, "bad_request", 400)
            return
        if asked.get("cancel") is True:
            if (context := self._contexts.pop(name, None)) is not None:
                context.utterance.cancel()
                self._over.append(context)
            return
        context = self._contexts.get(name)
        settings = {key: value for key, value in asked.items() if key not in OF_CONTEXT}
        if context is None:
            if asked.get("output_format") != ULAW or not isinstance(asked.get("transcript"), str):
                self._error(name, "unsupported", 400)
                return
            context = self._contexts[name] = _Context(self, name, settings)
            context.utterance = Utterance(self._speak, context, strike(self._faults, NAME))
        elif context.settings != settings:
            self._error(name, "context_changed", 400)
            return
        if asked["transcript"]:
            context.utterance.say(asked["transcript"])
        if not asked.get("continue", False):
            context.utterance.end()

    async def aclose(self) -> None:
        for context in (*self._contexts.values(), *self._over):
            await context.utterance.aclose()

    def ended(self, name: str) -> None:
        self._contexts.pop(name, None)

    def send(self, message: Mapping[str, Any]) -> None:
        self._line.send(json.dumps(message))

    def goes_wrong(self, name: str, fault: Fault) -> None:
        match fault.kind:
            case FaultKind.VOICE_CUT:
                self._line.cut()
            case FaultKind.VOICE_CLOSED:
                self._line.close(fault.code, "")
            case FaultKind.VOICE_GARBLED:
                self._line.send("{")
            case kind:
                self._error(name, *ERRORS[kind])

    def _error(self, name: str | None, code: str, status: int) -> None:
        self.send(
            {"type": "error", "context_id": name, "done": True, "status_code": status, "error_code": code,
             "title": code, "message": "", "request_id": "simulated"}
        )  # fmt: skip


class _Context:
    """One utterance's Output."""

    utterance: Utterance

    def __init__(self, socket: _Socket, name: str, settings: Mapping[str, Any]) -> None:
        self.settings = settings
        self._socket = socket
        self._name = name

    def audio(self, ulaw: bytes, words: Sequence[TimedWord]) -> None:
        if words and self.settings.get("add_timestamps"):
            times = {
                "words": [word.text for word in words],
                "start": [word.start_ms / 1000 for word in words],
                "end": [word.end_ms / 1000 for word in words],
            }
            self._send("timestamps", 206, word_timestamps=times)
        self._send("chunk", 206, data=b64encode(ulaw).decode(), step_time=12.5, flush_id=1)

    def flushed(self) -> None:
        self._send("flush_done", 206, flush_done=True, flush_id=1)

    def done(self) -> None:
        self._socket.ended(self._name)
        self._send("done", 206, done=True)

    def goes_wrong(self, fault: Fault) -> None:
        self._socket.goes_wrong(self._name, fault)

    def _send(self, type_: str, status: int, **more: Any) -> None:
        self._socket.send({"type": type_, "context_id": self._name, "done": False, "status_code": status, **more})


def _refused(status: int, code: str) -> Refused:
    return Refused(status=status, body=json.dumps({"error_code": code}))
