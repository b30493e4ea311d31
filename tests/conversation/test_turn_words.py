"""Words that tell whose turn it is."""

import pytest

from outdial.conversation.turn_words import NOTHING, Asked
from outdial.conversation.understanding.turn_phrases import turn_phrases

WORDS = turn_phrases("en-US")
PHONE = Asked(question="What is your phone number?", digits=10)


@pytest.mark.parametrize(
    "text",
    ["On, um", "My number is", "I think that", "I think", "Well,", "On Monday and", "It's", "Let me see", "Maybe..."],
)
def test_who_says_this_goes_on(text):
    assert WORDS.is_open_ending(text, NOTHING)


@pytest.mark.parametrize("text", ["", "Yes.", "Friday, please.", "It is.", "What's that for?", "I think so."])
def test_who_says_this_may_have_finished(text):
    assert not WORDS.is_open_ending(text, NOTHING)


@pytest.mark.parametrize(
    ("text", "goes_on"),
    [("202 555", True), ("two oh two, five five five", True), ("2025550123", False), ("No.", False)],
)
def test_digits_are_open_until_they_are_as_many_as_were_asked_for(text, goes_on):
    assert WORDS.is_open_ending(text, PHONE) is goes_on


@pytest.mark.parametrize(
    "text",
    ["Okay.", "Yeah", "Mm-hmm.", "Uh-huh.", "Right, right.", "Hello?", "Hello, this is she.", "Oh, I see."],
)
def test_this_tells_a_speaker_to_go_on(text):
    assert WORDS.is_backchannel(text)


@pytest.mark.parametrize("text", ["", "No.", "Okay, but when?", "Wait.", "This is the wrong number.", "Yes, hold on."])
def test_this_does_not(text):
    assert not WORDS.is_backchannel(text)


@pytest.mark.parametrize(
    "text",
    ["One moment.", "Hang on!", "Okay, hold on.", "Give me a second, I'm getting a pen.", "Yeah, just a sec, please."],
)
def test_this_asks_us_to_wait(text):
    assert WORDS.is_hold_on(text)


@pytest.mark.parametrize("text", ["", "Okay.", "I can't hold it.", "At the moment, no.", "Wait, what?"])
def test_this_does_not_ask_us_to_wait(text):
    assert not WORDS.is_hold_on(text)


@pytest.mark.parametrize("text", ["Okay, I'm back.", "Hello?", "Sorry about that, go ahead.", "Are you still there?"])
def test_who_asked_us_to_wait_is_there_again(text):
    assert WORDS.is_back(text)


@pytest.mark.parametrize("text", ["", "No.", "Friday.", "Okay, Friday works."])
def test_an_answer_tells_more_than_that(text):
    assert not WORDS.is_back(text)


@pytest.mark.parametrize(
    ("text", "digits"),
    [("", ""), ("five five five, 0123", "5550123"), ("double four seven one", "4471"), ("Number: oh one.", "01")],
)
def test_spoken_digits_are_collected(text, digits):
    assert WORDS.digits(text) == digits
