"""Deepgram's listen v1, the protocol of nova: pieces of text that are final sooner or later, and sooner when asked.

Source: developers.deepgram.com/reference/speech-to-text/listen-streaming
"""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from outdial.speech.base import base_of
from outdial.speech.choice import RecognitionChoice
from outdial.speech.stream.codec import Message, Settled, Told
from outdial.speech.stream.frames import Frames
from outdial.speech.stream.reading import number, objects, read_message, text, words
from outdial.speech.stream.words import Piece
from outdial.speech.wire.failures import by_message

logger = logging.getLogger(__name__)

FRAME_MS = 40
FINALIZE = json.dumps({"type": "Finalize"})
CLOSE = json.dumps({"type": "CloseStream"})
KNOWN = frozenset({"Metadata", "SpeechStarted", "UtteranceEnd", "ConfigureSuccess", "ConfigureFailure"})
_FLAGS = ("smart_format", "numerals", "profanity_filter", "mip_opt_out")


def nova_path(choice: RecognitionChoice, language: str) -> str:
    """Of the handshake, with its query. The language's region is left out: vendors know few of them."""
    options = choice.options
    query: list[tuple[str, str]] = [
        ("model", choice.model),
        ("encoding", "mulaw"),
        ("sample_rate", "8000"),
        ("channels", "1"),
        ("interim_results", "true"),
        ("punctuate", "true"),
        ("language", str(options.get("language") or base_of(language))),
    ]
    if "endpointing_ms" in options:
        query.append(("endpointing", str(options["endpointing_ms"])))
    query += [(flag, str(options[flag]).lower()) for flag in _FLAGS if flag in options]
    term = "keyterm" if choice.model.startswith("nova-3") else "keywords"
    terms = options.get("keyterms", ())
    query += [(term, one) for one in (terms if isinstance(terms, tuple) else ())]
    return f"/v1/listen?{urlencode(query)}"


class NovaCodec:
    """See stream.codec.RecognitionCodec."""

    greets = False  # it says nothing before it has audio
    follows_turns = False
    settles_ms = 0
    can_ask = True

    def __init__(self) -> None:
        self._frames = Frames(FRAME_MS)

    def audio(self, mulaw: bytes) -> Sequence[Message]:
        return list(self._frames.add(mulaw))

    def ask(self) -> Sequence[Message]:
        return [*self._frames.rest(), FINALIZE]

    def receive(self, message: Message) -> Iterable[Told]:
        found = read_message(message)
        match text(found.get("type")):
            case "Results":
                yield from _results(found)
            case "Error":
                word = text(found.get("variant")) or text(found.get("code"))
                yield by_message(word, text=text(found.get("description")) or text(found.get("message")))
            case kind if kind not in KNOWN:
                logger.debug("Message of speech vendor unknown")

    def last(self) -> str | None:
        return CLOSE


def _results(found: Mapping[str, Any]) -> Iterator[Told]:
    start_ms, ms = number(found.get("start")) * 1000, number(found.get("duration")) * 1000
    channel = found.get("channel")
    alternatives = objects(channel.get("alternatives")) if isinstance(channel, dict) else ()
    heard = alternatives[0] if alternatives else {}
    yield Piece(
        key=round(start_ms),
        text=text(heard.get("transcript")).strip(),
        start_ms=start_ms,
        end_ms=start_ms + ms,
        words=words(heard.get("words"), keys=("punctuated_word", "word"), ms=1000),
        final=found.get("is_final") is True,
    )
    if found.get("from_finalize") is True:
        yield Settled()
