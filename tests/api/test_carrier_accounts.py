import pytest

from outdial.simulator.server import SimulatorConfig
from simulated_accounts import FIRST
from tenants import make_tenant

SIMULATED = SimulatorConfig()
SID, TOKEN = SIMULATED.account_sid, SIMULATED.auth_token
NUMBER = {"carrier": "twilio", "e164": FIRST, "name": "Sales", "credentials": {"account_sid": SID, "auth_token": TOKEN}}


@pytest.fixture
async def account(client):
    """Of a number that was just connected."""
    number = (await client.post("/v1/phone-numbers", json=NUMBER)).json()
    listed = (await client.get("/v1/carrier-accounts")).json()["carrier_accounts"]
    return next(each for each in listed if each["numbers"] == [{"id": number["id"], "e164": FIRST, "name": "Sales"}])


async def test_an_account_is_shown_with_its_numbers_and_never_its_credentials(client, account):
    url = f"/v1/carrier-accounts/{account['id']}"
    answer = await client.get(url)
    assert answer.json() == account
    assert (account["carrier"], account["account"], account["region"]) == ("twilio", SID, "us1")
    assert TOKEN not in answer.text


async def test_credentials_region_and_pace_are_changed(client, account):
    url = f"/v1/carrier-accounts/{account['id']}"
    changed = await client.patch(
        url, json={"credentials": {"next_auth_token": "next"}, "region": "ie1", "calls_per_second": 5}
    )
    assert changed.json() == account | {"region": "ie1", "calls_per_second": 5.0}
    assert "next" not in changed.text
    assert (await client.patch(url, json={"credentials": {"next_auth_token": None}})).json() == changed.json()
    assert (await client.patch(url, json={})).json() == changed.json()


async def test_what_makes_no_sense_is_422_with_the_field(client, account):
    wrong = {
        "credentials": {"credentials": "token"},
        "credentials.auth_token": {"credentials": {"auth_token": None}},
        "region": {"region": "mars"},
        "calls_per_second": {"calls_per_second": 0},
        "base_url": {"base_url": "http://127.0.0.1:1"},
    }
    for field, body in wrong.items():
        answer = await client.patch(f"/v1/carrier-accounts/{account['id']}", json=body)
        assert answer.status_code == 422, field
        assert [error["field"] for error in answer.json()["errors"]] == [field]
    for body in ({"region": None}, {"calls_per_second": "5"}, {"calls_per_second": True}, {"credentials": None}, []):
        answer = await client.patch(f"/v1/carrier-accounts/{account['id']}", json=body)
        assert answer.status_code == 422, body


async def test_what_the_carrier_refuses_is_not_kept(client, account, accounts_at_carriers):
    url = f"/v1/carrier-accounts/{account['id']}"
    wrong = await client.patch(url, json={"credentials": {"auth_token": "wrong"}, "calls_per_second": 9})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "credentials")
    accounts_at_carriers.down = True
    down = await client.patch(url, json={"credentials": {"auth_token": TOKEN}, "calls_per_second": 9})
    assert (down.status_code, down.json()["code"]) == (503, "carrier_unreachable")
    assert (await client.get(url)).json() == account


async def test_the_accounts_of_others_are_404(client, engine, account):
    other = await make_tenant(engine)
    for method in ("GET", "PATCH"):
        for account_id in (account["id"], "acct_none"):
            url = f"/v1/carrier-accounts/{account_id}"
            answer = await client.request(method, url, json={}, headers={"Authorization": other.key})
            assert (answer.status_code, answer.json()["code"]) == (404, "carrier_account_not_found")


async def test_a_number_is_connected_in_a_region_by_name(client):
    wrong = await client.post("/v1/phone-numbers", json=NUMBER | {"region": "mars"})
    assert wrong.status_code == 422
    assert wrong.json()["errors"] == [
        {
            "field": "region",
            "message": "is not a region of Twilio; it has: us1 (United States), ie1 (Ireland), au1 (Australia)",
        }
    ]
    asked = {name: NUMBER[name] for name in ("carrier", "e164", "credentials")} | {"region": "ie1"}
    assert (await client.post("/v1/phone-numbers/check", json=asked)).json()["problems"] == []
    assert (await client.post("/v1/phone-numbers", json=NUMBER | {"region": "ie1"})).status_code == 201
    listed = (await client.get("/v1/carrier-accounts")).json()["carrier_accounts"]
    assert {each["region"] for each in listed if each["account"] == SID} == {"ie1"}
