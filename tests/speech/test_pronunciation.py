"""How alike words sound."""

import pytest

from outdial.speech.pronunciation import Pronunciations

WRITTEN = b"""\
a AH
a(2) EY
eight EY T
fix F IH K S
friday F R AY D IY
hello HH AH L OW
port P AO R T
six S IH K S
support S AH P AO R T
the DH AH
the(2) DH IY
thursday TH ER Z D EY
thirsty TH ER S T IY
"""


@pytest.fixture
def words():
    return Pronunciations(WRITTEN)


def test_a_word_has_every_way_it_is_said(words):
    assert words.of("a") == (("AH",), ("EY",))
    assert words.of("six") == (("S", "IH", "K", "S"),)
    assert words.of("thursday") == (("TH", "ER", "Z", "D", "EY"),)
    assert words.of("ix") == ()


def test_a_text_is_known_when_all_its_words_are(words):
    assert words.knows("The port.")
    assert not words.knows("the harbor")
    assert not words.knows("")


@pytest.mark.parametrize(
    ("heard", "answer", "other"),
    [("Fix.", "six", "eight"), ("The port.", "support", "six"), ("Thirsty?", "thursday", "friday"),
     ("A", "eight", "six")],
)  # fmt: skip
def test_what_was_misheard_sounds_more_like_its_answer_than_like_another(words, heard, answer, other):
    assert words.alike(heard, answer) >= 0.5
    assert words.alike(heard, answer) > words.alike(heard, other) + 0.2


def test_the_same_sounds_are_alike_to_the_full_and_unknown_ones_not_at_all(words):
    assert words.alike("Thursday!", "thursday") == 1.0
    assert words.alike("Hello", "six") <= 0.25
    assert words.alike("Xyzzy", "six") == 0.0
    assert words.alike("", "six") == 0.0
