"""When the callee has answered us. A timeline tells from when to when who spoke, in s."""

import pytest

from outdial.conversation.exchange import Exchange


def us(start_s, end_s, *, whole=True, listening=True):
    def speak(exchange):
        exchange.speaking(round(start_s * 1000), listening=listening)
        exchange.said(round(start_s * 1000), round(end_s * 1000), whole=whole)

    return speak


def cut(start_s, end_s):
    """The callee spoke over us, for so long that we fell silent."""
    return us(start_s, end_s, whole=False)


def deaf(start_s, end_s):
    """An announcement that nobody may interrupt."""
    return us(start_s, end_s, listening=False)


def callee(start_s, end_s):
    return lambda exchange: exchange.heard(round(start_s * 1000), round(end_s * 1000))


def key():
    return Exchange.pressed


def answered_after(*timeline):
    """After how many entries of the timeline the callee has answered; None when it hasn't."""
    told = []
    exchange = Exchange(lambda: told.append(True))
    for number, entry in enumerate(timeline, 1):
        entry(exchange)
        if told:
            return number
    return None


@pytest.mark.parametrize(
    ("timeline", "number"),
    [
        pytest.param([us(0, 4), callee(4.6, 5.2), us(5.8, 8), callee(8.5, 9)], 3, id="question, answer, next question"),
        pytest.param([callee(0.4, 0.9), us(0.3, 4), callee(3.8, 4.5), us(5, 7)], 4, id="hello into the greeting"),
        pytest.param(
            [us(0, 4), callee(4.6, 5.2), cut(5.8, 7), callee(6.3, 9), us(9.5, 11), callee(11.4, 12), us(12.6, 15)],
            7,
            id="interrupts",
        ),
        pytest.param([us(0, 4), callee(4.6, 12), us(12.5, 14), callee(14.6, 15), us(16, 18)], 5, id="talks a lot"),
        pytest.param([deaf(0, 4), callee(4.6, 5.2), deaf(5.8, 8), callee(8.5, 9)], 4, id="to announcements"),
        pytest.param([us(0, 4), callee(4.6, 5.2), cut(5.8, 8.5)], 3, id="listens, then interrupts"),
        pytest.param([us(0, 4), callee(4.6, 5.2), us(5.8, 6.5), callee(7, 7.4)], 4, id="short questions"),
        pytest.param([us(0, 4), key()], 2, id="a key"),
    ],
)
def test_a_person_answers(timeline, number):
    assert answered_after(*timeline) == number


@pytest.mark.parametrize(
    "timeline",
    [
        pytest.param([us(0, 4)], id="nobody there"),
        pytest.param([us(0, 4), us(10, 12), us(18, 20)], id="silent callee"),
        pytest.param([us(0, 0.8), callee(1.2, 9), us(10, 13)], id="greeting after our first word"),
        pytest.param([cut(0, 2), callee(0.9, 7.5), us(8.1, 11), us(17, 19)], id="greeting over ours, then silence"),
        pytest.param(
            [us(0, 0.8), callee(1.2, 2.5), cut(3.1, 3.6), callee(3.2, 8), cut(8.6, 11.5), callee(11, 12)],
            id="greeting with a pause",
        ),
        pytest.param(
            [deaf(0, 3), callee(3.05, 5), deaf(5.6, 8), callee(8.03, 10), deaf(10.6, 12)],
            id="greeting that talks on under announcements",
        ),
        pytest.param([us(0, 0.8), callee(1.2, 2.5), us(3.1, 3.5), cut(4, 4.8), callee(4.2, 9)], id="a long pause"),
        pytest.param([us(0, 0.8), callee(1.2, 2.5), callee(3.3, 4)], id="two sentences are one reply"),
        pytest.param([callee(0.2, 3), callee(3.8, 7)], id="greeting before our first word"),
    ],
)
def test_a_greeting_is_no_answer(timeline):
    assert answered_after(*timeline) is None


def test_while_we_speak_it_answers_by_listening():
    told = []
    exchange = Exchange(lambda: told.append(True))
    us(0, 4)(exchange)
    exchange.speaking(5000, listening=True)
    exchange.check(9000)
    assert told == [], "it has not replied"
    exchange.said(5000, 9000, whole=True)
    callee(9.5, 10.5)(exchange)
    exchange.check(60_000)
    assert told == [], "we don't speak"
    exchange.speaking(11_000, listening=True)
    exchange.check(12_900)
    assert told == []
    exchange.check(13_000)
    assert told == [True]


def test_it_is_told_once():
    told = []
    exchange = Exchange(lambda: told.append(True))
    exchange.pressed()
    exchange.pressed()
    assert told == [True]
