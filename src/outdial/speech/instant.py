"""Engines that answer at once, for measuring what Outdial itself adds to a turn (`make bench`).

They recognise and say nothing: the voice is a buzz as long as the text would take, the recognised words are
the ones handed in. No call to a person should ever use them.
"""

from collections.abc import AsyncIterator, Iterable

import numpy as np

from outdial.media.frames import SAMPLE_RATE_HZ

MS_PER_CHAR = 65  # an unhurried speaker
FUNDAMENTAL_HZ = 140
SYLLABLE_HZ = 4


class InstantTextToSpeech:
    """A voiced buzz of the length of the text, all in one piece. (Silero may well take it for speech.)"""

    name = "instant buzz 1"

    async def speak(self, text: str) -> AsyncIterator[bytes]:
        if text.strip():
            yield _buzz(len(text) * MS_PER_CHAR)


class InstantSpeechToText:
    """Every utterance that has any audio is understood as the next of `texts`; after the last one, as the
    last one again."""

    name = "instant 1"

    def __init__(self, texts: Iterable[str] = ("Yes.",)) -> None:
        self._texts = list(texts)
        if not self._texts:
            raise ValueError("needs at least one text")
        self._next = 0

    def recognition(self) -> "InstantRecognition":
        text = self._texts[min(self._next, len(self._texts) - 1)]
        self._next += 1
        return InstantRecognition(text)


class InstantRecognition:
    def __init__(self, text: str) -> None:
        self.waited_ms = 0
        self._text = text
        self._fed = False

    def feed(self, pcm: bytes) -> None:
        self._fed = self._fed or bool(pcm)

    async def text(self) -> str:
        return self._text if self._fed else ""

    async def partial(self) -> str | None:
        return None


def _buzz(duration_ms: int) -> bytes:
    """Harmonics falling off as a voice's do, swelling four times a second as syllables do; -20 dBFS."""
    time = np.arange(SAMPLE_RATE_HZ * duration_ms // 1000) / SAMPLE_RATE_HZ
    wave = np.zeros(len(time))
    for harmonic in range(1, 3000 // FUNDAMENTAL_HZ):
        wave += np.sin(2 * np.pi * FUNDAMENTAL_HZ * harmonic * time) / harmonic
    wave *= np.sin(np.pi * SYLLABLE_HZ * time) ** 2
    wave *= 0.1 * 32767 / float(np.sqrt(np.mean(wave**2)))
    return bytes(wave.clip(-32767, 32767).astype("<i2").tobytes())
