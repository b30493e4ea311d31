"""An answered call's audio: a phone at one end, something at the other, 20 ms at a time.

One pacer moves the audio of all calls. It wakes every 5 ms and serves a quarter of the lines, so that a
hundred calls don't send their frames in one burst; deadlines are absolute, so lateness doesn't add up.
"""

import asyncio
import logging
import wave
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np

from outdial.media.audio_clock import MAX_LATE_MS
from outdial.media.frames import FRAME_MS, SAMPLE_RATE_HZ, SILENT_FRAME, frames
from outdial.simulator.callee_steps import Sound
from outdial.simulator.phone import Phone

logger = logging.getLogger(__name__)

PHASES = 4
STEP_S = FRAME_MS / 1000 / PHASES
# A laptop that slept: go on from now instead of a burst of old frames. Not sooner than who hears them takes the audio
# in between for lost (media/audio_clock.py): frames that never come, and are waited for, make a pause out of nothing.
GIVE_UP_CATCHING_UP_S = MAX_LATE_MS / 1000


class Peer(Protocol):
    """What the carrier has connected a phone to."""

    def exchange(self, said: bytes) -> bytes:
        """Takes 20 ms of what the phone says, gives 20 ms of what it hears. Never blocks."""
        ...

    def press(self, digit: str) -> None: ...


class Nobody:
    def exchange(self, said: bytes) -> bytes:
        return SILENT_FRAME

    def press(self, digit: str) -> None:
        pass


class Player:
    """Plays audio to the phone; `finished` is set when it has been heard."""

    def __init__(self, pcm: bytes) -> None:
        self.finished = asyncio.Event()
        self._frames = frames(pcm)

    def exchange(self, said: bytes) -> bytes:
        frame = next(self._frames, None)
        if frame is None:
            self.finished.set()
            return SILENT_FRAME
        return frame

    def press(self, digit: str) -> None:
        pass


class Line:
    """`heard_by` gets every frame's `Sound` (answering machine detection), `heard_late_ms` later, and speech for the
    first `talk_behind_ms`: somebody else talks near the phone. `on_hang_up` is called once."""

    def __init__(
        self,
        phone: Phone,
        *,
        on_hang_up: Callable[[], None],
        recording: Path | None = None,
        heard_late_ms: int = 0,
        talk_behind_ms: int = 0,
    ) -> None:
        self.phone = phone
        self.peer: Peer = Nobody()
        self.heard_by: Callable[[Sound], None] | None = None
        self._talk_behind_ms = talk_behind_ms
        late = heard_late_ms // FRAME_MS  # frames
        self._to_be_heard: deque[Sound | None] = deque([None] * late, late + 1)
        self._on_hang_up: Callable[[], None] | None = on_hang_up
        self._recording = Recording(recording) if recording else None

    def tick(self) -> None:
        said = self.phone.frame()
        heard = self.peer.exchange(said)
        self.phone.hear(heard)
        if self.phone.pressed:
            self.peer.press(self.phone.pressed)
        if self.heard_by is not None:
            self._to_be_heard.append(self.phone.sound if self._talk_behind_ms <= 0 else Sound.SPEECH)
            self._talk_behind_ms -= FRAME_MS
            if (sound := self._to_be_heard[0]) is not None:
                self.heard_by(sound)
        if self._recording is not None:
            self._recording.add(said, heard)
        if self.phone.hung_up:
            self.hang_up()

    def hang_up(self) -> None:
        if self._on_hang_up is not None:
            on_hang_up, self._on_hang_up = self._on_hang_up, None
            on_hang_up()

    def close(self) -> None:
        self._on_hang_up = None
        if self._recording is not None:
            self._recording.close()
            self._recording = None


def bridge(one: Line, other: Line) -> None:
    """Connect two phones with each other."""
    one.peer, other.peer = ends()


def ends() -> tuple[Peer, Peer]:
    """The two sides of a bridge between two lines: what each is to be connected to."""
    first, second = _End(), _End()
    first.opposite, second.opposite = second, first
    return first, second


class _End:
    """One side of a bridge: hears the last frame the opposite side was given."""

    opposite: "_End"

    def __init__(self) -> None:
        self._said = SILENT_FRAME

    def exchange(self, said: bytes) -> bytes:
        self._said = said
        return self.opposite._said

    def press(self, digit: str) -> None:
        """The far phone hears the tone."""


class Recording:
    """A stereo WAV of what the phone says (left) and hears (right), written a second at a time."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._wave = wave.open(str(path), "wb")  # noqa: SIM115 - closed with the line
        self._wave.setnchannels(2)
        self._wave.setsampwidth(2)
        self._wave.setframerate(SAMPLE_RATE_HZ)
        self._said: list[bytes] = []
        self._heard: list[bytes] = []

    def add(self, said: bytes, heard: bytes) -> None:
        self._said.append(said)
        self._heard.append(heard)
        if len(self._said) >= 1000 // FRAME_MS:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._wave.close()

    def _flush(self) -> None:
        left = np.frombuffer(b"".join(self._said), dtype="<i2")
        right = np.frombuffer(b"".join(self._heard), dtype="<i2")
        self._wave.writeframes(np.column_stack((left, right)).tobytes())
        self._said.clear()
        self._heard.clear()


class Pacer:
    def __init__(self) -> None:
        self._phases: tuple[set[Line], ...] = tuple(set() for _ in range(PHASES))
        self._busy = asyncio.Event()

    def add(self, line: Line) -> None:
        min(self._phases, key=len).add(line)
        self._busy.set()

    def remove(self, line: Line) -> None:
        for phase in self._phases:
            phase.discard(line)
        line.close()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        due, step = loop.time(), 0
        while True:
            if not any(self._phases):
                self._busy.clear()
                await self._busy.wait()
                due = loop.time()
            for line in tuple(self._phases[step % PHASES]):
                try:
                    line.tick()
                except Exception:
                    logger.exception("Simulated phone failed")
                    line.hang_up()
            step += 1
            due += STEP_S
            now = loop.time()
            if now - due > GIVE_UP_CATCHING_UP_S:
                due = now
            await asyncio.sleep(max(0.0, due - now))
