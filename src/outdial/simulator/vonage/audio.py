"""What one phone is connected to: a party (a websocket, another phone, a conference, nobody) and sounds over it."""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from outdial.media.frames import SILENT_FRAME
from outdial.simulator.line import Nobody, Peer, Player


class Listener(Protocol):
    def add(self, said: bytes, heard: bytes) -> None:
        """20 ms of what the phone says and hears."""
        ...


class LegAudio:
    """A line's peer for as long as the call lasts. `on_key` is told every digit the phone presses."""

    def __init__(self) -> None:
        self.party: Peer = Nobody()
        self.muted = False      # nobody hears this phone
        self.earmuffed = False  # this phone hears nobody
        self.listeners: set[Listener] = set()
        self.on_key: set[Callable[[str], None]] = set()
        self._player: Player | None = None

    def exchange(self, said: bytes) -> bytes:
        heard = self.party.exchange(SILENT_FRAME if self.muted else said)
        if self.earmuffed:
            heard = SILENT_FRAME
        if self._player is not None:
            heard = mix(heard, self._player.exchange(said))
        for listener in self.listeners:
            listener.add(said, heard)
        return heard

    def press(self, digit: str) -> None:
        self.party.press(digit)
        for told in tuple(self.on_key):
            told(digit)

    async def play(self, pcm: bytes) -> None:
        """Until it has been heard, or another sound replaces it."""
        self.be_quiet()
        player = self._player = Player(pcm)
        try:
            await player.finished.wait()
        finally:
            if self._player is player:
                self._player = None

    def be_quiet(self) -> None:
        if self._player is not None:
            self._player.finished.set()
            self._player = None


def mix(one: bytes, other: bytes) -> bytes:
    if one is SILENT_FRAME:
        return other
    if other is SILENT_FRAME:
        return one
    total = np.frombuffer(one, dtype="<i2").astype(np.int32) + np.frombuffer(other, dtype="<i2")
    return bytes(np.clip(total, -32768, 32767).astype("<i2").tobytes())
