"""The body of POST /v1/audio/speech: PCM16 at some rate, in pieces of any length. Pure.

Source: platform.openai.com/docs/api-reference/audio/createSpeech. OpenAI's `pcm` is 24 kHz; other servers have others.
"""

import numpy as np
import soxr

from outdial.media.frames import SAMPLE_RATE_HZ

NOT_PCM = (
    "application/json", "text/", "audio/mpeg", "audio/mp3", "audio/wav", "audio/x-wav", "audio/ogg", "audio/flac",
)  # fmt: skip
MAGIC = (b"RIFF", b"ID3", b"OggS", b"fLaC")


def is_pcm(content_type: str) -> bool:
    """Whether a body of this type may be what was asked for; servers name it in many ways."""
    return not content_type.strip().lower().startswith(NOT_PCM)


class PcmBody:
    """Audio at 8000 Hz out of a body."""

    def __init__(self, rate_hz: int) -> None:
        self._rest = b""
        self._begun = False
        self._resampling = None
        if rate_hz != SAMPLE_RATE_HZ:
            self._resampling = soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="int16", quality="MQ")

    def receive(self, data: bytes) -> bytes:
        """Raises ValueError for another format than the one that was asked for."""
        if not self._begun and data:
            self._begun = True
            if data.startswith(MAGIC):
                raise ValueError("not PCM")
        data = self._rest + data
        whole = len(data) & ~1  # a piece may end in half a sample
        self._rest = data[whole:]
        return self._at_8_khz(data[:whole], last=False)

    def end(self) -> bytes:
        self._rest = b""
        return self._at_8_khz(b"", last=True)

    def _at_8_khz(self, pcm: bytes, *, last: bool) -> bytes:
        if self._resampling is None:
            return pcm
        samples = np.frombuffer(pcm, dtype="<i2")
        return bytes(self._resampling.resample_chunk(samples, last=last).astype("<i2").tobytes())
