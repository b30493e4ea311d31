"""Sound files as calls play them: WAV and raw G.711 by ourselves, MP3 by libsndfile where that is installed. No I/O.

Source: RIFF WAVE (Microsoft and IBM, 1991) with WAVE_FORMAT_EXTENSIBLE; RFC 4856 (audio/PCMU, audio/basic and others).
"""

import io
import struct
from collections.abc import Callable, Mapping

import numpy as np
import soxr
from numpy.typing import NDArray

from outdial.media.frames import SAMPLE_RATE_HZ
from outdial.media.g711 import alaw_to_pcm, ulaw_to_pcm
from outdial.media.sounds import SoundFailed
from outdial.speech.levelling import Wave, as_wave, levelled

MAX_SOUND_S = 300
RATES_HZ = range(4_000, 192_001)
MAX_CHANNELS = 8
PCM, FLOAT, ALAW, ULAW, EXTENSIBLE = 0x0001, 0x0003, 0x0006, 0x0007, 0xFFFE
_RAW: Mapping[str, Callable[[bytes], bytes]] = {  # one byte a sample, 8 kHz
    "audio/basic": ulaw_to_pcm,
    "audio/pcmu": ulaw_to_pcm,
    "audio/mulaw": ulaw_to_pcm,
    "audio/x-mulaw": ulaw_to_pcm,
    "audio/ulaw": ulaw_to_pcm,
    "audio/pcma": alaw_to_pcm,
    "audio/x-alaw": alaw_to_pcm,
}
_MP3 = frozenset({"audio/mpeg", "audio/mp3", "audio/mpeg3", "audio/x-mpeg", "audio/x-mp3"})
# What may be anything: what is in it decides.
_ANY = frozenset({"", "application/octet-stream", "binary/octet-stream"})


def may_hold_sound(content_type: str) -> bool:
    """By what its server says of it; a web page isn't even read."""
    kind = _kind(content_type)
    return kind.startswith("audio/") or kind in _ANY


def decoded(data: bytes, content_type: str) -> bytes:
    """PCM16 at 8 kHz, mono, as loud as our voice. Takes a tenth of a second for some minutes. Raises SoundFailed."""
    kind = _kind(content_type)
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        wave, rate_hz = _wav(data)
    elif kind in _RAW:
        _must_be_short(len(data), SAMPLE_RATE_HZ)
        wave, rate_hz = as_wave(np.frombuffer(_RAW[kind](data), dtype="<i2")), SAMPLE_RATE_HZ
    elif data[:3] == b"ID3" or (data[:1] == b"\xff" and data[1:2] >= b"\xe0") or kind in _MP3:
        wave, rate_hz = _mp3(data)
    else:
        raise SoundFailed("no_sound")
    if rate_hz != SAMPLE_RATE_HZ:
        wave = np.asarray(soxr.resample(wave, rate_hz, SAMPLE_RATE_HZ), dtype=np.float32)
    pcm = levelled(wave)
    if not pcm:
        raise SoundFailed("silent")
    return pcm


def _kind(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _must_be_short(samples: int, rate_hz: int) -> None:
    if samples > MAX_SOUND_S * rate_hz:
        raise SoundFailed("too_long")


def _wav(data: bytes) -> tuple[Wave, int]:
    """Mono, and its rate."""
    samples, rate_hz = wav_channels(data)
    _must_be_short(len(samples), rate_hz)
    return np.asarray(samples.mean(axis=1), dtype=np.float32), rate_hz


def wav_channels(data: bytes) -> tuple[NDArray[np.float32], int]:
    """Of a WAV file, a column each, and its rate. A last chunk that is cut off, or whose length was never filled in, is
    taken as it is. Raises SoundFailed."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise SoundFailed("no_sound")
    at, form = 12, None
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        body = data[at + 8 : at + 8 + size]
        if name == b"fmt " and len(body) >= 16:
            form = body
        elif name == b"data" and form is not None:
            return _samples(form, body or data[at + 8 :])
        at += 8 + size + size % 2
    raise SoundFailed("no_sound")


def _samples(form: bytes, data: bytes) -> tuple[NDArray[np.float32], int]:
    tag, channels, rate_hz, _, block, bits = struct.unpack_from("<HHIIHH", form)
    if tag == EXTENSIBLE and len(form) >= 26:
        tag = int.from_bytes(form[24:26], "little")
    read = _READ.get((tag, bits))
    if read is None or rate_hz not in RATES_HZ or not 0 < channels <= MAX_CHANNELS or block != channels * bits // 8:
        raise SoundFailed("no_sound")
    samples = read(data[: len(data) // block * block])
    return np.asarray(samples.reshape(-1, channels), dtype=np.float32), rate_hz


def _pcm8(data: bytes) -> NDArray[np.float32]:
    return np.asarray((np.frombuffer(data, np.uint8).astype(np.float32) - 128) / 128, dtype=np.float32)


def _pcm24(data: bytes) -> NDArray[np.float32]:
    high = np.zeros((len(data) // 3, 4), np.uint8)
    high[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
    return high.view("<i4").reshape(-1).astype(np.float32) / np.float32(2**31)


def _floats(data: bytes, kind: str) -> NDArray[np.float32]:
    return np.asarray(np.clip(np.nan_to_num(np.frombuffer(data, kind)), -1, 1), dtype=np.float32)


_READ: Mapping[tuple[int, int], Callable[[bytes], NDArray[np.float32]]] = {
    (PCM, 8): _pcm8,
    (PCM, 16): lambda data: as_wave(np.frombuffer(data, "<i2")),
    (PCM, 24): _pcm24,
    (PCM, 32): lambda data: np.frombuffer(data, "<i4").astype(np.float32) / np.float32(2**31),
    (FLOAT, 32): lambda data: _floats(data, "<f4"),
    (FLOAT, 64): lambda data: _floats(data, "<f8"),
    (ALAW, 8): lambda data: as_wave(np.frombuffer(alaw_to_pcm(data), "<i2")),
    (ULAW, 8): lambda data: as_wave(np.frombuffer(ulaw_to_pcm(data), "<i2")),
}


def _mp3(data: bytes) -> tuple[Wave, int]:
    try:
        import soundfile  # the extra `mp3`
    except (ImportError, OSError):  # OSError: the package without its library, where it has no wheel
        raise SoundFailed("mp3_not_installed") from None
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            rate_hz = int(file.samplerate)
            # It reads other formats, too; what isn't asked of it isn't given to it.
            if file.format != "MP3" or rate_hz not in RATES_HZ:
                raise SoundFailed("no_sound")
            samples = file.read(MAX_SOUND_S * rate_hz + 1, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError):
        raise SoundFailed("no_sound") from None
    _must_be_short(len(samples), rate_hz)
    return np.asarray(samples.mean(axis=1), dtype=np.float32), rate_hz
