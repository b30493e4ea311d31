"""Words that tell whose turn it is."""

import pytest

from outdial.conversation.turn_words import NOTHING, Asked
from outdial.conversation.understanding.language import language_of
from outdial.conversation.understanding.turn_phrases import TurnPhrases, turn_phrases

ENGLISH = turn_phrases("en-US")
PHONE = Asked(question="What is your phone number?", digits=10)


@pytest.mark.parametrize(
    "text",
    [
        "My number is", "On, um", "I think that", "I think", "on tuesday and", "It's", "Well,", "Let me see",
        "Maybe...", "I'd like", "my zip code is", "because", "the email address is", "between", "it is at",
        "five five double",
    ],
)  # fmt: skip
def test_who_says_this_goes_on(text):
    assert ENGLISH.is_open_ending(text, NOTHING)


@pytest.mark.parametrize(
    "text",
    [
        "", "Yes.", "Friday, please.", "It is.", "Yes I am", "What for?", "What's that for?", "I think so.",
        "no I can't", "I do", "okay",
    ],
)  # fmt: skip
def test_who_says_this_may_have_finished(text):
    assert not ENGLISH.is_open_ending(text, NOTHING)


@pytest.mark.parametrize(
    ("text", "goes_on"),
    [
        ("five five five", True), ("202 555", True), ("two oh two, five five five", True), ("2025550123", False),
        ("202 555 0177", False), ("No.", False),
    ],
)  # fmt: skip
def test_fewer_digits_than_were_asked_for_are_no_end(text, goes_on):
    assert ENGLISH.is_open_ending(text, PHONE) is goes_on


@pytest.mark.parametrize(
    "text",
    [
        "Okay.", "Yeah", "yeah yeah", "Mhm", "Mm-hmm.", "mm hmm", "Uh-huh.", "Right, right.", "Hello?",
        "Hello, this is she.", "Oh, I see.",
    ],
)  # fmt: skip
def test_who_says_this_only_listens(text):
    assert ENGLISH.is_backchannel(text)


@pytest.mark.parametrize(
    "text", ["", "No.", "Okay, but when?", "Wait.", "Yes, hold on.", "okay stop", "This is the wrong number."]
)
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
    [
        "One moment.", "Hang on!", "Okay, hold on.", "Okay, hang on, I'm getting a pen", "one sec", "Wait.",
        "Give me a second, I'm getting a pen.", "Wait, I'm getting a pen.", "Yeah, just a sec, please.",
        "just a moment please", "let me get my card",
    ],
)  # fmt: skip
def test_this_asks_us_to_wait(text):
    assert ENGLISH.is_hold_on(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "Okay.", "I can't wait", "I can't hold it.", "Wait, what?", "At the moment, no.", "hold on to my slot",
        "Five, no wait, six.", "Wait, I have a question about that.",
    ],
)  # fmt: skip
def test_this_does_not(text):
    assert not ENGLISH.is_hold_on(text)


@pytest.mark.parametrize(
    "text",
    [
        "Okay, I'm back.", "Hello?", "hello, are you still there", "Are you still there?",
        "Sorry about that, go ahead.", "I'm ready",
    ],
)  # fmt: skip
def test_who_asked_us_to_wait_is_there_again(text):
    assert ENGLISH.is_back(text)


@pytest.mark.parametrize("text", ["", "No.", "Friday.", "Okay, Friday works", "five five five"])
def test_an_answer_tells_more(text):
    assert not ENGLISH.is_back(text)


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("", ""), ("nothing", ""), ("five five five, 0123", "5550123"), ("double four seven one", "4471"),
        ("it's double four, um, seven one", "4471"), ("Number: oh one.", "01"),
    ],
)  # fmt: skip
def test_spoken_digits_are_gathered(text, digits):
    assert ENGLISH.digits(text) == digits


@pytest.mark.parametrize("tag", ["en", "de", "es", "fr"])
def test_every_language_has_its_words_for_it(tag):
    words = TurnPhrases(language_of(tag))
    assert words.of_course
    assert words.still_there
    assert words.one_moment
    assert words.sorry


def test_what_we_say_ourselves_may_be_in_another_language_than_what_is_heard():
    words, german, english = turn_phrases("es", "de"), turn_phrases("de"), turn_phrases("en")
    ours = [(one.of_course, one.still_there, one.one_moment, one.sorry) for one in (words, german, english)]
    assert ours[0] == ours[1] != ours[2]
    assert words.is_backchannel("vale")
    assert not german.is_backchannel("vale")
