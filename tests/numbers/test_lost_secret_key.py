"""A secret key is lost: what docs/running.md says to do then, at all three carriers, in the simulator."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from outdial.accounts.changes import AccountChanges
from outdial.accounts.secret_key import check_secret_key, forget_secret_key
from outdial.accounts.views import list_accounts
from outdial.carriers.registry import CARRIERS as KINDS
from outdial.db.tables import carrier_accounts
from outdial.numbers.reconnecting import change_account
from outdial.refusals import Invalid, Unavailable
from outdial.simulator.server import create_app
from outdial.workspaces.audit import COMMAND_LINE
from outdial.workspaces.secrets import SecretBox, WrongSecretKey
from simulated_accounts import FIRST, SECOND, URL

CARRIERS = tuple(KINDS)
TWILIO, VONAGE, TELNYX = CARRIERS
NEW_KEY = SecretBox("the next server's key")
RECIPE = Path(__file__).parents[2] / "docs" / "running.md"


@pytest.fixture
def lost(engine, connector):
    """The key is lost, forgotten and another one's server has started. What numbers are connected with from then on."""

    async def lose():
        await check_secret_key(engine, connector.secret_box)
        await forget_secret_key(engine)
        await check_secret_key(engine, NEW_KEY)
        return replace(connector, secret_box=NEW_KEY)

    return lose


@pytest.fixture
def stored(engine):
    async def read():
        async with engine.connect() as conn:
            row = (await conn.execute(select(carrier_accounts))).one()
        return NEW_KEY.decrypt(row.credentials)

    return read


async def change(there, workspace_id, **changes):
    async with there.engine.connect() as conn:
        (account,) = await list_accounts(conn, workspace_id)
    return await change_account(there, workspace_id, account["id"], AccountChanges(**changes), by=COMMAND_LINE)


def names_in_the_recipe(carrier):
    """The credentials that the documented command for a carrier gives."""
    (command,) = (
        line for line in RECIPE.read_text().splitlines()
        if line.startswith("outdial accounts change acct_…") and f"@{carrier.upper()}_" in line
    )  # fmt: skip
    return re.findall(r"-c (\w+)=@", command)


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_the_documented_recipe_brings_an_account_back(
    connect, lost, stored, accounts, connector, engine, workspace_id, carrier
):
    applications = [set(its.applications) for its in (accounts.app.vonage, accounts.app.telnyx)]
    first, second = await connect(carrier), await connect(carrier, SECOND)
    async with engine.connect() as conn:
        sealed = await conn.scalar(select(carrier_accounts.c.credentials))
    before = connector.secret_box.decrypt(sealed)
    there = await lost()
    given = {name: accounts.credentials[carrier][name] for name in names_in_the_recipe(carrier)}
    account = await change(there, workspace_id, credentials=given)
    assert [number["e164"] for number in account["numbers"]] == [FIRST, SECOND]
    now = await stored()
    assert now.keys() == before.keys(), "what connecting makes is there again: without it no call can be placed"
    inbound_url = f"{URL}/callbacks/{carrier}/accounts/{account['id']}/inbound"
    for number in (FIRST, SECOND):
        assert await accounts.answered_by(carrier, number, now) == inbound_url
    assert await change(there, workspace_id, credentials=given) == account
    for number in (first, second):
        assert (await there.remove(workspace_id, number["id"], by=COMMAND_LINE))["carrier"] == "restored"
    left = [set(its.applications) for its in (accounts.app.vonage, accounts.app.telnyx)]
    assert left == applications, "what was made before the key was lost is gone, too"


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_what_is_missing_is_said_and_the_pace_needs_nothing(connect, lost, workspace_id, carrier):
    await connect(carrier)
    there = await lost()
    for changes in ({"credentials": {KINDS[carrier].credential_fields[-1].name: "x"}}, {"region": "mars"}):
        with pytest.raises(Invalid):
            await change(there, workspace_id, **changes)
    with pytest.raises(Invalid) as refused:
        await change(there, workspace_id, region=KINDS[carrier].regions[1].name)
    assert "api_secret and signature_secret" in refused.value.message or carrier != VONAGE
    assert (await change(there, workspace_id, calls_per_second=2))["calls_per_second"] == 2


async def test_a_second_number_waits_for_the_credentials(connect, connector, lost, new_number, accounts, workspace_id):
    await connect(VONAGE)
    there = await lost()
    for way in (there.check(workspace_id, new_number(VONAGE, SECOND)),
                there.connect(workspace_id, new_number(VONAGE, SECOND), by=COMMAND_LINE)):  # fmt: skip
        with pytest.raises(WrongSecretKey, match="outdial accounts change"):
            await way
    await change(there, workspace_id, credentials=accounts.credentials[VONAGE])
    assert await there.connect(workspace_id, new_number(VONAGE, SECOND), by=COMMAND_LINE)


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_number_is_removed_though_its_carrier_cannot_be_told(
    connect, lost, accounts, engine, workspace_id, carrier, caplog
):
    number = await connect(carrier)
    there = await lost()
    asked = accounts.opened
    removed = await there.remove(workspace_id, number["id"], by=COMMAND_LINE)
    assert (removed["carrier"], accounts.opened) == ("left", asked)
    assert f"{KINDS[carrier].label} wasn't told" in removed["message"]
    assert "Number left connected: its account is unreadable" in caplog.messages
    async with engine.connect() as conn:
        assert await list_accounts(conn, workspace_id) == []


async def test_while_the_carrier_is_out_of_reach_nothing_changes(connect, lost, accounts, workspace_id, stored):
    await connect(VONAGE)
    there = await lost()
    accounts.down = True
    with pytest.raises(Unavailable):
        await change(there, workspace_id, credentials=accounts.credentials[VONAGE])
    accounts.down = False
    await change(there, workspace_id, credentials=accounts.credentials[VONAGE])
    assert "private_key" in await stored()


async def test_a_region_can_be_left_without_the_credentials_there(connect, lost, accounts, workspace_id, caplog):
    accounts.regions["https://api.dublin.ie1.twilio.com"] = ireland = create_app(accounts.simulated)
    await connect(TWILIO)
    there = await lost()
    url = accounts.app.account.number_at(FIRST).voice_url
    changed = await change(there, workspace_id, credentials=accounts.credentials[TWILIO], region="ie1")
    assert (changed["region"], ireland.account.number_at(FIRST).voice_url) == ("ie1", url)
    assert "Region left as it is: its credentials are unreadable" in caplog.messages


async def test_of_numbers_one_that_is_used_otherwise_by_now_is_left_alone(
    connect, lost, accounts, workspace_id, stored, caplog
):
    await connect(VONAGE)
    await connect(VONAGE, SECOND)
    there = await lost()
    taken = next(each for each in accounts.app.vonage.numbers.values() if each.msisdn == FIRST.removeprefix("+"))
    taken.app_id = "somebody else's"
    await change(there, workspace_id, credentials=accounts.credentials[VONAGE])
    assert taken.app_id == "somebody else's"
    assert "Number not connected anew" in caplog.messages
    assert "private_key" in await stored()
