"""Audio collected to frames of the length that a vendor wants."""

from collections.abc import Iterator

SILENCE = b"\xff"  # mu-law
BYTES_PER_MS = 8


class Frames:
    """G.711 mu-law at 8000 Hz; each frame is `least_ms` to `most_ms` long, the latter None for any length."""

    def __init__(self, least_ms: int, most_ms: int | None = None) -> None:
        self._least = least_ms * BYTES_PER_MS
        self._most = most_ms and most_ms * BYTES_PER_MS
        self._held = bytearray()

    def add(self, mulaw: bytes) -> Iterator[bytes]:
        self._held += mulaw
        while len(self._held) >= self._least:
            whole = len(self._held) if self._most is None else min(len(self._held), self._most)
            if 0 < len(self._held) - whole < self._least:
                whole = len(self._held) - self._least  # no scrap is left that would have to wait
            whole = whole if whole >= self._least else self._least
            yield bytes(self._held[:whole])
            del self._held[:whole]

    def rest(self) -> Iterator[bytes]:
        """What is held, with silence behind it where it is too short."""
        if self._held:
            yield bytes(self._held.ljust(self._least, SILENCE))
            self._held.clear()
