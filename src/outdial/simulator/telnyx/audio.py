"""What a leg's phone is connected to, all at once: a media stream, sounds that are played, another leg."""

import asyncio
from collections.abc import Callable, Sequence

import numpy as np

from outdial.media import tones
from outdial.media.frames import FRAME_BYTES, SILENT_FRAME, silence
from outdial.simulator.line import Peer, Player
from outdial.simulator.telnyx.media import MediaStream

RINGBACK_MS = 6000
DIGIT_PAUSES_MS = {"w": 500, "W": 1000}


class LegAudio:
    """A line's peer. `on_digit` learns of digits the phone's owner presses."""

    def __init__(self, on_digit: Callable[[str], None]) -> None:
        self.stream: MediaStream | None = None
        self.far: Peer | None = None
        self.players: list[Player] = []
        self._on_digit = on_digit

    def exchange(self, said: bytes) -> bytes:
        frames = [player.exchange(said) for player in self.players]
        if self.far is not None:
            frames.append(self.far.exchange(said))
        if self.stream is not None:
            frames.append(self.stream.exchange(said))
        heard = mix(frames)
        if self.stream is not None:
            self.stream.heard(heard)
        return heard

    def press(self, digit: str) -> None:
        if self.stream is not None:
            self.stream.press(digit)
        if self.far is not None:
            self.far.press(digit)
        self._on_digit(digit)

    async def play(self, pcm: bytes) -> None:
        """Until it was heard to its end; cancelled, it falls silent."""
        player = Player(pcm)
        self.players.append(player)
        try:
            await player.finished.wait()
        finally:
            self.players.remove(player)

    async def ring_back(self) -> None:
        while True:
            await self.play(tones.ringback(RINGBACK_MS))

    async def play_digits(self, digits: str, duration_ms: int) -> None:
        """Digits as tones; `w` and `W` are pauses."""
        for digit in digits:
            if digit in DIGIT_PAUSES_MS:
                await asyncio.sleep(DIGIT_PAUSES_MS[digit] / 1000)
            else:
                await self.play(tones.dtmf(digit.upper(), duration_ms) + silence(100))


def mix(frames: Sequence[bytes]) -> bytes:
    sounding = [frame for frame in frames if frame is not SILENT_FRAME]
    if len(sounding) < 2:
        return sounding[0] if sounding else SILENT_FRAME
    samples = np.zeros(FRAME_BYTES // 2, dtype=np.int32)
    for frame in sounding:
        samples += np.frombuffer(frame, dtype="<i2")
    return np.clip(samples, -32768, 32767).astype("<i2").tobytes()
