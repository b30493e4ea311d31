"""Deepgram's Aura on a websocket: /v1/speak. One utterance at a time, whose audio has no id.

Source: developers.deepgram.com, text-to-speech websocket.
"""

import asyncio
import json
from collections import deque
from collections.abc import Sequence
from typing import Any

from outdial.simulator.faults import Fault, FaultKind, Faults
from outdial.simulator.speech.socket import Asked, Line, Message, Refused, VoiceSocket, refusal
from outdial.simulator.speech.utterance import Speak, TimedWord, Utterance, strike

NAME = "deepgram"
MOST_FLUSHES = 20  # in a minute
MOST_CHARS = 2000
ERRORS = {FaultKind.VOICE_OUT_OF_QUOTA: "ASR_PAYMENT_REQUIRED", FaultKind.VOICE_BUSY: "TOO_MANY_REQUESTS"}


class DeepgramVoice:
    name = NAME
    path = "/deepgram/v1/speak"

    def accept(self, asked: Asked, line: Line, speak: Speak, faults: Faults) -> VoiceSocket:
        if not asked.headers.get("authorization", "").removeprefix("Token ").removeprefix("Bearer ").strip():
            raise Refused(status=401, body=_error("INVALID_AUTH"))
        if asked.query.get("encoding") != "mulaw" or asked.query.get("sample_rate") != "8000":
            raise Refused(status=400, body=_error("UNSUPPORTED_AUDIO_FORMAT"))
        if (refused := refusal(faults, NAME, lambda fault: _error(fault.kind.value))) is not None:
            raise refused
        return _Socket(line, speak, faults, asked.query.get("model", ""))


class _Socket:
    """It is its utterance's Output, too."""

    def __init__(self, line: Line, speak: Speak, faults: Faults, model: str) -> None:
        self._line = line
        self._speak = speak
        self._faults = faults
        self._sequence = 0
        self._flushed_at: deque[float] = deque(maxlen=MOST_FLUSHES)
        self._utterance: Utterance | None = None
        self._over: list[Utterance] = []
        self._waiting = ""
        self._silent = False  # nothing ends
        self._tell("Metadata", request_id="simulated", model_name=model, model_version="1", model_uuid="simulated")

    def receive(self, message: Message) -> None:
        try:
            asked = json.loads(message)
        except ValueError:
            asked = {}
        match asked:
            case {"type": "Speak", "text": str(text)} if len(text) <= MOST_CHARS:
                self._waiting += text
            case {"type": "Flush"}:
                self._flush()
            case {"type": "Clear"}:
                self._clear()
            case {"type": "Close"}:
                self._line.close(1000, "")
            case _:
                self._line.send(_error("DATA-0000"))
                self._line.close(1008, "DATA-0000")

    async def aclose(self) -> None:
        for utterance in (*self._over, self._utterance):
            if utterance is not None:
                await utterance.aclose()

    def audio(self, ulaw: bytes, words: Sequence[TimedWord]) -> None:
        self._line.send(ulaw)

    def flushed(self) -> None:
        if not self._silent:
            self._numbered("Flushed")

    def done(self) -> None:
        pass

    def goes_wrong(self, fault: Fault) -> None:
        match fault.kind:
            case FaultKind.VOICE_CUT:
                self._line.cut()
            case FaultKind.VOICE_CLOSED:
                self._line.close(fault.code, "")
            case FaultKind.VOICE_GARBLED:
                self._line.send("{")
            case kind:
                self._line.send(_error(ERRORS[kind]))
                self._line.close(1008, "")

    def _flush(self) -> None:
        now = asyncio.get_running_loop().time()
        if len(self._flushed_at) == MOST_FLUSHES and now - self._flushed_at[0] < 60:
            self._tell("Warning", code="EXCESSIVE_FLUSH", description="Flush not done")
            return
        self._flushed_at.append(now)
        if self._utterance is None:
            struck = strike(self._faults, NAME)
            self._silent = FaultKind.VOICE_NO_END in struck
            self._utterance = Utterance(self._speak, self, struck)
        text, self._waiting = self._waiting, ""
        if text:
            self._utterance.say(text)
        self._utterance.flush()

    def _clear(self) -> None:
        """What is under way still comes, before the answer."""
        self._waiting = ""
        utterance, self._utterance = self._utterance, None
        late_s = 0.0
        if utterance is not None:
            utterance.cancel()
            self._over.append(utterance)
            late_s = utterance.late_s
        asyncio.get_running_loop().call_later(late_s, self._numbered, "Cleared")

    def _numbered(self, type_: str) -> None:
        self._tell(type_, sequence_id=self._sequence)
        self._sequence += 1

    def _tell(self, type_: str, **more: Any) -> None:
        self._line.send(json.dumps({"type": type_, **more}))


def _error(code: str) -> str:
    told = {"err_code": code, "err_msg": code, "description": code, "request_id": "simulated"}
    return json.dumps({"type": "Error", **told})
