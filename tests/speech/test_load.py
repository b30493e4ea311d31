"""Recognition of many calls at once."""

import pytest

from outdial.speech.load import LateRecognition, recognisers, speakers


@pytest.mark.parametrize(("cores", "at_once"), [(1, 2), (2, 2), (4, 3), (8, 7), (64, 8)])
def test_recognition_takes_the_cores_that_there_are(cores, at_once):
    assert recognisers(cores) == at_once


@pytest.mark.parametrize(("cores", "at_once"), [(1, 2), (2, 2), (4, 3), (64, 4)])
def test_an_offline_voice_leaves_a_core_to_the_calls(cores, at_once):
    assert speakers(cores) == at_once


def test_recognition_that_falls_behind_is_told_once_a_minute_with_the_longest_wait(caplog):
    late = LateRecognition(2)
    for second, waited_s in ((0, 0.2), (10, 0.9), (20, 1.5), (30, 3.0), (79, 2.0), (80, 0.1), (200, 0.5)):
        late.note(waited_s, at=float(second))
    assert [record.message for record in caplog.records] == ["Speech recognition fell behind"] * 2
    assert [record.longest_wait_ms for record in caplog.records] == [1500, 3000]
