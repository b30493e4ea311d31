"""The numbers that credentials list, on accounts of all carriers in the simulator."""

from dataclasses import replace
from typing import Any

import pytest

from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS
from outdial.numbers.new_number import GivenAccount
from outdial.numbers.owned import owned_numbers
from outdial.refusals import Invalid, Unavailable
from simulated_accounts import FIRST, SECOND, VERIFIED, SimulatedAccounts

MANY = [f"+1555777{place:04}" for place in range(150)]
KINDS = tuple(CARRIERS)


@pytest.fixture
def accounts() -> SimulatedAccounts:
    return SimulatedAccounts(*MANY)


@pytest.fixture
def owned(connector, accounts, workspace_id):
    async def owned(carrier: CarrierName, search: str = "", **changes: Any) -> Any:
        given = GivenAccount(carrier=carrier, credentials=accounts.credentials[carrier])
        return await owned_numbers(connector, workspace_id, replace(given, **changes), search)

    return owned


def listed(found) -> list[str]:
    return [each["e164"] for each in found["numbers"]]


@pytest.mark.parametrize("carrier", KINDS)
async def test_an_account_with_many_numbers_lists_the_first_and_says_that_there_are_more(owned, accounts, carrier):
    found = await owned(carrier)
    assert listed(found) == [FIRST, SECOND, *MANY[:98]]
    assert found["more"]
    assert {each["can_call"] for each in found["numbers"]} == {True}
    assert VERIFIED not in listed(found)  # it could never be answered
    assert accounts.opened == accounts.closed


@pytest.mark.parametrize("carrier", KINDS)
@pytest.mark.parametrize("search", ["7770149", "+1 (555) 777-0149"])
async def test_the_others_are_found_by_some_of_their_digits(owned, carrier, search):
    found = await owned(carrier, search)
    assert (listed(found), found["more"]) == ([MANY[149]], False)
    assert listed(await owned(carrier, "99999")) == []


@pytest.mark.parametrize("carrier", KINDS)
async def test_a_search_by_two_digits_lists_nothing_that_has_not_both(owned, carrier):
    found = listed(await owned(carrier, "09"))
    assert FIRST in found
    assert all("09" in e164 for e164 in found)


@pytest.mark.parametrize("carrier", KINDS)
async def test_what_is_connected_here_already_is_said_and_another_workspace_s_is_not(owned, connect, engine, carrier):
    await connect(carrier, SECOND)
    found = await owned(carrier, SECOND)
    assert found["numbers"] == [{"e164": SECOND, "name": None, "can_call": True, "connected": True}]
    assert not (await owned(carrier, FIRST))["numbers"][0]["connected"]


@pytest.mark.parametrize("carrier", KINDS)
async def test_wrong_credentials_and_a_carrier_out_of_reach_are_told_apart(owned, accounts, carrier):
    secret = {"twilio": "auth_token", "vonage": "api_secret", "telnyx": "api_key"}[carrier]
    with pytest.raises(Invalid) as refused:
        await owned(carrier, credentials=accounts.credentials[carrier] | {secret: "wrong"})
    assert refused.value.field == "credentials"
    accounts.down = True
    with pytest.raises(Unavailable):
        await owned(carrier)
