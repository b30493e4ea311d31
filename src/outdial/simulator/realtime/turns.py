"""When somebody speaks in a stream of mu-law, by its level. Its clock is the audio that it was given."""

from collections.abc import Callable
from dataclasses import dataclass

from outdial.media.g711 import rms, ulaw_to_pcm

STEP_MS = 20
STEP_BYTES = STEP_MS * 8
LOUD = 300       # RMS (of 32768) of a voice
BEGINS_MS = 60   # of it in a row; a click is shorter


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """From the padding before the first voice on; PCM16 at 8000 Hz."""

    start_ms: int
    pcm: bytes


class Turns:
    """`began` is told when a voice begins, and in which ms; `ended` what was heard, once it was silent for long enough.
    """

    def __init__(self, began: Callable[[int], object], ended: Callable[[Heard, int], object]) -> None:
        self.padding_ms, self.silence_ms = 300, 500
        self.heard_ms = 0
        self._began = began
        self._ended = ended
        self._rest = b""
        self._steps: list[bytes] = []  # of the turn, or the padding before one
        self._loud_ms = 0              # in a row
        self._quiet_ms = 0
        self._start_ms: int | None = None

    def feed(self, ulaw: bytes) -> None:
        data = self._rest + ulaw
        whole = len(data) - len(data) % STEP_BYTES
        self._rest = data[whole:]
        for at in range(0, whole, STEP_BYTES):
            self._step(ulaw_to_pcm(data[at : at + STEP_BYTES]))

    def forget(self) -> None:
        self._steps, self._start_ms, self._loud_ms = [], None, 0

    def _step(self, pcm: bytes) -> None:
        self.heard_ms += STEP_MS
        self._steps.append(pcm)
        is_loud = rms(pcm) >= LOUD
        self._loud_ms = self._loud_ms + STEP_MS if is_loud else 0
        self._quiet_ms = 0 if is_loud else self._quiet_ms + STEP_MS
        if self._start_ms is None:
            self._steps = self._steps[-(self.padding_ms // STEP_MS) - BEGINS_MS // STEP_MS :]
            if self._loud_ms >= BEGINS_MS:
                self._start_ms = max(0, self.heard_ms - len(self._steps) * STEP_MS)
                self._began(self._start_ms)
        elif self._quiet_ms >= self.silence_ms:
            heard = Heard(start_ms=self._start_ms, pcm=b"".join(self._steps))
            self.forget()
            self._ended(heard, self.heard_ms)
