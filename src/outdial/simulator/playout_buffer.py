"""What a customer has sent ahead, in order: audio until the phone hears it, marks until they return. No I/O."""

from collections import deque
from collections.abc import Callable


class Full(Exception):
    """More audio than anybody means to send ahead."""


class PlayoutBuffer:
    """`silence` is one frame of it in the customer's encoding; `on_mark` is told a mark's name once all audio before
    it was heard, or dropped."""

    def __init__(self, *, silence: bytes, max_bytes: int, on_mark: Callable[[str], None]) -> None:
        self._silence = silence
        self._max_bytes = max_bytes
        self._on_mark = on_mark
        self._buffer: deque[memoryview | str] = deque()  # audio, and names of marks
        self._bytes = 0
        self._reached: list[str] = []  # their audio is in the frame that is playing now

    def add(self, audio: bytes) -> None:
        """Raises Full."""
        if self._bytes + len(audio) > self._max_bytes:
            raise Full
        if audio:
            self._bytes += len(audio)
            self._buffer.append(memoryview(audio))

    def mark(self, name: str) -> None:
        """With nothing before it, it returns at once."""
        if self._buffer or self._reached:
            self._buffer.append(name)
        else:
            self._on_mark(name)

    def heard(self) -> None:
        """The frame that was playing is over."""
        reached, self._reached = self._reached, []
        for name in reached:
            self._on_mark(name)

    def frame(self) -> bytes | None:
        """The next 20 ms, filled up with silence; None when there is nothing."""
        if not self._buffer:
            return None
        parts: list[bytes | memoryview] = []
        size = missing = len(self._silence)
        while self._buffer and (missing or isinstance(self._buffer[0], str)):
            item = self._buffer.popleft()
            if isinstance(item, str):
                self._reached.append(item)
                continue
            if len(item) > missing:
                self._buffer.appendleft(item[missing:])
                item = item[:missing]
            parts.append(item)
            missing -= len(item)
        self._bytes -= size - missing
        parts.append(self._silence[:missing])
        return b"".join(parts)

    def clear(self) -> None:
        """Drop the audio; every mark returns."""
        self._reached += [item for item in self._buffer if isinstance(item, str)]
        self._buffer.clear()
        self._bytes = 0
        self.heard()
