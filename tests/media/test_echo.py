"""Our own voice, come back over the line, and the voices of others."""

import numpy as np
import pytest

from outdial.media.echo import STRETCH_MS, Echo
from outdial.media.frames import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE_HZ, frames
from outdial.media.g711 import pcm_to_ulaw, ulaw_to_pcm
from outdial.media.outgoing import Outgoing

PER_MS = SAMPLE_RATE_HZ // 1000
BEGIN_MS = 500  # we begin to speak
SPEAKS_MS = 3000
WINDOW_MS = 32


def voice(seed, ms):
    """Like speech to a correlator: a pitch that wanders under a spectrum that does, at -21 dBFS."""
    rng = np.random.default_rng(seed)
    time = np.arange(ms * PER_MS) / SAMPLE_RATE_HZ

    def wandering(low, high, every_s):
        points = np.arange(0, time[-1] + 2 * every_s, every_s)
        return np.interp(time, points, rng.uniform(low, high, len(points)))

    phase = 2 * np.pi * np.cumsum((110 + 60 * (seed % 3)) * 2 ** wandering(-0.5, 0.5, 0.1)) / SAMPLE_RATE_HZ
    wave = rng.normal(size=len(time)) * wandering(0, 0.2, 0.15)
    for harmonic in range(1, 18):
        wave += wandering(0, 1, 0.08) ** 2 / harmonic * np.sin(harmonic * phase + rng.uniform(0, 6))
    return wave * 10 ** (-21 / 20) * 32767 / np.sqrt(np.mean(wave**2))


def line(wave):
    """As a carrier brings it."""
    pcm = ulaw_to_pcm(pcm_to_ulaw(wave.clip(-32767, 32767).astype("<i2").tobytes()))
    return np.frombuffer(pcm, dtype="<i2")


def judged(*, echo_db=None, delay_ms=160, noise_dbfs=-60.0, bend=lambda wave: wave, other=None, other_at_ms=1500):
    """Whether each window of 32 ms while we speak is our own, from when the echo has come or the other begins."""
    ours, outgoing = line(voice(7, SPEAKS_MS)), Outgoing()
    rng = np.random.default_rng(5)
    heard = rng.normal(size=(BEGIN_MS + SPEAKS_MS + 1000) * PER_MS) * 10 ** (noise_dbfs / 20) * 32767
    if echo_db is not None:
        start = (BEGIN_MS + delay_ms) * PER_MS
        heard[start : start + len(ours)] += bend(ours.astype(float)) * 10 ** (echo_db / 20)
    if other is not None:
        start = other_at_ms * PER_MS
        heard[start : start + len(other)] += other
    sent = list(frames(ours.astype("<i2").tobytes()))
    echo, found, told = Echo(outgoing), [], 0
    first_ms = BEGIN_MS + delay_ms if other is None else other_at_ms
    for end_ms in range(STRETCH_MS, BEGIN_MS + SPEAKS_MS, WINDOW_MS):
        while told < len(sent) and BEGIN_MS + told * FRAME_MS < end_ms + 200:
            outgoing.add(BEGIN_MS + told * FRAME_MS, sent[told])
            told += 1
        stretch = line(heard[(end_ms - STRETCH_MS) * PER_MS : end_ms * PER_MS])
        if end_ms > first_ms + WINDOW_MS and (other is None or end_ms <= first_ms + 1200):
            found.append(echo.is_ours(lambda stretch=stretch: stretch, end_ms))
    return found


def longest(found, value):
    """How many windows in a row were found to be that."""
    best = run = 0
    for one in found:
        run = run + 1 if one is value else 0
        best = max(best, run)
    return best


@pytest.mark.parametrize("delay_ms", [40, 160, 333, 600])
@pytest.mark.parametrize("echo_db", [-10, -17, -25, -32])
def test_our_own_voice_is_known_at_any_level_and_delay(echo_db, delay_ms):
    found = judged(echo_db=echo_db, delay_ms=delay_ms)
    assert longest(found, False) < 5, "never long enough to interrupt us"
    assert sum(found) > 0.9 * len(found)


@pytest.mark.parametrize(
    "bend",
    [
        lambda wave: np.tanh(wave / 6000) * 6000,
        lambda wave: wave.clip(-5000, 5000),
        lambda wave: np.convolve(wave, [0.6, -0.4, 0.2, 0.1])[: len(wave)],
        lambda wave: np.convolve(wave, 0.9 ** np.arange(200) * np.cos(np.arange(200)) / 2)[: len(wave)],
    ],
    ids=["overdriven", "clipped", "filtered", "a room"],
)
def test_our_own_voice_is_known_however_it_comes_back(bend):
    found = judged(echo_db=-18, bend=bend)
    assert longest(found, False) < 5


@pytest.mark.parametrize("level_db", [0, -10])
@pytest.mark.parametrize("seed", [1, 2, 3, 11])
def test_somebody_elses_voice_is_not_ours(seed, level_db):
    found = judged(other=voice(seed, 1500) * 10 ** (level_db / 20))
    assert longest(found, False) > 9
    assert sum(found) < 0.35 * len(found)


@pytest.mark.parametrize("seed", [1, 2, 3, 11])
def test_somebody_elses_voice_over_our_echo_is_not_ours(seed):
    found = judged(echo_db=-25, other=voice(seed, 1500))
    assert longest(found[:14], False) >= 9, "300 ms of it within 450 ms"


def test_where_nothing_went_out_nothing_comes_back():
    echo = Echo(Outgoing())
    assert not echo.is_ours(lambda: pytest.fail("looked at"), 5000)


def test_what_was_said_long_ago_is_not_looked_for():
    outgoing = Outgoing()
    outgoing.add(0, bytes(2 * FRAME_SAMPLES))
    assert not Echo(outgoing).is_ours(lambda: pytest.fail("looked at"), 5000)


def test_a_voice_is_looked_at_now_and_then_and_not_at_all_once_it_is_another_and_we_are_silent():
    outgoing, looked = Outgoing(), []
    for number, frame in enumerate(frames(line(voice(7, 1000)).tobytes())):
        outgoing.add(number * FRAME_MS, frame)
    echo, other = Echo(outgoing), line(voice(1, STRETCH_MS))

    def heard():
        looked.append(end_ms)
        return other

    for end_ms in range(500, 2000, WINDOW_MS):
        echo.is_ours(heard, end_ms)
    assert len(looked) < 47 / 3
    assert max(looked) < 1000 + 300 + WINDOW_MS
