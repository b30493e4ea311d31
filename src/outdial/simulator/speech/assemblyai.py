"""AssemblyAI's streaming on a websocket: /assemblyai/v3/ws.

Source: assemblyai.com/docs/streaming/message-sequence and common-session-errors-and-closures
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from outdial.simulator.faults import Faults
from outdial.simulator.speech.ears import Stretch
from outdial.simulator.speech.hearing_faults import HearingFaults
from outdial.simulator.speech.nova import type_of
from outdial.simulator.speech.socket import Asked, Line, Message, Refused, VoiceSocket
from outdial.simulator.speech.turn import Silences, Turns
from outdial.speech.base import SpeechToText

NAME = "assemblyai"
LEAST_MS, MOST_MS = 50, 1000   # of a frame
AHEAD_MS = 20_000              # faster than real time by so much is too fast here
TOLD_CODE = 1008


class AssemblyAIRecogniser:
    name = NAME
    path = "/assemblyai/v3/ws"

    def accept(self, asked: Asked, line: Line, engine: SpeechToText, faults: Faults) -> VoiceSocket:
        """Raises Refused. A missing key is told after the handshake, as there."""
        struck = HearingFaults(faults, NAME)
        struck.refuse(lambda word: json.dumps({"error": word}))
        if asked.query.get("encoding") != "pcm_mulaw" or asked.query.get("sample_rate") != "8000":
            raise Refused(status=400, body=json.dumps({"error": "unsupported encoding here"}))
        socket = _Socket(asked.query, line, engine, struck)
        if not (asked.headers.get("authorization") or asked.query.get("token")):
            socket.refuse(1008, "Missing Authorization header")
        else:
            socket.begin()
        return socket


class _Socket:
    def __init__(
        self, query: Mapping[str, str], line: Line, engine: SpeechToText, struck: HearingFaults
    ) -> None:
        self._line = line
        self._struck = struck.on(line, lambda word: [_error(TOLD_CODE, word)])
        silences = Silences(
            whole_ms=float(query.get("min_turn_silence", "400")), most_ms=float(query.get("max_turn_silence", "1280"))
        )
        self._turns = Turns(engine, self, silences)
        self._formats = query.get("format_turns", "").lower() == "true"
        self._began = asyncio.get_running_loop().time()
        self._over = False

    def begin(self) -> None:
        self._struck.send({"type": "Begin", "id": "00000000-0000-4000-8000-000000000001", "expires_at": 1_900_000_000})

    def refuse(self, code: int, why: str) -> None:
        self._over = True
        self._line.send(json.dumps(_error(code, why)))
        self._line.close(code, why)

    def receive(self, message: Message) -> None:
        if self._over:
            return
        if isinstance(message, bytes):
            self._audio(message)
            return
        match type_of(message):
            case "Terminate":
                self._turns.last(self._terminate)
            case "ForceEndpoint":
                self._turns.end_now()
            case "UpdateConfiguration" | "KeepAlive":
                pass
            case _:
                self.refuse(3006, "Invalid Message Type")

    async def aclose(self) -> None:
        await self._turns.ears.aclose()
        self._struck.close()

    def _audio(self, mulaw: bytes) -> None:
        ms = len(mulaw) / 8
        if not LEAST_MS <= ms <= MOST_MS:
            self.refuse(3007, f"Input Duration Error: {ms:.0f} ms")
            return
        self._struck.heard(ms)
        self._turns.ears.feed(mulaw)
        if self._turns.ears.heard_ms > (asyncio.get_running_loop().time() - self._began) * 1000 + AHEAD_MS:
            self.refuse(3007, "Audio Transmission Rate Exceeded")

    def _terminate(self) -> None:
        lasted_s = asyncio.get_running_loop().time() - self._began
        self._struck.send(
            {"type": "Termination", "audio_duration_seconds": round(self._turns.ears.heard_ms / 1000),
             "session_duration_seconds": round(lasted_s)}
        )  # fmt: skip
        self._line.close(1000, "")

    # -- TurnTeller

    def heard(self, turn: int, found: Stretch) -> None:
        self._struck.send(_turn(turn, found))

    def step(self, turn: int, found: Stretch | None, quiet_ms: float, heard_ms: float) -> None:
        pass

    def ended(self, turn: int, found: Stretch) -> None:
        if found.words:
            self._struck.send(_turn(turn, found, ends=True), final=True)
            if self._formats:
                self._struck.send(_turn(turn, found, ends=True, formatted=True), final=True)


def _turn(turn: int, found: Stretch, *, ends: bool = False, formatted: bool = False) -> dict[str, Any]:
    """Its last word may change as long as it lasts, and isn't in the transcript then."""
    final = len(found.words) - (0 if ends else 1)
    words = [
        {"text": word.text, "start": round(word.start_ms), "end": round(word.end_ms), "confidence": 0.97,
         "word_is_final": place < final}
        for place, word in enumerate(found.words)
    ]  # fmt: skip
    return {
        "type": "Turn", "turn_order": turn, "turn_is_formatted": formatted, "end_of_turn": ends,
        "transcript": " ".join(word.text for word in found.words[:final]), "utterance": "",
        "end_of_turn_confidence": 0.9 if ends else 0.1, "words": words,
    }  # fmt: skip


def _error(code: int, why: str) -> dict[str, Any]:
    return {"type": "Error", "error_code": code, "error": why}
