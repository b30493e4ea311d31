"""What the telephone network's own codes mean."""

import pytest

from outdial.telephony import sip
from outdial.telephony.failures import FailureCode
from outdial.telephony.state import EndReason


@pytest.mark.parametrize(
    ("code", "reason"), [("486", EndReason.BUSY), ("600", EndReason.BUSY), ("603", EndReason.DECLINED)]
)
def test_busy_and_declined_are_no_failures(code, reason):
    assert sip.end(code, "Carrier") == (reason, None)


@pytest.mark.parametrize("code", sip.FAILURES)
def test_a_failure_has_our_word_and_the_networks_code(code):
    reason, error = sip.end(code, "Carrier")
    assert (reason, error.code, error.carrier_code) == (EndReason.FAILED, sip.FAILURES[code][0], f"sip_{code}")


def test_a_code_that_is_not_listed_is_named():
    error = sip.failure("499", "Carrier")
    assert (error.code, error.carrier_code) == (FailureCode.NOT_CONNECTED, "sip_499")
    assert "SIP code 499" in error.message


@pytest.mark.parametrize("code", ["", "none", "4o4", "-404", "٤٠٤", "1" * 13])
def test_what_is_no_code_is_the_carriers_silence(code):
    error = sip.failure(code, "Carrier", "network_error")
    assert error.message == "The call could not be connected; Carrier gave no reason."
    assert (error.code, error.carrier_code) == (FailureCode.NOT_CONNECTED, "network_error")


@pytest.mark.parametrize("said", ["", "a sentence of words", "<b>", "x" * 41])
def test_what_a_carrier_says_is_kept_only_where_it_is_a_word(said):
    assert sip.failure("", "Carrier", said).carrier_code is None
