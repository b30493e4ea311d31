"""G.711 mu-law (PCMU) and A-law (PCMA) to and from PCM16: 8-bit bytes on the wire, 16-bit samples inside.

Source: ITU-T G.711; RFC 3551 section 4.5.14 (8000 Hz, one byte a sample, 160 bytes are 20 ms).
"""

import warnings

with warnings.catch_warnings():
    # The standard library's copy warns that it leaves in 3.13; there the package audioop-lts, which we
    # require, provides the same module. This is the only place that imports it.
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop


def ulaw_to_pcm(ulaw: bytes) -> bytes:
    """Two bytes (little-endian) for every byte of `ulaw`."""
    return audioop.ulaw2lin(ulaw, 2)


def pcm_to_ulaw(pcm: bytes) -> bytes:
    """One byte for every sample of `pcm`; raises ValueError when that ends in half a sample."""
    if len(pcm) % 2:
        raise ValueError("PCM16 needs an even number of bytes")
    return audioop.lin2ulaw(pcm, 2)


def rms(pcm: bytes) -> int:
    """How loud PCM16 is, of 32768: a few hundred with a voice in it. It stands here for the sake of `audioop`."""
    return audioop.rms(pcm, 2)


def alaw_to_pcm(alaw: bytes) -> bytes:
    """Two bytes (little-endian) for every byte of `alaw`."""
    return audioop.alaw2lin(alaw, 2)


def pcm_to_alaw(pcm: bytes) -> bytes:
    """One byte for every sample of `pcm`; raises ValueError when that ends in half a sample."""
    if len(pcm) % 2:
        raise ValueError("PCM16 needs an even number of bytes")
    return audioop.lin2alaw(pcm, 2)
