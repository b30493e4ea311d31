"""The one audio format inside Outdial: PCM16 little-endian, 8000 Hz, mono, in 20 ms frames.

Carriers' encodings (mu-law, L16) are converted in their stream codecs, at the edge; a conversion costs about
a microsecond a frame, less than carrying two formats around would cost the reader.
"""

from collections.abc import Iterator

SAMPLE_RATE_HZ = 8000
FRAME_MS = 20
FRAME_SAMPLES = SAMPLE_RATE_HZ * FRAME_MS // 1000  # 160
FRAME_BYTES = FRAME_SAMPLES * 2                    # 320
BYTES_PER_MS = SAMPLE_RATE_HZ * 2 // 1000          # 16
SILENT_FRAME = bytes(FRAME_BYTES)


def frames(pcm: bytes) -> Iterator[bytes]:
    """`pcm` cut into frames; the last one is filled up with silence."""
    for start in range(0, len(pcm), FRAME_BYTES):
        frame = pcm[start : start + FRAME_BYTES]
        yield frame if len(frame) == FRAME_BYTES else frame + bytes(FRAME_BYTES - len(frame))


def duration_ms(pcm: bytes) -> int:
    return len(pcm) // BYTES_PER_MS


def silence(ms: int) -> bytes:
    return bytes(ms * BYTES_PER_MS)
