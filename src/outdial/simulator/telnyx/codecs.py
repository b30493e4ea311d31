"""The encodings of a media stream, to and from PCM16 at 8000 Hz. Pure.

L16 is 16 kHz and big-endian here, the order of RFC 3551; Telnyx documents none. G722, OPUS and AMR-WB, which
Telnyx speaks too, are not simulated.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from outdial.media.g711 import alaw_to_pcm, pcm_to_alaw, pcm_to_ulaw, ulaw_to_pcm

NAMES = ("PCMU", "PCMA", "L16")


@dataclass(frozen=True, slots=True)
class Format:
    encoding: str
    sample_rate_hz: int
    bytes_per_sample: int

    def duration_ms(self, audio: bytes) -> float:
        return len(audio) * 1000 / (self.sample_rate_hz * self.bytes_per_sample)


FORMATS = {
    "PCMU": Format("PCMU", 8000, 1),
    "PCMA": Format("PCMA", 8000, 1),
    "L16": Format("L16", 16_000, 2),
}


@lru_cache(maxsize=8192)  # callees repeat themselves, from call to call too
def encode(name: str, pcm: bytes) -> bytes:
    match name:
        case "PCMU":
            return pcm_to_ulaw(pcm)
        case "PCMA":
            return pcm_to_alaw(pcm)
    samples = np.frombuffer(pcm, dtype="<i2")
    doubled = np.repeat(samples, 2)
    doubled[1:-1:2] = (samples[:-1].astype(np.int32) + samples[1:]) // 2
    return doubled.astype(">i2").tobytes()


def decode(name: str, audio: bytes) -> bytes:
    """Half a sample at the end is dropped."""
    match name:
        case "PCMU":
            return ulaw_to_pcm(audio)
        case "PCMA":
            return alaw_to_pcm(audio)
    samples = np.frombuffer(audio[: len(audio) // 4 * 4], dtype=">i2").astype(np.int32)
    return ((samples[::2] + samples[1::2]) // 2).astype("<i2").tobytes()
