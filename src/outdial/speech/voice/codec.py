"""What a vendor's synthesis says on a websocket, for any vendor. Pure: messages in and out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from outdial.speech.base import SpokenWord
from outdial.speech.wire.failures import VendorFailed

Message = str | bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Audio:
    """More of the utterance: mu-law, 8000 Hz."""

    ulaw: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    words: Sequence[SpokenWord]


@dataclass(frozen=True, slots=True)
class Complete:
    """All audio of the utterance was there."""


SynthesisEvent = Audio | Words | Complete | VendorFailed


class SynthesisCodec(Protocol):
    """One websocket, on which one utterance at a time is spoken: `begin`, `text` for each of its texts, then `end`, or
    `cancel` at any moment. What comes late of an earlier utterance gives no event."""

    @property
    def is_free(self) -> bool:
        """Whether the next utterance may begin: not while the vendor may still send what can't be told from it."""
        ...

    @property
    def is_waiting(self) -> bool:
        """Whether there is, or may be, more audio to come of what was sent."""
        ...

    def begin(self) -> Sequence[Message]: ...

    def text(self, text: str) -> Sequence[Message]:
        """With the space behind it, where more follows."""
        ...

    def end(self) -> Sequence[Message]: ...

    def cancel(self) -> Sequence[Message]: ...

    def receive(self, message: Message) -> Iterable[SynthesisEvent]:
        """Raises ValueError for what isn't of the vendor's protocol."""
        ...

    def last(self) -> str | None:
        """What is said before the websocket is closed, if anything."""
        ...
