"""Words that tell whose turn it is."""

from dataclasses import dataclass

import pytest

from outdial.conversation.understanding.language import language_of
from outdial.conversation.understanding.turn_phrases import TurnPhrases


@dataclass(frozen=True)
class Asked:
    digits: int = 0


ENGLISH = TurnPhrases(language_of("en-US"))


@pytest.mark.parametrize(
    "text",
    [
        "My number is", "On, um", "I think that", "on tuesday and", "It's", "Well,", "Let me see", "maybe...",
        "I'd like",
        "my zip code is", "because", "the email address is", "between", "it is at", "five five double",
    ],
)  # fmt: skip
def test_who_says_this_goes_on(text):
    assert ENGLISH.is_open_ending(text, Asked())


@pytest.mark.parametrize(
    "text", ["", "Yes.", "Friday please", "It is.", "Yes I am", "What for?", "I think so.", "no I can't", "I do",
    "okay"]
)
def test_who_says_this_may_have_finished(text):
    assert not ENGLISH.is_open_ending(text, Asked())


@pytest.mark.parametrize(
    ("text", "goes_on"),
    [("five five five", True), ("202 555 0177", False), ("two oh two, five five five", True), ("no", False)],
)
def test_fewer_digits_than_were_asked_for_are_no_end(text, goes_on):
    assert ENGLISH.is_open_ending(text, Asked(digits=10)) is goes_on


@pytest.mark.parametrize(
    "text",
    ["Okay.", "yeah yeah", "Mhm", "mm hmm", "Hello, this is she.", "oh I see", "right right"],
)
def test_who_says_this_only_listens(text):
    assert ENGLISH.is_backchannel(text)


@pytest.mark.parametrize("text", ["", "No.", "okay but when", "Wait.", "yes hold on", "okay stop"])
def test_who_says_this_does_not(text):
    assert not ENGLISH.is_backchannel(text)


FLOOR = {
    "en": ["Stop.", "No.", "Wait!", "What?", "Hello?", "Who is this?", "Wrong number.", "goodbye", "not interested"],
    "de": ["Stopp!", "Nein.", "Moment.", "Wie bitte?", "Wer ist da?", "Hören Sie auf!"],
    "es": ["Pare, por favor.", "No.", "Espere.", "¿Cómo?", "¿Quién es?"],
    "fr": ["Arrêtez.", "Non.", "Attendez.", "Pardon ?", "Qui est-ce ?"],
}
MURMURS = {
    "en": ["Tour.", "Door.", "There.", "I think.", "Bright", "Yes.", ""],
    "de": ["Tür.", "Ja."],
    "es": ["Puerta.", "Sí."],
    "fr": ["Porte.", "Oui."],
}


@pytest.mark.parametrize(("tag", "text"), [(tag, text) for tag, texts in FLOOR.items() for text in texts])
def test_this_is_said_to_whoever_is_speaking(tag, text):
    assert TurnPhrases(language_of(tag)).wants_floor(text)


@pytest.mark.parametrize(("tag", "text"), [(tag, text) for tag, texts in MURMURS.items() for text in texts])
def test_this_is_said_to_nobody(tag, text):
    assert not TurnPhrases(language_of(tag)).wants_floor(text)


@pytest.mark.parametrize(
    "text",
    ["Okay, hang on, I'm getting a pen", "one sec", "just a moment please", "let me get my card"],
)
def test_this_asks_us_to_wait(text):
    assert ENGLISH.is_hold_on(text)


@pytest.mark.parametrize("text", ["", "okay", "I can't wait", "Wait, what?", "at the moment no", "hold on to my slot"])
def test_this_does_not(text):
    assert not ENGLISH.is_hold_on(text)


@pytest.mark.parametrize(
    "text",
    ["Okay, I'm back", "hello, are you still there", "Sorry about that, go ahead.", "I'm ready"],
)
def test_who_asked_us_to_wait_is_there_again(text):
    assert ENGLISH.is_back(text)


@pytest.mark.parametrize("text", ["", "no", "Okay, Friday works", "five five five"])
def test_an_answer_tells_more(text):
    assert not ENGLISH.is_back(text)


def test_spoken_digits_are_gathered():
    assert ENGLISH.digits("it's double four, um, seven one") == "4471"
    assert ENGLISH.digits("nothing") == ""


@pytest.mark.parametrize("tag", ["en", "de", "es", "fr"])
def test_every_language_has_its_words_for_it(tag):
    words = TurnPhrases(language_of(tag))
    assert words.of_course
    assert words.still_there
    assert words.one_moment
