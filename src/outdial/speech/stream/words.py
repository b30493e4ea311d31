"""What a streaming recogniser has heard of a call: pieces of text with their times, some still a guess. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from outdial.speech.base import TurnTold

KEEP_MS = 60_000  # of what is said for good; no utterance is longer


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    text: str
    start_ms: float
    end_ms: float

    @property
    def middle_ms(self) -> float:
        return (self.start_ms + self.end_ms) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """What was heard in a stretch of audio, "" for nothing. Until it is `final`, the next one of the same `key` takes
    its place. `words` may be empty: their times aren't told. Times are ms of the audio that was sent, and on the call's
    clock once they are kept."""

    key: int
    text: str
    start_ms: float
    end_ms: float
    words: tuple[Word, ...] = ()
    final: bool = False

    def later(self, ms: float, *, keys_from: int = 0) -> "Piece":
        words = tuple(
            Word(text=word.text, start_ms=word.start_ms + ms, end_ms=word.end_ms + ms) for word in self.words
        )
        return replace(
            self, key=keys_from + self.key, start_ms=self.start_ms + ms, end_ms=self.end_ms + ms, words=words
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The vendor's word on the callee's turn, of audio until `at_ms`."""

    told: TurnTold
    at_ms: float


class HeardWords:
    """Pieces in the order of the call."""

    def __init__(self) -> None:
        self._pieces: list[Piece] = []
        self.covered_ms = 0.0  # until there, everything was listened to, and …
        self.settled_ms = 0.0  # … until there, it won't change any more

    def add(self, piece: Piece) -> None:
        """One that comes late changes nothing that was said for good."""
        if not piece.final and any(one.final and one.key == piece.key for one in self._pieces):
            return
        self._pieces = [
            one
            for one in self._pieces
            if one.end_ms > piece.end_ms - KEEP_MS and one.key != piece.key and (one.final or piece.key < one.key)
        ]
        self._pieces.append(piece)
        self._pieces.sort(key=lambda one: one.start_ms)
        self.covered_ms = max(self.covered_ms, piece.end_ms)
        if piece.final:
            self.settled_ms = max(self.settled_ms, piece.end_ms)

    def forget_guesses(self) -> None:
        """Their connection was lost: their audio is sent again."""
        self._pieces = [one for one in self._pieces if one.final]
        self.covered_ms = self.settled_ms

    def text(self, since_ms: float, until_ms: float) -> str:
        """What was said between two moments."""
        return " ".join(filter(None, (_text(piece, since_ms, until_ms) for piece in self._pieces)))

    def last_word_ms(self, since_ms: float, until_ms: float) -> float | None:
        """When the last word of it ended; None when there was none."""
        ends = [end for piece in self._pieces for end in _ends(piece, since_ms, until_ms)]
        return max(ends, default=None)


def _text(piece: Piece, since_ms: float, until_ms: float) -> str:
    if not piece.words:
        return piece.text if since_ms <= (piece.start_ms + piece.end_ms) / 2 < until_ms else ""
    inside = [word.text for word in piece.words if since_ms <= word.middle_ms < until_ms]
    return piece.text if len(inside) == len(piece.words) else " ".join(inside)


def _ends(piece: Piece, since_ms: float, until_ms: float) -> Iterator[float]:
    if piece.text and not piece.words and _text(piece, since_ms, until_ms):
        yield piece.end_ms
    yield from (word.end_ms for word in piece.words if since_ms <= word.middle_ms < until_ms)
