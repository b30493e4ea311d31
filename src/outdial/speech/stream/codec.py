"""What a streaming recogniser's protocol is to the rest: messages out of audio, pieces of text out of messages. No I/O.

A codec is for one connection. Times are ms of the audio sent on it: vendors count what they have received.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from outdial.speech.stream.words import Piece, Turn
from outdial.speech.wire.failures import VendorFailed

Message = str | bytes


@dataclass(frozen=True, slots=True)
class Ready:
    """The vendor takes audio from now on."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The answer to `RecognitionCodec.ask`: what was sent before it won't change any more."""


Told = Ready | Piece | Turn | Settled | VendorFailed


class RecognitionCodec(Protocol):
    """`greets`: nothing is sent before the vendor has said Ready. `follows_turns`: it says when a turn has ended.
    `settles_ms`: so long after the audio of a word was sent, the word is there, where nothing tells that it is all."""

    greets: bool
    follows_turns: bool
    settles_ms: int

    def audio(self, mulaw: bytes) -> Sequence[Message]:
        """More of it, G.711 mu-law, 8000 Hz, in frames of any length."""
        ...

    def ask(self) -> Sequence[Message]:
        """To have everything that was sent so far recognised for good; ends a frame that is being filled."""
        ...

    @property
    def can_ask(self) -> bool:
        """Whether the vendor answers to `ask` (mostly: none of them promises it)."""
        ...

    def receive(self, message: Message) -> Iterable[Told]:
        """Raises ValueError for what isn't of the protocol; what is unknown in it is ignored."""
        ...

    def last(self) -> str | None:
        """The message that ends a session in order."""
        ...
