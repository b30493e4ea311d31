"""AssemblyAI's streaming v3: the words of a turn as it grows, and when it has ended.

Source: assemblyai.com/docs/streaming/message-sequence
"""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from outdial.speech.base import TurnTold, base_of
from outdial.speech.choice import RecognitionChoice
from outdial.speech.stream.codec import Message, Ready, Told
from outdial.speech.stream.frames import BYTES_PER_MS, Frames
from outdial.speech.stream.reading import number, objects, read_message, text, words
from outdial.speech.stream.words import Piece, Turn
from outdial.speech.wire.failures import Fault, VendorFailed, by_message

logger = logging.getLogger(__name__)

FRAME_MS, LONGEST_FRAME_MS = 60, 1000  # it takes 50 to 1000
TERMINATE = json.dumps({"type": "Terminate"})
KNOWN = frozenset({"SpeechStarted", "Termination", "Warning", "Heartbeat", "Silence"})
FAULTS = {
    1008: Fault.UNAUTHORIZED, 3006: Fault.REFUSED, 3007: Fault.REFUSED, 3008: Fault.LOST, 3009: Fault.BUSY,
    4001: Fault.UNAUTHORIZED, 4002: Fault.NO_CREDIT,
}  # fmt: skip
_QUERY = {
    "end_of_turn_confidence_threshold": "end_of_turn_confidence_threshold",
    "min_turn_silence_ms": "min_turn_silence",
    "max_turn_silence_ms": "max_turn_silence",
    "format_turns": "format_turns",
}


UNTOLD = "universal-streaming"  # these have one language, or find it out; "multi" has the others find it out, too
ANY = "multi"


def streaming_path(choice: RecognitionChoice, language: str) -> str:
    """Of the handshake, with its query."""
    options = choice.options
    query = [("sample_rate", "8000"), ("encoding", "pcm_mulaw"), ("speech_model", choice.model)]
    query += [(theirs, str(options[ours]).lower()) for ours, theirs in _QUERY.items() if ours in options]
    terms = options.get("keyterms", ())
    if isinstance(terms, tuple) and terms:
        query.append(("keyterms_prompt", json.dumps(terms)))
    told = str(options.get("language") or base_of(language))
    if told != ANY and not choice.model.startswith(UNTOLD):
        query.append(("language_codes", json.dumps([told])))
    return f"/v3/ws?{urlencode(query)}"


class AssemblyAICodec:
    """See stream.codec.RecognitionCodec."""

    greets = True  # with Begin
    follows_turns = True
    settles_ms = 350  # it says nothing about silence: words that are to come are there within that time
    can_ask = False   # ForceEndpoint would end the turn, too, and that is for it to say

    def __init__(self) -> None:
        self._frames = Frames(FRAME_MS, LONGEST_FRAME_MS)
        self._sent_ms = 0.0

    def audio(self, mulaw: bytes) -> Sequence[Message]:
        frames = list(self._frames.add(mulaw))
        self._sent_ms += sum(map(len, frames)) / BYTES_PER_MS
        return frames

    def ask(self) -> Sequence[Message]:
        return ()  # the line goes on, and with it what isn't a whole frame yet

    def receive(self, message: Message) -> Iterable[Told]:
        found = read_message(message)
        match text(found.get("type")):
            case "Begin":
                yield Ready()
            case "Turn":
                yield from self._turn(found)
            case "Error":
                yield _failure(found)
            case kind if kind not in KNOWN:
                logger.debug("Message of speech vendor unknown")

    def _turn(self, found: Mapping[str, Any]) -> Iterator[Told]:
        heard = words(found.get("words"), keys=("text",), ms=1)
        has_ended = found.get("end_of_turn") is True
        guess = " ".join(text(one.get("text")) for one in objects(found.get("words")))
        said = text(found.get("transcript")).strip()
        yield Piece(
            key=round(number(found.get("turn_order"))),
            text=said if has_ended else guess.strip() or said,  # until then, the newest word isn't in `transcript`
            start_ms=heard[0].start_ms if heard else self._sent_ms,
            end_ms=heard[-1].end_ms if heard else self._sent_ms,
            words=heard,
            final=has_ended,
        )
        yield Turn(told=TurnTold.ENDED if has_ended else TurnTold.OPEN, at_ms=self._sent_ms)

    def last(self) -> str | None:
        return TERMINATE  # else the session is paid for until it expires


def _failure(found: Mapping[str, Any]) -> VendorFailed:
    code, why = round(number(found.get("error_code"))), text(found.get("error"))
    told = by_message("", text=why)
    fault = told.fault if told.fault is not Fault.LOST else FAULTS.get(code, Fault.LOST)
    return VendorFailed(fault, word=str(code), code=code or None)
