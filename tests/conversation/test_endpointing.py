"""When the callee's turn has ended: silence that is enough, by what was said."""

import pytest

from outdial.conversation.endpointing import (
    DIGITS_MS,
    HOLD_MS,
    LONG_TURN_MS,
    LONGEST_TURN_MS,
    PATIENCE_MS,
    PAUSE_MS,
    SURE_MS,
    UNRECOGNISED_MS,
    WHOLE_MS,
    Patience,
    TurnSoFar,
    WordEndpointing,
)
from outdial.conversation.turn_words import NOTHING, Asked
from outdial.conversation.understanding.language import language_of
from outdial.conversation.understanding.turn_phrases import TurnPhrases, turn_phrases
from outdial.speech.base import TurnTold

ENDPOINTING = WordEndpointing(turn_phrases("en-US"))
YES_NO = Asked(question="Does that work for you?", is_answer=lambda text: text.casefold().startswith(("yes", "no")))
LET_ME_SEE = Asked(is_answer=lambda text: "yes" in text)
PHONE = Asked(question="What is your phone number?", digits=10)


def enough_ms(words, asked=NOTHING, *, length_ms=2000, silence_ms=200, patience=Patience()):
    turn = TurnSoFar(silence_ms=silence_ms, length_ms=length_ms, words=words, asked=asked, patience=patience)
    return ENDPOINTING.silence_ms(turn)


@pytest.mark.parametrize(
    ("words", "asked", "ms"),
    [
        ("Yes.", YES_NO, WHOLE_MS),
        ("No, thanks.", YES_NO, WHOLE_MS),
        ("Yes, and", YES_NO, PATIENCE_MS),
        ("Thursday.", YES_NO, PAUSE_MS),
        ("Yes.", NOTHING, PAUSE_MS),
        ("My number is", PHONE, PATIENCE_MS),
        ("202 555", PHONE, DIGITS_MS),
        ("two oh two five five five oh one two three", PHONE, WHOLE_MS),
        ("202 555 you're a one two three", PHONE, PAUSE_MS),
        ("202 are a five five", PHONE, DIGITS_MS),
        ("202 555 you're a one two three, and", PHONE, DIGITS_MS),
        ("I don't have one.", PHONE, PAUSE_MS),
        ("On, um", NOTHING, PATIENCE_MS),
        ("Okay, hold on.", NOTHING, HOLD_MS),
        ("Let me see, maybe", YES_NO, HOLD_MS),
        ("Let me see, yes.", LET_ME_SEE, WHOLE_MS),
        ("Let me see, yes, or", LET_ME_SEE, PATIENCE_MS),
        ("", YES_NO, PAUSE_MS),
    ],
)
def test_words_say_how_much_silence_is_the_end(words, asked, ms):
    assert enough_ms(words, asked) == ms


def test_a_whole_answer_is_taken_within_350_ms_and_an_open_one_waited_for_1600():
    assert 250 <= WHOLE_MS <= 350
    assert PATIENCE_MS == 1600


@pytest.mark.parametrize(("quiet_ms", "silence_ms", "ms"), [(250, 250, 300), (300, 200, 200), (320, 40, SURE_MS)])
def test_a_whole_answer_is_taken_after_a_quiet_that_began_before_the_detectors_silence(quiet_ms, silence_ms, ms):
    turn = TurnSoFar(silence_ms=silence_ms, quiet_ms=quiet_ms, length_ms=900, words="Yes.", asked=YES_NO)
    assert ENDPOINTING.silence_ms(turn) == ms


def test_what_tells_nothing_is_waited_for_by_the_detectors_silence():
    turn = TurnSoFar(silence_ms=300, quiet_ms=450, length_ms=900, words="Thursday.", asked=YES_NO)
    assert ENDPOINTING.silence_ms(turn) == PAUSE_MS


def test_a_turn_does_not_end_before_its_words_are_known_unless_they_never_come():
    assert enough_ms(None, silence_ms=UNRECOGNISED_MS - 1) is None
    assert enough_ms(None, silence_ms=UNRECOGNISED_MS) == UNRECOGNISED_MS


@pytest.mark.parametrize("words", ["and then I", None])
def test_a_long_turn_ends_at_any_pause_and_the_longest_without_one(words):
    if words is not None:
        assert enough_ms(words, length_ms=LONG_TURN_MS) == WHOLE_MS
    assert enough_ms(words, length_ms=LONGEST_TURN_MS, silence_ms=0) == 0


@pytest.mark.parametrize(("words", "ms"), [("Yes.", 300), ("Thursday.", 900), ("On, um", 2500), ("Okay, but", 2500)])
def test_a_question_has_its_own_patience(words, ms):
    patience = Patience(pause_ms=900, open_ms=2500)
    assert enough_ms(words, YES_NO, patience=patience) == ms


def test_who_wants_less_silence_than_a_whole_answer_gets_has_it():
    assert enough_ms("Yes.", YES_NO, patience=Patience(pause_ms=100)) == 100


def test_the_same_words_are_looked_at_once_however_long_the_silence_lasts():
    looked_at = []

    class Words(TurnPhrases):
        def is_hold_on(self, text):
            looked_at.append(text)
            return super().is_hold_on(text)

    endpointing = WordEndpointing(Words(language_of("en-US")))
    for words in ("Yes, I am", "Yes, I am coming"):
        found = {
            endpointing.silence_ms(TurnSoFar(silence_ms=ms, length_ms=1000 + ms, words=words))
            for ms in range(0, 480, 32)
        }
        assert found == {PAUSE_MS}
    assert looked_at == ["Yes, I am", "Yes, I am coming"]


@pytest.mark.parametrize(
    ("words", "asked", "told", "ms"),
    [
        ("Thursday.", YES_NO, TurnTold.ENDED, SURE_MS),
        ("Yes, and", YES_NO, TurnTold.ENDED, SURE_MS),       # it has heard how that was said
        ("Yes.", YES_NO, TurnTold.ENDED, SURE_MS),
        ("202 555", PHONE, TurnTold.ENDED, DIGITS_MS),       # it doesn't know how many were asked for
        ("Okay, hold on.", NOTHING, TurnTold.ENDED, HOLD_MS),
        ("Thursday.", YES_NO, TurnTold.OPEN, PATIENCE_MS),
        ("Yes.", YES_NO, TurnTold.OPEN, WHOLE_MS),           # an answer leaves nothing to wait for
        ("", YES_NO, TurnTold.OPEN, PAUSE_MS),
        ("Thursday.", YES_NO, TurnTold.LIKELY, PAUSE_MS),
    ],
)  # fmt: skip
def test_a_recognisers_own_word_on_the_turn_counts_where_the_words_leave_it_open(words, asked, told, ms):
    turn = TurnSoFar(silence_ms=200, length_ms=2000, words=words, asked=asked, told=told)
    assert ENDPOINTING.silence_ms(turn) == ms


def test_an_author_who_wants_more_patience_gets_it_from_every_recogniser():
    patient = Patience(pause_ms=1500)
    turn = TurnSoFar(silence_ms=200, length_ms=2000, words="Thursday.", patience=patient, told=TurnTold.ENDED)
    assert ENDPOINTING.silence_ms(turn) == 1500
