"""What else is on a line: beeps, tones of the network, noise, music, and what a telephone makes of it all."""

import audioop
import math

import numpy as np
from numpy.typing import NDArray

from outdial.media.frames import SAMPLE_RATE_HZ

Wave = NDArray[np.float32]
Rng = np.random.Generator

SIT_HZ = ((985.2, 1370.6, 1776.7), (913.8, 1370.6, 1776.7), (913.8, 1428.5, 1776.7))  # ITU-T E.180: each about 330 ms


def seconds(duration_s: float) -> int:
    return max(0, round(duration_s * SAMPLE_RATE_HZ))


def silence(duration_s: float) -> Wave:
    return np.zeros(seconds(duration_s), np.float32)


def dbfs(wave: Wave) -> float:
    """Of what is loud in it."""
    frames = wave[: len(wave) // 160 * 160].reshape(-1, 160)
    levels = np.sqrt(np.mean(frames**2, axis=1)) if len(frames) else np.zeros(0)
    loud = levels[levels > 0.1 * levels.max(initial=0.0)]
    return -100.0 if not len(loud) else 20 * math.log10(max(1e-5, float(np.sqrt(np.mean(loud**2)))))


def at_level(wave: Wave, level_dbfs: float) -> Wave:
    return np.asarray(wave * np.float32(10 ** ((level_dbfs - dbfs(wave)) / 20)), dtype=np.float32)


def tone(frequencies_hz: tuple[float, ...], duration_s: float, *, rises_hz: float = 0.0) -> Wave:
    time = np.arange(seconds(duration_s)) / SAMPLE_RATE_HZ
    bend = np.pi * rises_hz * time**2 / max(duration_s, 0.01)
    wave = np.sum([np.sin(2 * np.pi * hz * time + bend) for hz in frequencies_hz], axis=0)
    ramp = min(60, len(wave) // 2)
    if ramp:
        wave[:ramp] *= np.linspace(0, 1, ramp)
        wave[-ramp:] *= np.linspace(1, 0, ramp)
    return np.asarray(0.2 * wave / len(frequencies_hz), dtype=np.float32)


def beep(rng: Rng) -> tuple[Wave, float]:
    """One as voicemails have it, and how long it is in seconds."""
    duration_s = float(rng.choice([0.12, 0.18, 0.25, 0.3, 0.4, 0.5, 0.7, 1.0, 1.2]))
    hz = float(rng.choice([440, 523, 620, 800, 850, 1000, 1000, 1075, 1209, 1400, 1400, 1633, 2000, 2400, 2800]))
    hz *= float(rng.uniform(0.97, 1.03))
    form = rng.choice(["single", "single", "single", "double", "rising", "dual"])
    if form == "double":
        half = tone((hz,), max(0.16, duration_s / 2))
        return np.concatenate((half, silence(float(rng.uniform(0.06, 0.15))), half)), duration_s
    if form == "rising":
        return tone((hz,), max(0.25, duration_s), rises_hz=float(rng.uniform(60, 250))), max(0.25, duration_s)
    if form == "dual":
        return tone((hz, min(3200.0, hz * float(rng.choice([1.25, 1.333, 1.5])))), duration_s), duration_s
    return tone((hz,), duration_s), duration_s


def sit(rng: Rng) -> Wave:
    return np.concatenate([tone((hz,), 0.33) for hz in SIT_HZ[int(rng.integers(len(SIT_HZ)))]])


def noise(kind: str, count: int, rng: Rng) -> Wave:
    """`kind`: white, pink, hum, street."""
    white = rng.standard_normal(count)
    if kind == "white":
        return np.asarray(0.1 * white, dtype=np.float32)
    if kind == "hum":
        time = np.arange(count) / SAMPLE_RATE_HZ
        hz = float(rng.choice([50, 60]))
        hum = sum(np.sin(2 * np.pi * hz * n * time + n) / n for n in (2, 3, 4, 6, 8))
        return np.asarray(0.1 * hum + 0.01 * white, dtype=np.float32)
    spectrum = np.fft.rfft(white)
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    pink = np.fft.irfft(spectrum, count)
    pink /= float(np.sqrt(np.mean(pink**2))) or 1.0
    if kind == "street":  # cars go by
        time = np.arange(count) / SAMPLE_RATE_HZ
        pink *= 0.4 + np.maximum(0, np.sin(2 * np.pi * time / float(rng.uniform(3, 7)) + rng.uniform(0, 6))) ** 2
    return np.asarray(0.1 * pink, dtype=np.float32)


def music(duration_s: float, rng: Rng) -> Wave:
    """Notes of a scale over a bass, with harmonics; now and then one alone."""
    out = silence(duration_s)
    root = float(rng.uniform(196, 392))
    scale = [root * 2 ** (step / 12) for step in (0, 2, 4, 5, 7, 9, 11, 12, 14, 16)]
    beat_s = float(rng.uniform(0.22, 0.5))
    brightness = float(rng.uniform(0.15, 0.5))
    at_s = 0.0
    while at_s < duration_s:
        length_s = beat_s * float(rng.choice([1, 1, 1, 2, 3]))
        _add(out, _note(float(rng.choice(scale)), length_s, brightness), at_s)
        if rng.random() < 0.7:
            _add(out, 0.6 * _note(root / 2 * float(rng.choice([1, 1.25, 1.5])), length_s, brightness), at_s)
        at_s += length_s
    return out


def tune(duration_s: float, rng: Rng) -> Wave:
    """Other music than that: chords, a walk up and down them, or single notes with rests; drums under some."""
    out = silence(duration_s)
    form = rng.choice(["chords", "broken", "single"])
    root = float(rng.uniform(150, 330))
    beat_s = float(rng.uniform(0.25, 0.7))
    brightness = float(rng.uniform(0.05, 0.6))
    drums = rng.random() < 0.4
    at_s, place = 0.0, 0
    while at_s < duration_s:
        base = root * 2 ** (float(rng.choice([0, 5, 7, 9])) / 12)
        for step in range(4):
            triad = [base * 2 ** (one / 12) for one in (0, 4, 7, 12)]
            if form == "chords" and step == 0:
                for hz in triad[:3]:
                    _add(out, 0.5 * _note(hz, 4 * beat_s, brightness, fades=0.6), at_s)
            elif form == "broken":
                _add(out, _note(triad[(step * 2 + place) % 4], 1.5 * beat_s, brightness), at_s)
            elif form == "single" and rng.random() < 0.8:
                _add(out, _note(2 * triad[int(rng.integers(4))], 0.75 * beat_s, brightness, fades=0.8), at_s)
            if drums:
                hit = rng.standard_normal(seconds(0.05)) * np.exp(-np.arange(seconds(0.05)) / 120)
                _add(out, np.asarray(0.1 * hit, dtype=np.float32), at_s)
            at_s += beat_s
        place += 1
    return out


def _note(hz: float, duration_s: float, brightness: float, *, fades: float = 2.5) -> Wave:
    time = np.arange(seconds(duration_s)) / SAMPLE_RATE_HZ
    wave = sum(brightness**n * np.sin(2 * np.pi * hz * (n + 1) * time) for n in range(4) if hz * (n + 1) < 3600)
    fade = np.exp(-time * fades) * np.minimum(1, time / 0.01)
    return np.asarray(0.2 * wave * fade, dtype=np.float32)


def _add(out: Wave, piece: Wave, at_s: float) -> None:
    begin = seconds(at_s)
    piece = piece[: max(0, len(out) - begin)]
    out[begin : begin + len(piece)] += piece


def telephone(wave: Wave, rng: Rng) -> bytes:
    """300 to 3400 Hz, some of it lost or clicked, through µ-law; PCM16 as a call's audio comes."""
    spectrum = np.fft.rfft(wave)
    hz = np.fft.rfftfreq(len(wave), 1 / SAMPLE_RATE_HZ)
    spectrum *= 1 / np.sqrt(1 + (260 / np.maximum(hz, 1)) ** 6) / np.sqrt(1 + (hz / 3450) ** 16)
    line = np.fft.irfft(spectrum, len(wave))
    if rng.random() < 0.3:  # a click when the phone is picked up
        at = int(rng.integers(0, min(len(line), 3000)))
        line[at : at + 24] += 0.3 * rng.standard_normal(len(line[at : at + 24]))
    if rng.random() < 0.25:
        lost = float(rng.uniform(0.01, 0.03))
        for frame in np.flatnonzero(rng.random(len(line) // 160) < lost):
            line[frame * 160 : frame * 160 + 160] = 0
    pcm = (np.clip(line, -1, 1) * 32767).astype("<i2").tobytes()
    return audioop.ulaw2lin(audioop.lin2ulaw(pcm, 2), 2)
