import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.speech.spoken_text import MAX_CHARS, spoken


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Hello\tJane,\r\nhow\x00are you?", "Hello Jane, how are you?"),
        ("[Jane](/x/)", "(Jane)(/x/)"),
        ("\uff3bJane\uff3d(/x/)", "(Jane)(/x/)"),  # wide brackets
        ("zero\u200bwidth \u202eright to left", "zero width right to left"),
        ("\ud800 lone surrogate", "lone surrogate"),
        (" … ", ""),
        ("", ""),
    ],
)
def test_only_what_can_be_said_is_left(text, said):
    assert spoken(text) == said


@given(st.text())
def test_no_markup_and_no_control_character_gets_through(text):
    said = spoken(text)
    assert not re.search(r"[\[\]\x00-\x1f\x7f]", said)
    assert len(said) <= MAX_CHARS


def test_a_text_without_end_is_cut_between_words(caplog):
    said = spoken("word " * 100_000)
    assert MAX_CHARS - 5 <= len(said) <= MAX_CHARS
    assert said.endswith("word")
    assert caplog.messages == ["Spoken text cut at its limit"]
