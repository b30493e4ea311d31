import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.agents.script.matching import (
    Expected,
    asks_to_repeat,
    is_greeting,
    is_listening,
    match,
    wants_no_more_calls,
)
from outdial.conversation.live_call import Heard

ANSWERS = {
    "yes": Expected(words=["yes"], digits=["1"]),
    "no": Expected(words=["no"], digits=["2"]),
    "move": Expected(words=["move it", "reschedule", "different time"], digits=["3"]),
    "wrong": Expected(words=["wrong number", "wrong person"]),
}


def understood(text="", digits="", answers=ANSWERS):
    found = match(Heard(text=text, digits=digits), list(answers.values()))
    return None if found is None else list(answers)[found]


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("Yes, speaking.", "yes"),
        ("Yes, that works for me.", "yes"),
        ("Yep", "yes"),
        ("Uh-huh.", "yes"),
        ("This is she.", "yes"),
        ("That's right.", "yes"),
        ("OK", "yes"),
        ("I am.", "yes"),
        ("No problem, that works", "yes"),
        ("It's not a problem", "yes"),
        ("Why not?", "yes"),
        ("No.", "no"),
        ("No, that's fine", "no"),
        ("No, that doesn't work.", "no"),
        ("No, that doesn\u2019t work.", "no"),
        ("that wont work", "no"),
        ("Yeah, no.", "no"),
        ("Yeah, that doesn't work for me", "no"),
        ("That's not right", "no"),
        ("I'm not", "no"),
        ("This is not Jane", "no"),
        ("I can't talk right now", "no"),
        ("incorrect", "no"),
        ("Yes, but I need to move it", "move"),
        ("No, can we reschedule?", "move"),
        ("I can't. Can we move it?", "move"),
        ("I don't want to move it", "no"),
        ("No, you have the wrong number.", "wrong"),
        ("I am driving", None),
        ("I'm not sure", None),
        ("I don't know", None),
        ("Who is speaking?", None),
        ("Sorry, I can't hear you", None),
        ("yesterday", None),
        ("know", None),
        ("", None),
        ("...", None),
    ],
)
def test_what_people_say_is_understood(said, answer):
    assert understood(said) == answer


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("one", "yes"),
        ("Press one, please.", "yes"),
        ("number 2", "no"),
        ("to", "no"),
        ("3", "move"),
        ("one moment please", None),
        ("not one", "no"),
        ("seven", None),
    ],
)
def test_a_spoken_number_counts_when_it_is_all_that_is_said(said, answer):
    assert understood(said) == answer


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("that worked for me", "yes"),
        ("I need to reshedule", "move"),
        ("rescheduled", "move"),
        ("corect", "yes"),
        ("that isn't corect", "no"),
        ("a difference time", "move"),
    ],
)
def test_near_spellings_count_when_nothing_was_said_exactly(said, answer):
    assert understood(said) == answer


def test_days_and_numbers_are_never_taken_for_each_other():
    days = {"Tuesday": Expected(words=["Tuesday"]), "thirteen": Expected(words=["thirteen"])}
    assert understood("Thursday", answers=days) is None
    assert understood("thirty", answers=days) is None
    assert understood("On Tuesday.", answers=days) == "Tuesday"


def test_the_longest_phrase_wins_and_then_the_first():
    answers = {
        "a": Expected(words=["the clinic"]),
        "b": Expected(words=["the clinic in town", "town"]),
        "c": Expected(words=["town"]),
    }
    assert understood("the clinic in town", answers=answers) == "b"
    assert understood("the clinic", answers=answers) == "a"
    assert understood("town", answers=answers) == "b"


def test_phrases_are_whole_words_in_order():
    answers = {"move": Expected(words=["move it"])}
    assert understood("it move", answers=answers) is None
    assert understood("remove it", answers=answers) is None
    assert understood("MOVE, it!", answers=answers) == "move"


def test_a_phrase_with_its_own_not_means_what_it_says():
    answers = {"busy": Expected(words=["not now"]), "now": Expected(words=["now"])}
    assert understood("not now", answers=answers) == "busy"
    assert understood("now", answers=answers) == "now"


def test_digits_come_before_words():
    assert understood("no", digits="1") == "yes"
    assert understood("yes", digits="9") is None
    assert understood(digits="1#") == "yes"


def test_any_digits_and_any_words_take_what_nothing_else_took():
    answers = {
        "zero": Expected(digits=["0"]),
        "help": Expected(words=["help"]),
        "number": Expected(any_digits=True),
        "free": Expected(any_words=True),
    }
    assert understood(digits="0", answers=answers) == "zero"
    assert understood(digits="123#", answers=answers) == "number"
    assert understood("one two three", answers=answers) == "number"
    assert understood("help me", answers=answers) == "help"
    assert understood("blue", answers=answers) == "free"
    assert understood(digits="#", answers=answers) is None


def test_a_hash_may_be_an_answer():
    assert understood(digits="#", answers={"hash": Expected(digits=["#"])}) == "hash"


@pytest.mark.parametrize(
    "said",
    [
        "Stop calling me. Don't call this number again.",
        "Please stop calling.",
        "Take me off your list!",
        "remove my number please",
        "Do not call me again",
        "never call here again",
        "stop coaling me",
        "I told you not to... don't ever call me",
    ],
)  # fmt: skip
def test_nobody_has_to_ask_twice_to_be_left_alone(said):
    assert wants_no_more_calls(said)


@pytest.mark.parametrize("said", ["Call me again tomorrow", "Don't stop calling", "I'd like to stop", ""])
def test_other_words_are_not_a_wish_for_no_more_calls(said):
    assert not wants_no_more_calls(said)


def test_a_script_may_add_words_for_no_more_calls():
    assert wants_no_more_calls("Rufen Sie mich nicht mehr an", ["nicht mehr"])


MERE_HELLOS = ["Hello?", "Hi", "Yes, hello?", "I'm Hello.", "Am hello?", "Hello? Hello? Anyone there?", "Good day"]


@pytest.mark.parametrize("said", MERE_HELLOS)
def test_a_mere_hello_is_a_greeting(said):
    assert is_greeting(said)


@pytest.mark.parametrize("said", ["Hello, speaking", "Yes", "Hello, this is Jane", "", "In the morning"])
def test_anything_more_is_not(said):
    assert not is_greeting(said)


def test_asking_to_repeat_and_listening_are_told_from_answers():
    assert asks_to_repeat("Sorry?")
    assert asks_to_repeat("Could you say that again please?")
    assert asks_to_repeat("I didn't catch that")
    assert not asks_to_repeat("Sorry, no.")
    assert not asks_to_repeat("Uh-huh")
    assert is_listening("Okay, yeah.")
    assert not is_listening("Okay, stop")


@given(st.text(max_size=200), st.lists(st.text(max_size=20), max_size=5), st.text("0123456789*#", max_size=3))
def test_whatever_is_heard_is_one_of_the_answers_or_none(text, words, digits):
    answers = [Expected(words=words), ANSWERS["yes"], ANSWERS["no"]]
    assert match(Heard(text=text, digits=digits), answers) in (None, 0, 1, 2)
    for question in (is_greeting, asks_to_repeat, is_listening, wants_no_more_calls):
        assert question(text) in (True, False)


@given(st.sampled_from(["confirm", "the second one", "another day", "cancel"]), st.text(" ,.!?", max_size=5))
def test_a_phrase_that_is_said_is_found_whatever_is_around_it(phrase, around):
    answers = [Expected(words=["something else"]), Expected(words=[phrase])]
    assert match(Heard(text=f"well{around} {phrase.upper()}{around} thank you"), answers) == 1
