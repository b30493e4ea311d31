"""What to do next is told for every word."""

import pytest

from outdial.telephony.advice import AFTER_END, AFTER_FAILURE, advice
from outdial.telephony.failures import FailureCode
from outdial.telephony.state import EndReason


def test_there_is_something_to_do_about_every_failure_and_every_end():
    assert AFTER_FAILURE.keys() == set(FailureCode)
    assert AFTER_END.keys() == set(EndReason) - {EndReason.COMPLETED}


@pytest.mark.parametrize("sentence", [*AFTER_FAILURE.values(), *AFTER_END.values()])
def test_it_is_a_sentence(sentence: str):
    assert sentence[0].isupper() or sentence.startswith("outdial")
    assert sentence.endswith(".")
    assert len(sentence) <= 100


@pytest.mark.parametrize(
    ("end_reason", "code", "told"),
    [
        ("failed", "no_funds", AFTER_FAILURE[FailureCode.NO_FUNDS]),
        ("canceled", "do_not_call", AFTER_FAILURE[FailureCode.DO_NOT_CALL]),
        ("busy", None, AFTER_END[EndReason.BUSY]),
        ("failed", "a_word_of_tomorrow", AFTER_END[EndReason.FAILED]),
        ("completed", None, None),
        ("an_end_of_tomorrow", None, None),
        (None, None, None),
    ],
)
def test_the_error_says_more_than_the_end(end_reason: str | None, code: str | None, told: str | None):
    assert advice(end_reason, code, None) == told


@pytest.mark.parametrize(
    ("end_reason", "code", "told"),
    [
        ("failed", "audio_lost", AFTER_FAILURE[FailureCode.DO_NOT_CALL]),
        ("machine", None, AFTER_FAILURE[FailureCode.DO_NOT_CALL]),
        ("completed", None, None),
    ],
)
def test_nobody_is_told_to_call_again_who_asked_for_no_more_calls(end_reason: str, code: str | None, told: str | None):
    assert advice(end_reason, code, "do_not_call") == told
