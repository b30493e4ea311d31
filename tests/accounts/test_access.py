"""A carrier account asked on a user's behalf. With accounts that are connected: tests/numbers/test_connecting.py."""

import pytest

from outdial.accounts.access import account_url, callback_urls, check_place, opened, refusals, require_public_url
from outdial.carriers.errors import CarrierRefused, CarrierThrottled, CarrierUncertain, CarrierUnreachable
from outdial.carriers.name import CarrierName
from outdial.refusals import Conflict, Invalid, Unavailable
from outdial.telephony.failures import FailureCode
from simulated_accounts import SimulatedAccounts

TWILIO = CarrierName("twilio")
REFUSED = CarrierRefused(FailureCode.NO_FUNDS, "The account is out of money.")


def told(error, **about):
    with refusals(TWILIO, **about):
        raise error


def test_a_carriers_no_is_about_a_field_or_about_how_things_are():
    with pytest.raises(Invalid) as invalid:
        told(REFUSED, field="credentials")
    assert (invalid.value.field, invalid.value.message) == ("credentials", "The account is out of money.")
    with pytest.raises(Conflict) as conflict:
        told(REFUSED)
    assert conflict.value.code == "no_funds"


@pytest.mark.parametrize(
    ("error", "retry_after_s"),
    [
        (CarrierUnreachable(FailureCode.CARRIER_UNREACHABLE, "It is away."), 5),
        (CarrierUncertain(FailureCode.CARRIER_NO_REPLY, "It is away."), 5),
        (CarrierThrottled(FailureCode.THROTTLED, "It is away.", retry_after_s=2.1), 3),
        (CarrierThrottled(FailureCode.THROTTLED, "It is away.", retry_after_s=0.0), 1),
    ],
)
def test_a_carrier_that_can_not_be_asked_now_may_be_asked_later(error, retry_after_s):
    with pytest.raises(Unavailable) as unavailable:
        told(error)
    assert unavailable.value.retry_after_s == retry_after_s
    assert unavailable.value.message == "Twilio can't be asked now: It is away."


async def test_an_account_is_opened_when_its_credentials_are_right_and_closed_in_any_case():
    accounts = SimulatedAccounts()
    good = accounts.credentials[TWILIO]
    async with opened(accounts.open, TWILIO, good, "http://simulator"):
        assert (accounts.opened, accounts.closed) == (1, 0)
    assert accounts.closed == 1
    with pytest.raises(Invalid) as refused:
        async with opened(accounts.open, TWILIO, good | {"auth_token": "wrong"}, "http://simulator"):
            pass
    assert refused.value.field == "credentials"
    assert (accounts.opened, accounts.closed) == (2, 2)


@pytest.mark.parametrize(
    ("region", "base_url", "field"),
    [
        ("mars", None, "region"),
        ("ie1", "https://carrier.example", "region"),
        (None, "ftp://carrier.example", "base_url"),
    ],
)
def test_a_place_that_is_none(region, base_url, field):
    with pytest.raises(Invalid) as refused:
        check_place(TWILIO, region, base_url)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("region", "base_url", "kept"),
    [(None, None, None), ("ie1", None, None), (None, "https://carrier.example/", "https://carrier.example")],
)
def test_a_place_as_it_is_kept(region, base_url, kept):
    assert check_place(TWILIO, region, base_url) == kept


@pytest.mark.parametrize(
    ("public_url", "base_url", "reached"),
    [
        ("https://voice.example", None, True),
        ("http://voice.example", None, False),
        ("http://127.0.0.1:8080", "http://127.0.0.1:9999", True),   # a simulator on this machine
        ("http://127.0.0.1:8080", "https://carrier.example", False),
    ],
)
def test_carriers_must_be_able_to_call_us(public_url, base_url, reached):
    if reached:
        require_public_url(public_url, base_url)
        return
    with pytest.raises(Conflict) as refused:
        require_public_url(public_url, base_url)
    assert refused.value.code == "no_public_url"


def test_where_an_accounts_callbacks_go():
    url = "https://voice.example/callbacks/twilio/accounts/acct_1"
    assert account_url("https://voice.example", TWILIO, "acct_1") == url
    urls = callback_urls("https://voice.example", TWILIO, "acct_1")
    assert urls == {"inbound_url": f"{url}/inbound", "callback_url": url}
