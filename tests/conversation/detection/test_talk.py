"""When the near voice spoke."""

from conversation.detection.calls import windows
from outdial.conversation.detection.talk import Talk


def spoken(heard, now_ms):
    talk = Talk()
    for one in heard:
        talk.window(one.at_ms, one.voice, one.power)
    return talk.spoken(now_ms)


def starts(found):
    return [round(span.start_ms, -2) for span in found.spans]


def test_what_was_said_has_its_times():
    found = spoken(windows((480, 1280), (2400, 3200), until_ms=4000), 4000)
    assert starts(found) == [500, 2400]
    assert found.total_ms == 1600
    assert (found.onset_ms, found.quiet_ms) == (480, 800)


def test_a_short_pause_is_none_and_a_longer_one_is_when_it_is_asked_for():
    found = spoken(windows((480, 1280), (1400, 2000), (2400, 3200), until_ms=4000), 4000)
    assert len(found.spans) == 2
    assert len(found.runs(500)) == 1


def test_nobody_spoke():
    found = spoken(windows(until_ms=1000), 1000)
    assert (found.spans, found.onset_ms, found.quiet_ms) == ((), None, 1000)


def test_a_click_is_no_voice():
    assert spoken(windows((480, 544), until_ms=1000), 1000).spans == ()


def test_who_is_well_below_the_loudest_is_not_the_callee():
    found = spoken(windows((1600, 2400), until_ms=6000, behind=((0, 1300), (2800, 6000))), 6000)
    assert starts(found) == [1600]
    assert found.behind_ms > 4000


def test_who_talks_while_the_callee_pauses_is_apart():
    assert spoken(windows((480, 2400), until_ms=4000), 4000).apart_ms == 0
    assert spoken(windows((480, 2400), until_ms=6000, behind=((2800, 6000),)), 6000).apart_ms > 2500
    of_its_own = spoken(windows((480, 2400), until_ms=4000, behind=((2400, 2600),)), 4000)
    assert of_its_own.apart_ms == 0


def test_who_spoke_before_somebody_nearer_is_not_the_callee_either():
    heard = windows((3200, 4000), until_ms=4800, behind=((0, 3000),))
    assert starts(spoken(heard[:90], 2880)) == [0]  # until then, nobody is nearer
    assert starts(spoken(heard, 4800)) == [3200]


def test_how_much_was_heard_counts_from_the_first_window():
    late = [one for one in windows((2400, 3200), until_ms=4000) if one.at_ms > 1696]
    assert (spoken(late, 4000).from_ms, spoken(late, 4000).heard_ms) == (1696, 2304)
    assert spoken(late[:10], 2016).heard_ms == 320
    assert spoken(windows(until_ms=4000), 4000).heard_ms == 4000
    assert spoken([], 4000).heard_ms == 0


def test_it_is_the_same_however_often_it_is_asked_for():
    heard = windows((480, 1280), (2400, 3200), until_ms=20_000)
    talk, often = Talk(), []
    for one in heard:
        talk.window(one.at_ms, one.voice, one.power)
        often.append(talk.spoken(one.at_ms))
        assert talk.spoken(one.at_ms) is often[-1]
    assert often[-1] == spoken(heard, heard[-1].at_ms)
    assert talk.spoken(21_000) == spoken(heard, 21_000)
    assert talk.spoken(21_000).quiet_ms == often[-1].quiet_ms + 21_000 - heard[-1].at_ms
