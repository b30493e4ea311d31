"""Changing carrier accounts: credentials, regions, pace; at all three carriers, in the simulator."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select, update

from outdial.accounts.changes import AccountChanges
from outdial.accounts.views import get_account, list_accounts
from outdial.carriers.registry import CARRIERS as KINDS
from outdial.db.tables import attempts, calls, carrier_accounts
from outdial.lines.workspace_pools import create_workspace
from outdial.numbers.reconnecting import change_account
from outdial.refusals import Conflict, Invalid, NotFound, Unavailable
from outdial.simulator.server import create_app
from outdial.workspaces.audit import COMMAND_LINE
from simulated_accounts import FIRST, SECOND

CARRIERS = tuple(KINDS)
TWILIO, VONAGE, TELNYX = CARRIERS
SECRET = {TWILIO: "auth_token", VONAGE: "api_secret", TELNYX: "api_key"}


@pytest.fixture
def account(engine):
    """The one account, as stored."""

    async def read():
        async with engine.connect() as conn:
            return (await conn.execute(select(carrier_accounts))).one()

    return read


@pytest.fixture
def change(connector, workspace_id, account):
    async def change(**changes):
        account_id = (await account()).id
        return await change_account(
            connector, workspace_id, account_id, AccountChanges(**changes), by=COMMAND_LINE
        )

    return change


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_an_account_is_listed_with_its_numbers_and_without_its_secrets(
    connect, accounts, engine, workspace_id, carrier
):
    number = await connect(carrier, name="Front desk")
    async with engine.connect() as conn:
        (listed,) = await list_accounts(conn, workspace_id)
        assert await get_account(conn, workspace_id, listed["id"]) == listed
    kind = KINDS[carrier]
    assert listed == {
        "id": listed["id"],
        "carrier": carrier,
        "account": kind.account_ref(accounts.credentials[carrier]),
        "region": kind.regions[0].name,
        "base_url": None,
        "calls_per_second": kind.default_calls_per_second,
        "numbers": [{"id": number["id"], "e164": FIRST, "name": "Front desk"}],
        "created_at": listed["created_at"],
    }
    assert accounts.credentials[carrier][SECRET[carrier]] not in str(listed)


async def test_the_accounts_of_other_workspaces_are_not_there(connect, connector, account, engine):
    await connect(TWILIO)
    other = (await create_workspace(engine, name="Other", lines=1))["id"]
    async with engine.connect() as conn:
        assert await list_accounts(conn, other) == []
    for account_id in ((await account()).id, "acct_none", "\0"):
        with pytest.raises(NotFound):
            await change_account(connector, other, account_id, AccountChanges(calls_per_second=2), by=COMMAND_LINE)


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_new_secrets_are_kept_once_the_carrier_takes_them(connect, change, account, accounts, connector, carrier):
    await connect(carrier)
    before = connector.secret_box.decrypt((await account()).credentials)
    with pytest.raises(Invalid) as refused:
        await change(credentials={SECRET[carrier]: "wrong"})
    assert refused.value.field == "credentials"
    assert connector.secret_box.decrypt((await account()).credentials) == before
    right = accounts.credentials[carrier][SECRET[carrier]]
    async with connector.engine.begin() as conn:  # as if it had been another one until now
        old = connector.secret_box.encrypt(before | {SECRET[carrier]: "old"})
        await conn.execute(update(carrier_accounts).values(credentials=old))
    await change(credentials={SECRET[carrier]: right})
    assert connector.secret_box.decrypt((await account()).credentials) == before, "what was made on the way stays"
    assert accounts.opened == accounts.closed


async def test_an_optional_credential_comes_and_goes(connect, change, account, connector, accounts):
    await connect(TWILIO)
    await change(credentials={"next_auth_token": "next"})
    assert connector.secret_box.decrypt((await account()).credentials)["next_auth_token"] == "next"
    await change(credentials={"next_auth_token": None})
    assert connector.secret_box.decrypt((await account()).credentials) == accounts.credentials[TWILIO]


async def test_what_was_chosen_for_an_account_stays_until_it_is_changed(connect, change, account, connector):
    def detection(row) -> str | None:
        return connector.secret_box.decrypt(row.credentials).get("detection")

    await connect(TELNYX)
    assert detection(await account()) is None
    with pytest.raises(Invalid) as refused:
        await change(credentials={"detection": "plain"})
    assert refused.value.field == "credentials.detection"
    assert "premium or standard" in refused.value.message
    await change(credentials={"detection": "standard"})
    await connect(TELNYX, SECOND)  # nothing is said of it
    assert detection(await account()) == "standard"
    await change(credentials={"detection": None})
    assert detection(await account()) is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"credentials": {"auth_token": None}}, "credentials.auth_token"),
        ({"credentials": {"auth_token": ""}}, "credentials.auth_token"),
        ({"credentials": {"password": "x"}}, "credentials.password"),
        ({"region": "mars"}, "region"),
        ({"region": "ie1", "base_url": "http://127.0.0.1:1"}, "region"),
        ({"base_url": "simulator"}, "base_url"),
        ({"calls_per_second": 0}, "calls_per_second"),
        ({"calls_per_second": float("nan")}, "calls_per_second"),
    ],
)
async def test_a_change_that_makes_no_sense_names_its_field(connect, change, accounts, changes, field):
    await connect(TWILIO)
    asked = accounts.opened
    with pytest.raises(Invalid) as refused:
        await change(**changes)
    assert refused.value.field == field
    assert accounts.opened == asked, "the carrier isn't asked"


async def test_nothing_changes_while_the_carrier_cannot_be_asked(connect, change, account, accounts):
    await connect(TWILIO)
    before = await account()
    accounts.down = True
    with pytest.raises(Unavailable):
        await change(credentials={"auth_token": "x"}, calls_per_second=9)
    assert await account() == before
    await change(calls_per_second=9)  # of which the carrier knows nothing
    assert (await account()).calls_per_second == 9


async def test_credentials_of_an_account_that_has_not_the_numbers_are_refused(connect, change, account, accounts):
    await connect(TELNYX)
    await connect(TELNYX, SECOND, configure_carrier=False)
    before = await account()
    telnyx = accounts.app.telnyx
    del telnyx.numbers[telnyx.number_at(SECOND).id]
    with pytest.raises(Conflict, match="number_not_owned"):
        await change(credentials={"public_key": b64encode(bytes(32)).decode()})
    assert await account() == before


async def test_a_new_pace_holds_at_once(connect, change, account, engine):
    await connect(TWILIO)
    async with engine.begin() as conn:
        later = datetime.now(UTC) + timedelta(seconds=90)  # as slow as it was
        await conn.execute(update(carrier_accounts).values(next_dial_at=later))
    changed = await change(calls_per_second=4)
    assert changed["calls_per_second"] == 4
    assert (await account()).next_dial_at <= datetime.now(UTC) + timedelta(seconds=0.25)


@pytest.fixture
def ireland(accounts):
    accounts.regions["https://api.dublin.ie1.twilio.com"] = create_app(accounts.simulated)
    return accounts.regions["https://api.dublin.ie1.twilio.com"]


async def test_numbers_move_along_to_another_region_of_twilios_and_home_again(
    connect, change, connector, accounts, ireland, workspace_id
):
    number = await connect(TWILIO)
    await connect(TWILIO, SECOND, configure_carrier=False)
    home, there = (app.account.number_at(FIRST) for app in (accounts.app, ireland))
    there.voice_url = "https://other.example/answer"
    url = home.voice_url
    changed = await change(region="ie1")
    assert (changed["region"], changed["base_url"]) == ("ie1", None)
    assert (home.voice_url, there.voice_url) == ("", url)
    assert ireland.account.number_at(SECOND).voice_url == ""
    removed = await connector.remove(workspace_id, number["id"], by=COMMAND_LINE)
    assert (removed["carrier"], there.voice_url) == ("restored", "https://other.example/answer")


async def test_a_region_where_a_number_is_in_use_is_refused(connect, change, account, accounts, ireland):
    await connect(TWILIO)
    await connect(TWILIO, SECOND)
    before, url = await account(), accounts.app.account.number_at(FIRST).voice_url
    ireland.account.number_at(SECOND).trunk_sid = "TK1"
    with pytest.raises(Conflict, match="number_in_use"):
        await change(region="ie1")
    assert await account() == before
    assert accounts.app.account.number_at(FIRST).voice_url == url
    assert ireland.account.number_at(FIRST).voice_url == ""


@pytest.mark.parametrize("carrier", [VONAGE, TELNYX])
async def test_where_regions_share_the_numbers_they_stay_connected(
    connect, change, connector, accounts, workspace_id, carrier
):
    number = await connect(carrier)
    assert (await change(region="eu"))["region"] == "eu"
    assert (await connector.remove(workspace_id, number["id"], by=COMMAND_LINE))["carrier"] == "restored"
    applications = {VONAGE: accounts.app.vonage, TELNYX: accounts.app.telnyx}[carrier].applications
    assert len(applications) == 1, "what was made on the way is gone"


async def test_no_region_is_left_while_calls_are_running_in_it(connect, change, account, engine, workspace_id, ireland):
    await connect(TWILIO)
    async with engine.begin() as conn:
        call = {"id": "call_1", "workspace_id": workspace_id, "direction": "outbound", "state": "in_progress"}
        call |= {"from_": FIRST, "to": SECOND, "ring_timeout_s": 30, "max_duration_s": 60}
        await conn.execute(insert(calls).values(call))
        attempt = {"id": "att_1", "call_id": "call_1", "number": 1, "carrier": "twilio", "state": "in_progress"}
        attempt |= {"carrier_account_id": (await account()).id, "stream_token_hash": b""}
        await conn.execute(insert(attempts).values(attempt))
    with pytest.raises(Conflict, match="account_in_use"):
        await change(region="ie1")
    await change(credentials={"next_auth_token": "next"})  # the calls don't mind
    async with engine.begin() as conn:
        await conn.execute(update(attempts).values(state="ended"))
    assert (await change(region="ie1"))["region"] == "ie1"


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_an_account_goes_to_a_simulator_and_back(connect, change, accounts, carrier):
    await connect(carrier)
    there = await change(base_url="http://127.0.0.1:8090/")
    assert (there["region"], there["base_url"]) == (None, "http://127.0.0.1:8090")
    region = KINDS[carrier].regions[1]
    back = await change(region=region.name)
    assert (back["region"], back["base_url"]) == (region.name, None)
    assert accounts.asked[-1] == region.url
