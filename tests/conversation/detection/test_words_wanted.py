"""When words are asked for: as seldom as they are of use."""

import pytest

from conversation.detection.calls import windows
from outdial.conversation.detection.talk import Talk
from outdial.conversation.detection.words_wanted import MORE, MOST, PAUSE_MS, WordsWanted


def asked(*spoken, until_ms, to_end=False):
    """When, and for what."""
    talk, wanted, found = Talk(), WordsWanted(), []
    for one in windows(*spoken, until_ms=until_ms):
        talk.window(one.at_ms, one.voice, one.power)
        if (span := wanted.due(talk.spoken(one.at_ms), to_end=to_end)) is not None:
            found.append((one.at_ms, span.start_ms, span.end_ms))
    return found


def test_a_short_answer_is_asked_for_once_soon_after_its_end():
    assert asked((480, 1088), until_ms=4000) == [(1408, 480, 1088)]


def test_the_shortest_hello_as_well():
    assert len(asked((480, 608), until_ms=4000)) == 1


def test_in_long_talk_it_is_asked_for_on_the_way():
    at = [at_ms for at_ms, *_ in asked((0, 6700), until_ms=8000)]
    assert [round(one, -2) for one in at] == [2000, 4000, 6500, 7000] or len(at) == 3


def test_what_goes_on_after_a_breath_is_one_utterance():
    found = asked((480, 1280), (1760, 2400), until_ms=4000)
    assert [start_ms for _, start_ms, _ in found] == [480, 480]


def test_what_comes_after_a_pause_is_another_one():
    assert [start_ms for _, start_ms, _ in asked((480, 1280), (2400, 3200), until_ms=5000)] == [480, 2400]


def test_no_more_than_so_many_and_none_late():
    many = asked(*((start, start + 500) for start in range(0, 20_000, 1300)), until_ms=20_000)
    assert len(many) <= MOST
    assert asked((480, 1088), (15_000, 15_800), until_ms=17_000) == [(1408, 480, 1088)]


def test_talk_longer_than_an_utterance_is_cut():
    assert all(end_ms - start_ms <= 7100 for _, start_ms, end_ms in asked((0, 12_000), until_ms=13_000))


def test_a_greeting_that_is_heard_out_is_asked_for_at_a_few_pauses_more():
    spoken = [(start, start + 500) for start in range(0, 30_000, 1300)]
    found = asked(*spoken, until_ms=30_000, to_end=True)
    assert len(found) == MOST + MORE
    assert asked((480, 1088), (15_000, 15_800), until_ms=17_000, to_end=True)[1:] == [
        (pytest.approx(15_800 + PAUSE_MS, abs=64), pytest.approx(15_000, abs=32), pytest.approx(15_800, abs=32))
    ]


def test_not_in_the_middle_of_its_late_talk():
    found = asked((480, 1088), (12_000, 16_900), until_ms=18_000, to_end=True)
    assert [at_ms > 16_900 for at_ms, *_ in found[1:]] == [True]
