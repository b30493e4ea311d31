"""Deepgram's nova on a websocket: /deepgram/v1/listen.

Source: developers.deepgram.com/reference/speech-to-text/listen-streaming
"""

import json
from collections.abc import Mapping
from typing import Any

from outdial.simulator.faults import Faults
from outdial.simulator.speech.ears import Ears, Stretch
from outdial.simulator.speech.hearing_faults import HearingFaults
from outdial.simulator.speech.socket import Asked, Line, Message, Refused, VoiceSocket
from outdial.speech.base import SpeechToText

NAME = "deepgram"
INTERIM_MS = 500       # of voice, between two guesses
SILENT_MS = 5000       # of silence, after which it says that it heard nothing
LEAST_PAUSE_MS = 200   # it doesn't notice a shorter one


class NovaRecogniser:
    name = NAME
    path = "/deepgram/v1/listen"

    def accept(self, asked: Asked, line: Line, engine: SpeechToText, faults: Faults) -> VoiceSocket:
        """Raises Refused."""
        struck = admitted(asked, faults)
        if not asked.query.get("model", "").startswith("nova"):
            raise Refused(status=403, body=error_body("INSUFFICIENT_PERMISSIONS", "No such model here."))
        return _Socket(asked.query, line, engine, struck)


class _Socket:
    def __init__(
        self, query: Mapping[str, str], line: Line, engine: SpeechToText, struck: HearingFaults
    ) -> None:
        self._line = line
        self._struck = struck.on(line, lambda word: [{"type": "Error", "variant": word, "description": word}])
        self._ears = Ears(engine, self._step)
        pause = query.get("endpointing", "10")
        self._pause_ms = float("inf") if pause == "false" else max(LEAST_PAUSE_MS, int(pause))
        self._interims = query.get("interim_results") == "true"
        self._punctuates = query.get("punctuate") == "true" or query.get("smart_format") == "true"
        self._guessed_ms = 0.0

    def receive(self, message: Message) -> None:
        if isinstance(message, bytes):
            self._struck.heard(len(message) / 8)
            self._ears.feed(message)
            return
        match type_of(message):
            case "Finalize":
                self._end(from_finalize=True)
            case "CloseStream":
                self._ears.ask(self._close)
            case "KeepAlive" | "Configure":
                pass
            case _:
                self._line.close(1008, "DATA-0000")

    async def aclose(self) -> None:
        await self._ears.aclose()
        self._struck.close()

    def _step(self) -> None:
        ears = self._ears
        if ears.voice_ms is None:
            if ears.heard_ms - ears.began_ms >= SILENT_MS:
                self._end()
        elif ears.quiet_ms >= self._pause_ms:
            self._end(speech_final=True)
        elif self._interims and ears.heard_ms - max(self._guessed_ms, ears.began_ms) >= INTERIM_MS:
            self._guessed_ms = ears.heard_ms
            ears.ask(lambda found: self._struck.send(self._results(found, is_final=False)))

    def _end(self, *, speech_final: bool = False, from_finalize: bool = False) -> None:
        told = {"speech_final": speech_final, "from_finalize": from_finalize}
        self._ears.ask(lambda found: self._struck.send(self._results(found, **told), final=True))
        self._ears.end_stretch()

    def _results(
        self, found: Stretch, *, is_final: bool = True, speech_final: bool = False, from_finalize: bool = False
    ) -> dict[str, Any]:
        words = [
            {"word": word.text.lower().strip(".,?!"), "start": word.start_ms / 1000, "end": word.end_ms / 1000,
             "confidence": 0.99} | ({"punctuated_word": word.text} if self._punctuates else {})
            for word in found.words
        ]  # fmt: skip
        text = found.text if self._punctuates else " ".join(str(word["word"]) for word in words)
        return {
            "type": "Results", "channel_index": [0, 1], "duration": (found.until_ms - found.start_ms) / 1000,
            "start": found.start_ms / 1000, "is_final": is_final, "speech_final": speech_final,
            "from_finalize": from_finalize,
            "channel": {"alternatives": [{"transcript": text, "confidence": 0.99, "words": words}]},
            "metadata": {
                "request_id": "simulated", "model_uuid": "simulated",
                "model_info": {"name": "simulated", "version": "1", "arch": "nova-3"},
            },
        }  # fmt: skip

    def _close(self, found: Stretch) -> None:
        if found.text:
            self._struck.send(self._results(found), final=True)
        done = {
            "type": "Metadata", "transaction_key": "deprecated", "request_id": "simulated", "sha256": "",
            "created": "2026-01-01T00:00:00Z", "duration": self._ears.heard_ms / 1000, "channels": 1,
        }  # fmt: skip
        self._struck.send(done)
        self._line.close(1000, "")


def type_of(message: str) -> str | None:
    try:
        found = json.loads(message)
    except ValueError:
        return None
    return found.get("type") if isinstance(found, dict) else None


def admitted(asked: Asked, faults: Faults) -> HearingFaults:
    """What both of Deepgram's recognisers check of whoever connects. Raises Refused."""
    struck = HearingFaults(faults, NAME)
    if not asked.headers.get("authorization", "").removeprefix("Token").strip():
        raise Refused(status=401, body=error_body("INVALID_AUTH", "Invalid credentials."))
    struck.refuse(lambda word: error_body(word, "Refused."))
    if asked.query.get("encoding") != "mulaw" or asked.query.get("sample_rate") != "8000":
        raise Refused(status=400, body=error_body("Bad Request", "Unsupported encoding here."))
    return struck


def error_body(code: str, message: str) -> str:
    return json.dumps({"err_code": code, "err_msg": message, "request_id": "simulated"})
