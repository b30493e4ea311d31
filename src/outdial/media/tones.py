"""Tones of the telephone network, as PCM16 (see media.frames).

Sources: ITU-T Q.23 (push-button frequencies), ITU-T E.180 supplement 2 (tones in national networks; the
values here are North America's), ITU-T T.30 (fax CNG and CED).
"""

from collections.abc import Sequence

import numpy as np

from outdial.media.frames import SAMPLE_RATE_HZ, silence

RAMP_MS = 5  # a tone that starts at full level clicks, and detectors hear a click on every frequency

SIT_HZ, SIT_MS = (950, 1400, 1800), 330

KEY_MS = 100         # of a key pressed by us, and as long a silence after it
KEY_WAIT_MS = 500    # what `w` and `,` wait

DTMF_ROWS_HZ = (697, 770, 852, 941)
DTMF_COLUMNS_HZ = (1209, 1336, 1477, 1633)
DTMF_KEYS = ("123A", "456B", "789C", "*0#D")


def tone(frequencies_hz: Sequence[float], duration_ms: int, level_dbfs: float = -13.0) -> bytes:
    """A sum of equally strong sines. `level_dbfs` is the RMS of the whole relative to full scale (a square
    wave of ±32767 is 0 dBFS); what would clip is limited to full scale."""
    count = SAMPLE_RATE_HZ * duration_ms // 1000
    if not frequencies_hz or count == 0:
        return silence(duration_ms)
    time = np.arange(count) / SAMPLE_RATE_HZ
    wave = np.sum([np.sin(2 * np.pi * hz * time) for hz in frequencies_hz], axis=0)
    wave *= 10 ** (level_dbfs / 20) * np.sqrt(2 / len(frequencies_hz))
    ramp = min(SAMPLE_RATE_HZ * RAMP_MS // 1000, count // 2)
    if ramp:
        rising = 0.5 - 0.5 * np.cos(np.pi * np.arange(ramp) / ramp)
        wave[:ramp] *= rising
        wave[-ramp:] *= rising[::-1]
    return bytes((np.clip(wave, -1.0, 1.0) * 32767).astype("<i2").tobytes())


def dtmf(digit: str, duration_ms: int = 100) -> bytes:
    """The two tones of one key (0-9 A-D * #); raises ValueError for anything else."""
    for row_hz, keys in zip(DTMF_ROWS_HZ, DTMF_KEYS, strict=True):
        if len(digit) == 1 and digit in keys:
            return tone((row_hz, DTMF_COLUMNS_HZ[keys.index(digit)]), duration_ms)
    raise ValueError(f"not a DTMF digit: {digit!r}")


def keys(digits: str) -> bytes:
    """Keys pressed one after the other, with waits. Raises ValueError for keys there aren't."""
    return b"".join(
        silence(KEY_WAIT_MS) if key in "wW," else dtmf(key, KEY_MS) + silence(KEY_MS) for key in digits
    )


def beep(duration_ms: int = 600) -> bytes:
    """The tone after a voicemail greeting. No standard fixes it; most machines use one of about 1000 Hz."""
    return tone((1000,), duration_ms, level_dbfs=-10.0)


def ringback(duration_ms: int) -> bytes:
    """What a caller hears while the phone rings: 440 + 480 Hz, 2 s on and 4 s off."""
    return _cadence((440, 480), on_ms=2000, off_ms=4000, duration_ms=duration_ms)


def busy(duration_ms: int) -> bytes:
    """480 + 620 Hz, half a second on and half a second off."""
    return _cadence((480, 620), on_ms=500, off_ms=500, duration_ms=duration_ms)


def sit() -> bytes:
    """Special information tone, before an announcement: 950, 1400 and 1800 Hz, 330 ms each (ITU-T E.180)."""
    return b"".join(tone((hz,), SIT_MS) for hz in SIT_HZ)


def fax_cng(duration_ms: int) -> bytes:
    """A calling fax: 1100 Hz, 0.5 s on and 3 s off (T.30 section 4.1)."""
    return _cadence((1100,), on_ms=500, off_ms=3000, duration_ms=duration_ms)


def fax_ced(duration_ms: int) -> bytes:
    """An answering fax: 2100 Hz without a break; 2.6 to 4 s long in life (T.30 section 4.1)."""
    return tone((2100,), duration_ms)


def _cadence(frequencies_hz: Sequence[float], *, on_ms: int, off_ms: int, duration_ms: int) -> bytes:
    """The tone switched on and off; the end cuts a tone short with its ramp."""
    pieces = []
    at_ms = 0
    while at_ms < duration_ms:
        pieces.append(tone(frequencies_hz, min(on_ms, duration_ms - at_ms)))
        at_ms += on_ms
        if at_ms < duration_ms:
            pieces.append(silence(min(off_ms, duration_ms - at_ms)))
        at_ms += off_ms
    return b"".join(pieces)
