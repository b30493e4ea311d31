import numpy as np
import pytest

from outdial.media.frames import duration_ms
from outdial.media.tones import beep, busy, dtmf, fax_ced, fax_cng, ringback, tone


def samples(pcm):
    return np.frombuffer(pcm, dtype="<i2").astype(float)


def strongest_hz(pcm, count):
    spectrum = np.abs(np.fft.rfft(samples(pcm) * np.hanning(len(pcm) // 2)))
    peaks = []
    for _ in range(count):
        at = int(spectrum.argmax())
        peaks.append(round(at * 8000 / (len(pcm) // 2)))
        spectrum[max(0, at - 4) : at + 5] = 0
    return sorted(peaks)


def level_dbfs(pcm):
    return 20 * np.log10(np.sqrt(np.mean(samples(pcm) ** 2)) / 32768)


@pytest.mark.parametrize(
    ("digit", "pair_hz"), [("1", [697, 1209]), ("5", [770, 1336]), ("#", [941, 1477]), ("D", [941, 1633])]
)
def test_a_key_sends_its_row_and_its_column(digit, pair_hz):
    assert strongest_hz(dtmf(digit, 400), 2) == pytest.approx(pair_hz, abs=3)


@pytest.mark.parametrize("wrong", ["", "12", "E", "٣", "a"])
def test_what_is_no_key_is_refused(wrong):
    with pytest.raises(ValueError, match="not a DTMF digit"):
        dtmf(wrong)


def test_a_tone_has_the_length_and_level_asked_for():
    pcm = tone((1000,), 500, level_dbfs=-20.0)
    assert duration_ms(pcm) == 500
    assert level_dbfs(pcm) == pytest.approx(-20.0, abs=0.2)


def test_a_tone_begins_and_ends_softly():
    pcm = samples(tone((1000,), 100, level_dbfs=-6.0))
    assert np.abs(pcm[:4]).max() < 500
    assert np.abs(pcm[-4:]).max() < 500


def test_a_level_above_full_scale_is_limited():
    assert np.abs(samples(tone((440, 480), 100, level_dbfs=6.0))).max() == 32767


@pytest.mark.parametrize("duration", [0, 1, 20, 499, 500, 501, 7300])
def test_cadences_last_exactly_as_long_as_asked(duration):
    for made in (ringback, busy, fax_cng, fax_ced, beep):
        assert duration_ms(made(duration)) == duration


def test_ringback_rings_two_seconds_and_rests_four():
    seconds = samples(ringback(8000)).reshape(8, 8000)
    assert [np.abs(second).max() > 1000 for second in seconds] == [1, 1, 0, 0, 0, 0, 1, 1]
    assert strongest_hz(ringback(2000), 2) == pytest.approx([440, 480], abs=2)


def test_fax_tones_have_the_frequencies_of_t30():
    assert strongest_hz(fax_cng(500), 1) == pytest.approx([1100], abs=2)
    assert strongest_hz(fax_ced(3000), 1) == pytest.approx([2100], abs=2)
