"""Who is asked to take a call: what they hear, and what counts as an answer."""

import pytest

from outdial.conversation.taking_call import Accepts, Reply, ask, reply_of
from outdial.conversation.understanding.language import language_of
from outdial.conversation.verb_results import Heard
from outdial.testing.phone import Phone
from outdial.testing.virtual_time import run

ENGLISH = language_of("en-US")
BRIEF = "Jane Miller would like to move her appointment."
QUESTION = ENGLISH.texts["take_call"]
TAKEN, TAKEN_BY_KEY = Reply(takes=True, by=Accepts.WORDS), Reply(takes=True, by=Accepts.KEY)
DECLINED, DECLINED_BY_KEY = Reply(takes=False, by=Accepts.WORDS), Reply(takes=False, by=Accepts.KEY)


def asked(*does, wait_s: float = 15.0):
    """What somebody who does so makes of it, the lines that were said, and how long it took."""
    replies: list[Reply | None] = []

    async def brief(call):
        replies.append(await ask(call, BRIEF, ENGLISH, wait_s=wait_s))

    async def call():
        phone = Phone(brief)
        for do in does:
            do(phone)
        await phone.talk()
        return phone

    phone = run(call())
    return replies, phone.lines


@pytest.mark.parametrize(
    ("words", "reply"),
    [
        ("Yes.", TAKEN),
        ("Yes, please put them through.", TAKEN),
        ("Sure, okay.", TAKEN),
        ("No, not now.", DECLINED),
        ("No thanks.", DECLINED),
        ("Who is this?", None),
        ("Sorry, what?", None),
        ("Hello?", None),
        ("", None),
        ("Hi, you have reached the voicemail of Jane Miller. Yes, I am away.", None),
        ("Please leave a message after the tone.", None),
    ],
)
def test_what_words_say(words, reply):
    assert reply_of(Heard(text=words, silent=not words), ENGLISH) == reply


@pytest.mark.parametrize(
    ("digits", "reply"), [("1", TAKEN_BY_KEY), ("2", DECLINED_BY_KEY), ("1#", TAKEN_BY_KEY), ("5", None)]
)
def test_what_keys_say(digits, reply):
    assert reply_of(Heard(digits=digits), ENGLISH) == reply


def test_words_that_may_have_been_misheard_take_no_call():
    assert reply_of(Heard(text="Yes.", doubtful=True), ENGLISH) is None


@pytest.mark.parametrize("tag", ["de-DE", "es-ES", "fr-FR"])
@pytest.mark.parametrize(("word", "takes"), [(0, True), (1, False)])
def test_it_is_asked_and_understood_in_the_agents_language(tag, word, takes):
    language = language_of(tag)
    words = {"de-DE": ("ja", "nein"), "es-ES": ("sí", "no"), "fr-FR": ("oui", "non")}[tag][word]
    assert words in language.texts["take_call"].casefold()
    assert reply_of(Heard(text=words), language) == Reply(takes=takes, by=Accepts.WORDS)


def test_somebody_is_briefed_and_asked_once_they_have_said_hello():
    replies, lines = asked(
        lambda phone: phone.greets("Sales, good morning."),
        lambda phone: phone.says("Yes, please.", after="Press 1"),
    )
    assert replies == [TAKEN]
    assert lines == ["callee: Sales, good morning.", f"agent: {BRIEF} {QUESTION}", "callee: Yes, please."]


def test_a_yes_before_the_question_was_said_takes_nothing():
    replies, _ = asked(
        lambda phone: phone.greets("Yes?"),
        lambda phone: phone.says("Yes yes.", after="Jane", over=True),
        lambda phone: phone.presses("2", after="Press 1"),
    )
    assert replies == [DECLINED_BY_KEY]


def test_it_is_asked_again_and_then_given_up():
    replies, lines = asked(lambda phone: phone.greets("Hello?"), wait_s=12)
    assert replies == [None]
    assert lines.count(f"agent: {QUESTION}") == 2


def test_who_takes_their_time_is_heard():
    later = lambda phone: phone.presses("1", after="Press 1", pause_s=4)  # noqa: E731
    replies, _ = asked(lambda phone: phone.greets("Hello?"), later)
    assert replies == [TAKEN_BY_KEY]
