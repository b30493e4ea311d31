"""Evidence as numbers."""

from conversation.detection.calls import beep, evidence, windows, words
from outdial.conversation.detection.features import NAMES, TIMING, features


def named(found):
    return dict(zip(NAMES, features(found), strict=False))


def test_every_number_has_its_name():
    assert len(features(evidence(now_ms=500))) == len(NAMES) == len(set(NAMES))
    assert len(features(evidence(now_ms=500, language=None))) == len(TIMING)


def test_they_tell_what_was_heard():
    found = evidence(
        windows((480, 2080), (3200, 4800), until_ms=6400), words("Please leave a message.", 480, 4800), beep(5000),
        now_ms=6400,
    )  # fmt: skip
    numbers = named(found)
    assert (numbers["now_s"], numbers["onset_s"], numbers["talk_s"]) == (6.4, 0.48, 3.2)
    assert (numbers["runs"], numbers["longest_pause_s"], numbers["quiet_s"]) == (2, 1.12, 1.6)
    assert (numbers["beep"], numbers["words"], numbers["said_leave"], numbers["said_live"]) == (1, 4, 1, 0)


def test_nothing_grows_without_an_end():
    long = evidence(windows((480, 40_000), until_ms=40_000), words("word " * 60, 480, 7000), now_ms=40_000)
    assert max(features(long)) <= 40
