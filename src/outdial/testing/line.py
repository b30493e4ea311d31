"""A carrier's media stream in memory: it plays what it is sent in real time, and brings the callee's audio."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from outdial.conversation.media_line import MediaLine
from outdial.media.frames import FRAME_BYTES, FRAME_MS, SILENT_FRAME
from outdial.media.stream import (
    AudioReceived,
    BadFrame,
    DigitPressed,
    MarkReached,
    MarksAtClear,
    StreamEnded,
    StreamEvent,
    StreamStarted,
)
from outdial.testing.engines import sound


class PlainCodec:
    """A carrier's stream protocol at its barest: bytes are audio, text is everything else."""

    lead_ms = 200
    says_stop = True
    marks_at_clear = MarksAtClear.RETURNED

    def receive(self, message: str | bytes) -> StreamEvent | None:
        if isinstance(message, bytes):
            return AudioReceived(message, 0)
        match message.split(" "):
            case ["start"]:
                return StreamStarted(stream_id="stream-1", carrier_call_id="theirs", parameters={})
            case ["digit", digit]:
                return DigitPressed(digit)
            case ["mark", name]:
                return MarkReached(name)
            case ["stop"]:
                return StreamEnded()
            case ["connected"]:
                return None
        raise BadFrame("not of this protocol")

    def audio(self, pcm: bytes) -> bytes:
        return pcm

    def mark(self, name: str) -> str:
        return f"mark {name}"

    def clear(self) -> str:
        return "clear"


@dataclass
class Carrier:
    """The far end of a media websocket: buffers what we send, plays it in real time to an ear, returns marks when
    they are reached, and all pending ones at once after a clear. Sends the callee's audio, a frame every 20 ms."""

    mouth: deque[bytes] = field(default_factory=deque)  # what the callee says next
    marks_come: bool = True
    mark_delay_s: float = 0.0
    media_line: MediaLine = field(init=False)
    sent: list[tuple[float, str | bytes]] = field(default_factory=list)  # all we got, and when
    heard: list[tuple[float, bytes]] = field(default_factory=list)       # all that reached the ear, and when
    closed_with: int | None = None

    def __post_init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._buffer: deque[tuple[float, bytes]] = deque()
        self._played_until = 0.0
        self._marks: dict[str, asyncio.TimerHandle] = {}
        self._ticker: asyncio.TimerHandle | None = None
        self.muted = False
        self._held: list[bytes] | None = None  # by the network

    # -- MediaSocket

    def send(self, message: str | bytes) -> None:
        assert self.closed_with is None
        now = self._loop.time()
        self.sent.append((now, message))
        if isinstance(message, bytes):
            assert len(message) == FRAME_BYTES
            begin = max(now, self._played_until)
            self._played_until = begin + FRAME_MS / 1000
            assert self._played_until - now < 0.2001, "more than the lead is buffered"
            self._buffer.append((begin, message))
        elif message == "clear":
            self._let_hear(now)
            self._buffer.clear()
            self._played_until = now
            for name, timer in self._marks.items():
                timer.cancel()
                self._loop.call_soon(self._return_mark, name)
            self._marks.clear()
        elif self.marks_come:
            name = message.removeprefix("mark ")
            reached = max(now, self._played_until) + self.mark_delay_s
            self._marks[name] = self._loop.call_at(reached, self._mark_reached, name)

    def close(self, code: int = 1000) -> None:
        if self.closed_with is None:
            self.closed_with = code
            self._end()

    # -- the carrier's own doing

    def start(self) -> None:
        self.media_line.received("start")
        self._next_frame = self._loop.time() + FRAME_MS / 1000
        self._ticker = self._loop.call_at(self._next_frame, self._frame)

    def stop(self) -> None:
        """The callee has hung up."""
        self.media_line.received("stop")
        self._end()

    def cut(self) -> None:
        """The network is gone."""
        self._end()
        self.media_line.disconnected()

    def hang_up(self) -> None:
        """The websocket is closed in due form, without a word."""
        self._end()
        self.media_line.disconnected(orderly=True)

    def press(self, digits: str) -> None:
        for digit in digits:
            self.media_line.received(f"digit {digit}")

    def say(self, number: int, ms: int) -> None:
        pcm = sound(number, ms)
        self.mouth.extend(pcm[at : at + FRAME_BYTES] for at in range(0, len(pcm), FRAME_BYTES))

    def ear(self) -> list[tuple[float, bytes]]:
        """Every frame the callee has heard the beginning of."""
        self._let_hear(self._loop.time())
        return self.heard

    def _let_hear(self, now: float) -> None:
        while self._buffer and self._buffer[0][0] < now:
            self.heard.append(self._buffer.popleft())

    def _frame(self) -> None:
        self._next_frame += FRAME_MS / 1000
        self._ticker = self._loop.call_at(self._next_frame, self._frame)
        frame = self.mouth.popleft() if self.mouth else SILENT_FRAME
        if self._held is not None:
            self._held.append(frame)
        elif not self.muted:
            self.media_line.received(frame)

    def hold_up(self, seconds: float) -> None:
        """The network delivers nothing of the callee's for so long; then all of it at once."""
        if self._held is None:
            self._held = []
            self._loop.call_later(seconds, self._release)

    def _release(self) -> None:
        held, self._held = self._held or [], None
        for frame in held:
            self.media_line.received(frame)

    def _mark_reached(self, name: str) -> None:
        del self._marks[name]
        self._return_mark(name)

    def _return_mark(self, name: str) -> None:
        self.media_line.received(f"mark {name}")

    def _end(self) -> None:
        self._let_hear(self._loop.time())
        if self._ticker is not None:
            self._ticker.cancel()
        for timer in self._marks.values():
            timer.cancel()
        self._marks.clear()
