"""One websocket leg, Vonage's side: binary L16 frames of 20 ms, JSON messages, the play-out buffer. No I/O.

Source: developer.vonage.com/en/voice/voice-api/concepts/websockets
"""

import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from outdial.media.frames import FRAME_MS, SAMPLE_RATE_HZ, SILENT_FRAME

MAX_BUFFERED_FRAMES = 3072  # about a minute
KEY_MS = 260


class _Message(msgspec.Struct):
    action: str = ""
    payload: Any = None


_decoder = msgspec.json.Decoder(_Message)


@dataclass(frozen=True, slots=True)
class _Frame:
    audio: bytes
    notifies: list[Any] = field(default_factory=list)  # payloads to return once it was heard


class MediaSocket:
    """A phone's party. `send` gets every message to the customer's server, in order."""

    def __init__(
        self, send: Callable[[str | bytes], None], *, content_type: str, rate_hz: int, headers: Mapping[str, Any]
    ) -> None:
        self.dropped = 0  # messages that were of no use: odd frames, a full buffer, not of this protocol
        self._send = send
        self._connected = {**headers, "event": "websocket:connected", "content-type": content_type}
        self._frame_bytes = rate_hz * FRAME_MS // 1000 * 2
        self._factor = rate_hz // SAMPLE_RATE_HZ
        self._up = Upsampler(self._factor)
        self._buffer: deque[_Frame] = deque()
        self._notifies: list[Any] = []  # of the frame that is playing now

    def start(self) -> None:
        self._tell(self._connected)

    # -- the phone's side

    def exchange(self, said: bytes) -> bytes:
        for payload in self._notifies:
            self._tell({"event": "websocket:notify", "payload": payload})
        self._notifies = []
        self._send(self._up.frame(said))
        if not self._buffer:
            return SILENT_FRAME
        frame = self._buffer.popleft()
        self._notifies = frame.notifies
        return downsample(frame.audio, self._factor)

    def press(self, digit: str) -> None:
        self._tell({"event": "websocket:dtmf", "digit": digit, "duration": KEY_MS})

    # -- the customer's side

    def receive(self, message: str | bytes) -> None:
        """Whatever is not of this protocol is dropped, as Vonage does."""
        if isinstance(message, bytes):
            if len(message) == self._frame_bytes and len(self._buffer) < MAX_BUFFERED_FRAMES:
                self._buffer.append(_Frame(message))
            else:
                self.dropped += 1
            return
        try:
            parsed = _decoder.decode(message)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            self.dropped += 1
            return
        match parsed.action:
            case "clear":
                self._buffer.clear()
                self._notifies = []
                self._tell({"event": "websocket:cleared"})
            case "notify":
                waiting = self._buffer[-1].notifies if self._buffer else self._notifies
                waiting.append(parsed.payload)
            case _:
                self.dropped += 1

    def _tell(self, message: Mapping[str, Any]) -> None:
        self._send(json.dumps(message, separators=(",", ":")))


class Upsampler:
    """8000 Hz to a multiple of it, by straight lines between samples; remembers the last one."""

    def __init__(self, factor: int) -> None:
        self._factor = factor
        self._steps = np.arange(1, factor + 1, dtype=np.float32) / factor
        self._last = 0

    def frame(self, pcm: bytes) -> bytes:
        if self._factor == 1:
            return pcm
        samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32)
        before = np.concatenate(([self._last], samples[:-1]))
        self._last = samples[-1]
        lines = before[:, None] + (samples - before)[:, None] * self._steps
        return lines.astype("<i2").tobytes()


def downsample(pcm: bytes, factor: int) -> bytes:
    """A multiple of 8000 Hz to 8000 Hz, by the mean of neighbours."""
    if factor == 1:
        return pcm
    samples = np.frombuffer(pcm, dtype="<i2").reshape(-1, factor)
    mean: NDArray[np.int16] = samples.mean(axis=1).astype("<i2")
    return mean.tobytes()
