"""The tones of a line: which there are, and what is none."""

import numpy as np
import pytest

from outdial.media import tones
from outdial.media.frames import BYTES_PER_MS, silence
from outdial.media.tone_tracker import ToneKind, ToneTracker

RNG = np.random.default_rng(3)


def tracked(pcm, *, piece_ms=20, from_ms=0):
    """With when each was told."""
    tracker, told = ToneTracker(), []
    for start in range(0, len(pcm), piece_ms * BYTES_PER_MS):
        piece = pcm[start : start + piece_ms * BYTES_PER_MS]
        at_ms = from_ms + (start + len(piece)) // BYTES_PER_MS
        told += [(at_ms, tone) for tone in tracker.feed(piece, at_ms)]
    return told


def kinds(pcm):
    return [tone.kind for _, tone in tracked(pcm)]


def noisy(pcm, ratio=0.02):
    samples = np.frombuffer(pcm, dtype="<i2").astype(float) + 32768 * ratio * RNG.standard_normal(len(pcm) // 2)
    return np.clip(samples, -32768, 32767).astype("<i2").tobytes()


def glide(from_hz, to_hz, duration_ms):
    time = np.arange(duration_ms * 8) / 8000
    phase = 2 * np.pi * (from_hz * time + (to_hz - from_hz) * time**2 / (2 * duration_ms / 1000))
    return (6000 * np.sin(phase)).astype("<i2").tobytes()


@pytest.mark.parametrize("hz", [440, 620, 850, 1000, 1400, 2000, 2800])
@pytest.mark.parametrize("duration_ms", [180, 400, 1200])
def test_a_beep_is_found_where_it_is(hz, duration_ms):
    ((at_ms, beep),) = tracked(noisy(silence(500) + tones.tone((hz,), duration_ms) + silence(600)))
    assert (beep.kind, beep.start_ms, beep.end_ms) == (
        ToneKind.BEEP, pytest.approx(500, abs=30), pytest.approx(500 + duration_ms, abs=30)
    )  # fmt: skip
    assert beep.hz == pytest.approx((hz,), rel=0.01)
    assert at_ms - (500 + duration_ms) <= 220


@pytest.mark.parametrize(
    "beep",
    [
        tones.tone((1000,), 200) + silence(100) + tones.tone((1000,), 200),
        glide(900, 1100, 400),
        tones.tone((1000, 1333), 400),
    ],
    ids=["double", "rising", "dual"],
)
def test_every_form_of_it_is_one(beep):
    assert kinds(noisy(silence(300) + beep + silence(600))) == [ToneKind.BEEP]


def test_it_is_known_from_when_on_and_until_when_a_tone_may_be_one():
    def may_beep(pcm):
        tracker, known = ToneTracker(), []
        for start in range(0, len(pcm), 20 * BYTES_PER_MS):
            at_ms = start // BYTES_PER_MS + 20
            tracker.feed(pcm[start : start + 20 * BYTES_PER_MS], at_ms)
            known += [at_ms] if tracker.may_beep else []
        return known

    known = may_beep(silence(500) + tones.tone((868,), 400) + silence(600))
    assert known == list(range(known[0], known[-1] + 20, 20)), "without a gap"
    assert (known[0], known[-1]) == (pytest.approx(600, abs=40), pytest.approx(1050, abs=40))
    assert may_beep(silence(500) + tones.tone((868,), 4000) + silence(600))[-1] < 2100, "it is none, so long"
    assert may_beep(silence(500) + tones.tone((350,), 400) + silence(600)) == []


def test_a_lost_frame_ends_no_beep():
    beep = bytearray(tones.tone((1000,), 600))
    beep[200 * BYTES_PER_MS : 220 * BYTES_PER_MS] = silence(20)
    assert kinds(silence(300) + bytes(beep) + silence(600)) == [ToneKind.BEEP]


def test_audio_of_any_length_gives_the_same():
    pcm = noisy(silence(500) + tones.beep(500) + silence(700))
    assert [tone for _, tone in tracked(pcm)] == [tone for _, tone in tracked(pcm, piece_ms=100)]


def test_it_has_the_call_clocks_time_after_a_gap():
    tracker = ToneTracker()
    tracker.feed(silence(200), 200)
    (beep,) = tracker.feed(silence(100) + tones.beep(400) + silence(500), 6000)
    assert beep.start_ms == pytest.approx(5100, abs=30)


@pytest.mark.parametrize(
    ("pcm", "kind"),
    [
        (tones.fax_ced(2600), ToneKind.FAX),
        (tones.busy(3000), ToneKind.BUSY),
        (tones.ringback(2500), ToneKind.RINGBACK),
        (tones.tone((425,), 1000) + silence(1000), ToneKind.RINGBACK),
        (silence(100) + b"".join(tones.tone((hz,), 330) for hz in (950, 1400, 1777)) + silence(600), ToneKind.SIT),
        (silence(100) + tones.dtmf("5") + silence(300), ToneKind.KEY),
    ],
    ids=["ced", "busy", "ringback", "ringback of one tone", "sit", "key"],
)
def test_what_the_network_and_machines_say(pcm, kind):
    assert kinds(pcm) == [kind]


def test_a_calling_fax_is_known_by_its_second_tone():
    assert kinds(tones.fax_cng(5000)) == [ToneKind.BEEP, ToneKind.FAX]


def test_which_key_it_is():
    ((_, tone),) = tracked(silence(100) + tones.dtmf("#", 120) + silence(300))
    assert tone.key == "#"


@pytest.mark.parametrize(
    "notes", [(523, 587, 659, 698, 784), (440, 660, 880, 660, 440), (1000, 1200, 1000, 800)], ids=str
)
def test_a_melody_has_no_beep(notes):
    music = b"".join(tones.tone((hz,), 250) for hz in notes)
    assert ToneKind.BEEP not in kinds(music + silence(400))


@pytest.mark.parametrize("hz", [(470.0, 940.0), (640.0, 1280.0)])
def test_the_last_note_of_an_instrument_is_no_beep(hz):
    assert ToneKind.BEEP not in kinds(tones.tone(hz, 400) + silence(400))


@pytest.mark.parametrize("hz", [523.0, 880.0])
def test_what_dies_away_is_no_beep(hz):
    struck = np.frombuffer(tones.tone((hz,), 400), dtype="<i2") * np.exp(-2.5 * np.arange(3200) / 8000)
    assert ToneKind.BEEP not in kinds(struck.astype("<i2").tobytes() + silence(400))


def test_neither_has_noise_nor_a_sung_word():
    assert kinds(noisy(silence(3000), 0.1)) == []
    time = np.arange(8000) / 8000
    hz = 210 + 8 * np.sin(2 * np.pi * 5 * time)
    voice = sum(np.sin(2 * np.pi * n * np.cumsum(hz) / 8000) / n for n in range(1, 12))
    assert kinds((4000 * voice).astype("<i2").tobytes() + silence(400)) == []
