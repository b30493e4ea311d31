"""Whose words these are like."""

from pathlib import Path

import pytest

from outdial.conversation.detection.wording import LIKE, NOTHING_SAID, Wording, pairs, wording
from outdial.conversation.understanding.language import language_of
from outdial.telephony.verdict import AnsweredBy

HUMAN, MACHINE = LIKE.index(AnsweredBy.HUMAN), LIKE.index(AnsweredBy.MACHINE)
SAID = Path(__file__).parents[1] / "understanding" / "recorded.tsv"  # nothing was learned from it
LEAST_RIGHT = 0.8


def test_words_and_pairs_count():
    own = Wording(constant=[0.0] * len(LIKE), scores={"leave": [0, 100, 0, 0, 0], "^ leave": [0, 100, 0, 0, 0]})
    first, later = own.like(("leave", "word")), own.like(("please", "leave"))
    assert first[MACHINE] > later[MACHINE] > later[HUMAN]
    assert sum(first) == pytest.approx(1)
    assert pairs(("leave", "word")) == {"leave", "word", "^ leave", "leave word"}


def test_nothing_said_is_like_nobody():
    own = Wording(constant=[1.0, 0.0, 0.0, 0.0, 0.0], scores={})
    assert own.like(()) == NOTHING_SAID


def test_it_knows_no_language_that_it_was_not_trained_on():
    assert wording("de") is None


def test_it_tells_recordings_that_it_never_saw():
    """Of people's texts there, no: they are people who say what recordings say."""
    own, english = wording("en"), language_of("en")
    names = [str(one) for one in LIKE]
    rows = [line.split("\t") for line in SAID.read_text().splitlines() if line.startswith("en\t")]
    told = []
    for _, who, text in rows:
        like = own.like(english.utterance(text).words)
        if who != "person":
            told.append((who, names[like.index(max(like))]))
    assert sum(who == found for who, found in told) >= LEAST_RIGHT * len(told), told
