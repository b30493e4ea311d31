"""Deepgram's Flux on a websocket: /deepgram/v2/listen. Its clock is the audio that it is sent.

Source: developers.deepgram.com/docs/flux/state
"""

from collections.abc import Mapping
from typing import Any

from outdial.simulator.faults import Faults
from outdial.simulator.speech.ears import Stretch
from outdial.simulator.speech.hearing_faults import HearingFaults
from outdial.simulator.speech.nova import NAME, admitted, error_body, type_of
from outdial.simulator.speech.socket import Asked, Line, Message, Refused, VoiceSocket
from outdial.simulator.speech.turn import Silences, Turns
from outdial.speech.base import SpeechToText

UPDATE_MS = 240
EAGER_MS = 160   # of quiet


class FluxRecogniser:
    name = NAME
    path = "/deepgram/v2/listen"

    def accept(self, asked: Asked, line: Line, engine: SpeechToText, faults: Faults) -> VoiceSocket:
        """Raises Refused."""
        struck = admitted(asked, faults)
        eager, threshold = (asked.query.get(key) for key in ("eager_eot_threshold", "eot_threshold"))
        if eager is not None and float(eager) > float(threshold or 0.7):
            raise Refused(status=400, body=error_body("Bad Request", "eager_eot_threshold above eot_threshold."))
        if not asked.query.get("model", "").startswith("flux-"):
            raise Refused(status=403, body=error_body("INSUFFICIENT_PERMISSIONS", "No such model here."))
        return _Socket(asked.query, line, engine, struck)


class _Socket:
    def __init__(
        self, query: Mapping[str, str], line: Line, engine: SpeechToText, struck: HearingFaults
    ) -> None:
        self._line = line
        self._struck = struck.on(line, lambda word: [{"type": "Error", "code": word, "description": ""}])
        timeout_ms = float(query.get("eot_timeout_ms", "5000"))
        self._turns = Turns(engine, self, Silences(most_ms=min(timeout_ms, 1280)))
        self._is_eager = "eager_eot_threshold" in query
        self._sequence = 0
        self._updated_ms = 0.0
        self._started = -1   # the newest turn with words
        self._eager: str | None = None  # what was told to be the end, maybe
        self._send({"type": "Connected", "request_id": "simulated"})

    def receive(self, message: Message) -> None:
        if isinstance(message, bytes):
            self._struck.heard(len(message) / 8)
            self._turns.ears.feed(message)
            return
        match type_of(message):
            case "CloseStream":
                self._turns.last(lambda: self._line.close(1000, ""))
            case "ForceEndTurn":
                self._turns.end_now()
            case "Configure":
                self._send({"type": "ConfigureSuccess", "request_id": "simulated", "thresholds": {}, "keyterms": []})
            case _:
                self._line.close(1008, "DATA-0000")

    async def aclose(self) -> None:
        await self._turns.ears.aclose()
        self._struck.close()

    # -- TurnTeller

    def heard(self, turn: int, found: Stretch) -> None:
        if self._eager is not None and found.text != self._eager:
            self._resume(turn, found)
        event = "Update" if self._started == turn else "StartOfTurn"
        self._started = turn
        self._info(event, turn, found, found.until_ms)

    def step(self, turn: int, found: Stretch | None, quiet_ms: float, heard_ms: float) -> None:
        if self._eager is not None and quiet_ms == 0 and found is not None:
            self._resume(turn, found)
        if self._is_eager and found is not None and self._eager is None and quiet_ms >= EAGER_MS:
            self._eager = found.text
            self._info("EagerEndOfTurn", turn, found, heard_ms)
        elif heard_ms - self._updated_ms >= UPDATE_MS and (found is None or quiet_ms > 0):
            empty = Stretch(start_ms=heard_ms, until_ms=heard_ms, words=())
            self._info("Update", turn, found or empty, heard_ms)

    def ended(self, turn: int, found: Stretch) -> None:
        if not found.words:
            return
        if self._started != turn:  # its audio came faster than it was recognised
            self._started = turn
            self._info("StartOfTurn", turn, found, found.until_ms)
        if self._eager is not None and self._eager != found.text:
            self._resume(turn, found)
        self._eager = None
        self._info("EndOfTurn", turn, found, found.until_ms, trigger="model")

    def _resume(self, turn: int, found: Stretch) -> None:
        self._eager = None
        self._info("TurnResumed", turn, found, found.until_ms)

    def _info(self, event: str, turn: int, found: Stretch, until_ms: float, **more: str) -> None:
        self._updated_ms = until_ms
        words = [
            {"word": word.text, "confidence": 0.99, "start": word.start_ms / 1000, "end": word.end_ms / 1000}
            for word in found.words
        ]
        told = {
            "type": "TurnInfo", "request_id": "simulated", "event": event, "turn_index": turn,
            "audio_window_start": found.start_ms / 1000, "audio_window_end": until_ms / 1000,
            "transcript": found.text, "words": words, "end_of_turn_confidence": 0.9 if event == "EndOfTurn" else 0.1,
            **more,
        }  # fmt: skip
        self._send(told, final=event == "EndOfTurn")

    def _send(self, message: Mapping[str, Any], *, final: bool = False) -> None:
        self._struck.send({**message, "sequence_id": self._sequence}, final=final)
        self._sequence += 1


