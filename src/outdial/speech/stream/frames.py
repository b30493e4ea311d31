"""Audio collected to frames of the length that a vendor wants."""

from collections.abc import Iterator

BYTES_PER_MS = 8


class Frames:
    """G.711 mu-law at 8000 Hz; each frame is `least_ms` to `most_ms` long (None: any length), but for the rest."""

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
        """What is held, however short."""
        if self._held:
            yield bytes(self._held)
            self._held.clear()
