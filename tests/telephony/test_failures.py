"""The words of failures. How carriers' codes become them: tests/carriers/test_failures.py."""

import pytest

from outdial.telephony.failures import CallError, FailureCode


@pytest.mark.parametrize("code", list(FailureCode))
def test_every_word_is_told_apart_and_says_what_it_means(code):
    assert code == code.value == str(code)
    assert code.meaning.endswith(".")
    assert FailureCode(code.value) is code


def test_no_two_words_mean_the_same():
    assert len({code.meaning for code in FailureCode}) == len(FailureCode)


@pytest.mark.parametrize("carrier_code", [None, "sip_404"])
def test_an_error_is_stored_and_read(carrier_code):
    error = CallError(code=FailureCode.NO_ROUTE, message="No route.", carrier_code=carrier_code)
    assert CallError.from_json(error.to_json()) == error


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        ({"code": "no_route", "message": "No route."}, (FailureCode.NO_ROUTE, "No route.", None)),
        ({"code": "foam", "message": "Foam.", "carrier_code": "7"}, (FailureCode.NOT_CONNECTED, "Foam.", "7")),
        ({"code": "no_funds"}, (FailureCode.NO_FUNDS, FailureCode.NO_FUNDS.meaning, None)),
        ({}, (FailureCode.NOT_CONNECTED, FailureCode.NOT_CONNECTED.meaning, None)),
    ],
)
def test_an_error_of_another_version_is_read(stored, read):
    error = CallError.from_json(stored)
    assert (error.code, error.message, error.carrier_code) == read
