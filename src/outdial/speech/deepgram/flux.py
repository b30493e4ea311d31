"""Deepgram's listen v2, the protocol of Flux: the words of a turn as it grows, and when it has ended.

Its clock is the audio it was sent: while nothing is sent, an open turn never ends. So silence is sent, too.
Source: developers.deepgram.com/docs/flux
"""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from outdial.speech.base import TurnTold, base_of
from outdial.speech.choice import RecognitionChoice
from outdial.speech.stream.codec import Message, Told
from outdial.speech.stream.frames import Frames
from outdial.speech.stream.reading import number, read_message, text, words
from outdial.speech.stream.words import Piece, Turn
from outdial.speech.wire.failures import by_message

logger = logging.getLogger(__name__)

FRAME_MS = 80  # as Deepgram advises
CLOSE = json.dumps({"type": "CloseStream"})
KNOWN = frozenset({"Connected", "ConfigureSuccess", "ConfigureFailure", "Warning"})
TOLD: Mapping[str, TurnTold] = {
    "Update": TurnTold.OPEN,
    "StartOfTurn": TurnTold.OPEN,
    "TurnResumed": TurnTold.OPEN,
    "EagerEndOfTurn": TurnTold.LIKELY,
    "EndOfTurn": TurnTold.ENDED,
}
_THRESHOLDS = ("eot_threshold", "eager_eot_threshold", "eot_timeout_ms")
_FLAGS = ("numerals", "profanity_filter", "mip_opt_out")


def flux_path(choice: RecognitionChoice, language: str) -> str:
    """Of the handshake, with its query."""
    options = choice.options
    query = [("model", choice.model), ("encoding", "mulaw"), ("sample_rate", "8000")]
    query += [(key, f"{options[key]}") for key in _THRESHOLDS if key in options]
    query += [(flag, str(options[flag]).lower()) for flag in _FLAGS if flag in options]
    terms = options.get("keyterms", ())
    query += [("keyterm", one) for one in (terms if isinstance(terms, tuple) else ())]
    if choice.model.endswith("-multi"):
        query.append(("language_hint", str(options.get("language") or base_of(language))))
    return f"/v2/listen?{urlencode(query)}"


class FluxCodec:
    """See stream.codec.RecognitionCodec."""

    greets = False  # Connected comes at once; audio may be sent before
    follows_turns = True
    settles_ms = 0  # an Update says how far it has heard
    can_ask = False

    def __init__(self) -> None:
        self._frames = Frames(FRAME_MS)

    def audio(self, mulaw: bytes) -> Sequence[Message]:
        return list(self._frames.add(mulaw))

    def ask(self) -> Sequence[Message]:
        return ()  # the line goes on, and with it what isn't a whole frame yet

    def receive(self, message: Message) -> Iterable[Told]:
        found = read_message(message)
        match text(found.get("type")):
            case "TurnInfo":
                yield from _turn_info(found)
            case "Error":
                yield by_message(text(found.get("code")), text=text(found.get("description")))
            case kind if kind not in KNOWN:
                logger.debug("Message of speech vendor unknown")

    def last(self) -> str | None:
        return CLOSE


def _turn_info(found: Mapping[str, Any]) -> Iterator[Told]:
    """An event that isn't known yet tells words all the same."""
    end_ms, said = number(found.get("audio_window_end")) * 1000, text(found.get("transcript")).strip()
    told = TOLD.get(text(found.get("event")))
    yield Piece(
        key=round(number(found.get("turn_index"))),
        text=said,
        start_ms=number(found.get("audio_window_start")) * 1000,
        end_ms=end_ms,
        words=words(found.get("words"), keys=("word",), ms=1000),
        final=told is TurnTold.ENDED,
    )
    if told is not None and (said or told is not TurnTold.OPEN):  # between two turns nothing is told of one
        yield Turn(told=told, at_ms=end_ms)
