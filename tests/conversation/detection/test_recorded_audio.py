"""What the detector would have got of a recording."""

from outdial.conversation.detection.heard import Window, Words
from outdial.conversation.detection.recorded_audio import heard_in, power_of
from outdial.media import tones
from outdial.media.frames import silence
from outdial.media.tone_tracker import Tone, ToneKind


def test_windows_and_tones_come_by_the_call_clock():
    heard = list(heard_in(silence(500) + tones.beep(400) + silence(600), None))
    windows = [one for one in heard if isinstance(one, Window)]
    assert [one.at_ms for one in windows[:3]] == [32, 64, 96]
    assert (windows[3].power, round(windows[20].power, 1)) == (0.0, 0.1)
    ((place, beep),) = [(place, one) for place, one in enumerate(heard) if isinstance(one, Tone)]
    assert (beep.kind, round(beep.start_ms, -2)) == (ToneKind.BEEP, 500)
    assert heard[place - 1].at_ms >= beep.end_ms + 100


def test_where_nobody_speaks_nothing_is_recognised():
    asked = []
    assert not [one for one in heard_in(silence(3000), asked.append) if isinstance(one, Words)]
    assert asked == []


def test_power_is_relative_to_full_scale():
    assert power_of(b"") == 0.0
    assert round(power_of(tones.tone((1000,), 200, level_dbfs=-10.0)), 1) == 0.1
