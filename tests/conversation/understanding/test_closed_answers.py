"""What a closed recogniser listens for, and which words it is asked about."""

import pytest

from conversation.understanding.asked import DOES_IT_WORK, ENGLISH, meaning_of
from outdial.conversation.understanding.answer_type import parse_type
from outdial.conversation.understanding.closed_answers import MAX_PHRASES, closed, may_be_misheard
from outdial.conversation.understanding.language import language_of
from outdial.conversation.understanding.meaning import Option, Question
from outdial.conversation.understanding.understand import understand

DAYS = Question(options=[Option(words=["Thursday"]), Option(words=["Friday", "the 5th"])])
RATING = Question(options=[Option(digits=[str(number)]) for number in range(1, 11)])


def test_an_authors_phrases_are_written_as_they_are_said():
    asked = closed(DAYS, ENGLISH)
    assert (asked.language, asked.answers, asked.yes_or_no) == ("en", (("thursday",), ("friday", "the fifth")), False)


def test_digits_are_words_and_keys_that_nobody_says_are_left_out():
    assert closed(RATING, ENGLISH).answers[7] == ("eight",)
    billing = Option(words=["billing"], digits=["1", "*", "12345"])
    repeat, sales = Option(digits=["#"]), Option(words=["sales"])
    keys = Question(options=[billing, repeat, sales])
    assert closed(keys, ENGLISH).answers == (("billing", "one"), ("sales",))


def test_a_yes_and_a_no_are_what_people_say_for_them():
    asked = closed(DOES_IT_WORK, ENGLISH)
    yes, no = asked.answers
    assert asked.yes_or_no
    assert {"yes", "yeah", "that works", "one"} <= set(yes)
    assert {"no", "nope", "it isn't", "two"} <= set(no)
    assert set(yes).isdisjoint(no)


@pytest.mark.parametrize("kind", ["yes", "no"])
def test_each_of_these_is_understood_as_what_it_stands_for(kind):
    for phrase in ENGLISH.short_answers[kind]:
        assert meaning_of(phrase).kind == kind, phrase


def test_a_number_that_is_asked_for_is_closed_when_there_are_few():
    asked = closed(Question(type=parse_type("number(0..10)")), ENGLISH)
    assert len(asked.answers) == 11
    assert asked.answers[8] == ("eight",)
    assert closed(Question(type=parse_type("number(0..500)")), ENGLISH) is None


@pytest.mark.parametrize(
    "question",
    [
        Question(options=[Option(words=["yes"]), Option(any_words=True)]),
        Question(options=[Option(any_digits=True)]),
        Question(type=parse_type("phone")),
        Question(options=[Option(words=[f"word {number}" for number in range(MAX_PHRASES + 1)])]),
        Question(),
        Question(options=[Option(words=["thursday"])]),
    ],
)
def test_what_may_be_answered_with_anything_is_not_closed(question):
    assert closed(question, ENGLISH) is None


def test_who_is_asked_for_a_yes_alone_may_say_no():
    asked = closed(Question(options=[Option(words=["yes"])]), ENGLISH)
    assert [phrases[0] for phrases in asked.answers] == ["yes", "no"]
    assert asked.yes_or_no


def test_a_question_in_another_language_says_which():
    assert closed(DOES_IT_WORK, language_of("es")).language == "es"


@pytest.mark.parametrize(
    ("said", "asks"),
    [
        ("First thing.", True), ("Thank you.", True), ("What?", True), ("", True), ("Thursday.", False),
        ("Hold on.", False), ("Stop calling me.", False), ("You have the wrong number.", False),
        ("I would like to speak to someone.", False),
    ],
)  # fmt: skip
def test_only_a_few_words_that_mean_nothing_better_may_be_misheard(said, asks):
    assert may_be_misheard(said, understand(said, DAYS, ENGLISH), ENGLISH) is asks
