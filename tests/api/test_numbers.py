import pytest
from sqlalchemy import func, select, text

from outdial.db.tables import carrier_accounts
from outdial.simulator.server import SimulatorConfig
from secret_box import BOX
from simulated_accounts import FIRST, SECOND
from tenants import make_tenant

SIMULATED = SimulatorConfig()
SID = SIMULATED.account_sid
TWILIO = {"account_sid": SID, "auth_token": SIMULATED.auth_token}


def new_number(**changes):
    return {"carrier": "twilio", "e164": FIRST, "name": "Sales", "credentials": TWILIO} | changes


@pytest.fixture
def accounts(engine):
    async def rows():
        async with engine.connect() as conn:
            query = select(carrier_accounts).where(carrier_accounts.c.account_ref == SID)
            return (await conn.execute(query)).all()

    return rows


async def test_a_number_is_connected_and_never_gives_its_credentials_back(client, tenant, accounts, services):
    answer = await client.post("/v1/phone-numbers", json=new_number(agent_id=tenant.agent_id))
    assert answer.status_code == 201, answer.text
    number = answer.json()
    assert number == {
        "id": number["id"],
        "e164": FIRST,
        "name": "Sales",
        "carrier": "twilio",
        "account": SID,
        "direction": "both",
        "agent": {"id": tenant.agent_id, "name": "Reminder", "version": "published"},
        "outbound_url": f"https://voice.example/v1/phone-number/{number['id']}/outbound",
        "pause": None,
        "created_at": number["created_at"],
    }
    assert (await client.get(f"/v1/phone-numbers/{number['id']}")).json() == number
    listed = await client.get("/v1/phone-numbers")
    assert number in listed.json()["numbers"]
    assert TWILIO["auth_token"] not in answer.text + listed.text
    (account,) = await accounts()
    assert TWILIO["auth_token"].encode() not in account.credentials
    assert services.secret_box.decrypt(account.credentials) == TWILIO
    called = await client.post(number["outbound_url"], json={"to": "+15551234567"})
    assert called.status_code == 200


async def test_numbers_of_one_account_share_it_and_the_newest_credentials_count(client, accounts, services):
    rotated = TWILIO | {"next_auth_token": "next"}
    await client.post("/v1/phone-numbers", json=new_number())
    await client.post("/v1/phone-numbers", json=new_number(e164=SECOND, credentials=rotated))
    (account,) = await accounts()
    assert services.secret_box.decrypt(account.credentials) == rotated


async def test_a_number_can_be_connected_once(client):
    assert (await client.post("/v1/phone-numbers", json=new_number())).status_code == 201
    answer = await client.post("/v1/phone-numbers", json=new_number())
    assert (answer.status_code, answer.json()["code"]) == (409, "number_exists")


async def test_a_wrong_field_is_named(client, engine):
    other = await make_tenant(engine)
    wrong = {
        "carrier": new_number(carrier="pigeon"),
        "e164": new_number(e164="555"),
        "name": new_number(name="two\nlines"),
        "credentials.auth_token": new_number(credentials={"account_sid": SID}),
        "credentials.password": new_number(credentials=TWILIO | {"password": "x"}),
        "credentials.account_sid": new_number(credentials=TWILIO | {"account_sid": ""}),
        "credentials": new_number(credentials="token"),
        "agent_id": new_number(agent_id=other.agent_id),
        "agent_version": new_number(agent_version="3"),
        "direction": new_number(direction="outbound"),
        "base_url": new_number(base_url="http://127.0.0.1:1"),
        "configure_carrier": new_number(configure_carrier="no"),
    }
    for field, body in wrong.items():
        answer = await client.post("/v1/phone-numbers", json=body)
        assert answer.status_code == 422, field
        assert [error["field"] for error in answer.json()["errors"]] == [field]
        assert TWILIO["auth_token"] not in answer.text


@pytest.mark.parametrize("carrier", ["vonage", "telnyx"])
async def test_every_carrier_wants_its_own_credentials(client, carrier):
    answer = await client.post("/v1/phone-numbers", json=new_number(carrier=carrier))
    assert answer.status_code == 422
    error = answer.json()["errors"][0]
    assert error["field"] == "credentials.account_sid"
    assert "api_key" in error["message"]


async def test_a_check_tells_what_connecting_would_change(client):
    asked = {name: new_number()[name] for name in ("carrier", "e164", "credentials")}
    check = (await client.post("/v1/phone-numbers/check", json=asked)).json()
    assert check | {"changes": []} == {
        "carrier": "twilio",
        "e164": FIRST,
        "answered_by": "nothing",
        "changes": [],
        "problems": [],
    }
    assert "https://voice.example/callbacks/twilio/accounts/" in " ".join(check["changes"])
    await client.post("/v1/phone-numbers", json=new_number())
    again = (await client.post("/v1/phone-numbers/check", json=asked)).json()
    assert [problem["code"] for problem in again["problems"]] == ["number_exists"]


async def test_the_numbers_of_an_account_are_listed_to_choose_from(client):
    asked = {name: new_number()[name] for name in ("carrier", "credentials")}
    await client.post("/v1/phone-numbers", json=new_number())
    found = (await client.post("/v1/phone-numbers/owned", json=asked)).json()
    assert [(each["e164"], each["connected"]) for each in found["numbers"]] == [(FIRST, True), (SECOND, False)]
    assert not found["more"]
    searched = await client.post("/v1/phone-numbers/owned", json=asked | {"search": SECOND[-4:]})
    assert [each["e164"] for each in searched.json()["numbers"]] == [SECOND]
    wrong = await client.post("/v1/phone-numbers/owned", json=asked | {"credentials": TWILIO | {"auth_token": "wrong"}})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "credentials")


async def test_what_the_carrier_refuses_is_a_problem_with_what_to_do(client, accounts_at_carriers):
    wrong = await client.post("/v1/phone-numbers", json=new_number(credentials=TWILIO | {"auth_token": "wrong"}))
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "credentials")
    strange = await client.post("/v1/phone-numbers", json=new_number(e164="+15559999999"))
    assert (strange.status_code, strange.json()["code"]) == (409, "number_not_owned")
    accounts_at_carriers.down = True
    for path in ("/v1/phone-numbers", "/v1/phone-numbers/check"):
        body = {name: new_number()[name] for name in ("carrier", "e164", "credentials")}
        down = await client.post(path, json=body)
        assert (down.status_code, down.json()["code"]) == (503, "carrier_unreachable")
        assert down.headers["retry-after"] == "5"
    assert (await client.get("/v1/phone-numbers")).json()["numbers"][1:] == []


async def test_only_what_is_sent_is_changed(client, tenant):
    url = f"/v1/phone-numbers/{tenant.number_id}"
    before = (await client.get(url)).json()
    assert (await client.patch(url, json={})).json() == before
    after = (await client.patch(url, json={"name": "Night", "direction": "inbound", "agent_version": "draft"})).json()
    agent = before["agent"] | {"version": "draft"}
    assert after == before | {"name": "Night", "direction": "inbound", "outbound_url": None, "agent": agent}
    assert (await client.patch(url, json={"agent_id": None})).json()["agent"] is None


async def test_a_change_that_makes_no_sense_is_422(client, tenant):
    for change in ({"name": None}, {"name": ""}, {"direction": None}, {"agent_id": "\0"}, {"e164": "+15550000000"}, []):
        answer = await client.patch(f"/v1/phone-numbers/{tenant.number_id}", json=change)
        assert answer.status_code == 422, change


async def test_a_removed_number_is_gone_and_the_last_one_takes_its_account_along(client, accounts):
    first = (await client.post("/v1/phone-numbers", json=new_number())).json()["id"]
    second = (await client.post("/v1/phone-numbers", json=new_number(e164=SECOND))).json()["id"]
    removed = await client.delete(f"/v1/phone-numbers/{first}")
    assert (removed.status_code, removed.json()) == (200, {"id": first, "carrier": "restored", "message": None})
    assert len(await accounts()) == 1
    assert (await client.delete(f"/v1/phone-numbers/{second}")).status_code == 200
    assert await accounts() == []
    assert (await client.delete(f"/v1/phone-numbers/{second}")).status_code == 404


async def test_a_number_with_open_calls_stays_and_past_calls_outlive_it(client, engine, tenant):
    url = f"/v1/phone-numbers/{tenant.number_id}"
    placed = await client.post(f"/v1/phone-number/{tenant.number_id}/outbound", json={"to": "+15551234567"})
    assert (await client.delete(url)).json()["code"] == "number_in_use"
    await client.post(f"/v1/calls/{placed.json()['call_id']}/hang-up")
    assert (await client.delete(url)).json()["carrier"] == "untouched"
    assert (await client.get(placed.json()["status_url"])).json()["number_id"] is None


async def test_the_numbers_of_others_are_404(client, engine):
    other = await make_tenant(engine)
    url = f"/v1/phone-numbers/{other.number_id}"
    assert (await client.get(url)).status_code == 404
    assert (await client.patch(url, json={"name": "Mine"})).status_code == 404
    assert (await client.delete(url)).status_code == 404
    async with engine.connect() as conn:
        assert await conn.scalar(select(func.count()).select_from(text("numbers"))) == 2


def test_the_box_of_another_key_can_t_read_them(services):
    sealed = services.secret_box.encrypt(TWILIO)
    assert BOX.decrypt(sealed) == TWILIO
