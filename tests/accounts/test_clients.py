"""Clients of carrier accounts: one each, of the newest credentials and address."""

import asyncio

import httpx
import pytest
from sqlalchemy import delete, insert, text, update
from sqlalchemy.exc import OperationalError

from outdial.accounts.clients import Accounts
from outdial.carriers.errors import CarrierRefused
from outdial.carriers.http import RestClient
from outdial.db.engine import create_engine, put_away
from outdial.db.tables import carrier_accounts
from secret_box import BOX

SEALED = BOX.encrypt({"account_sid": "AC1", "auth_token": "token"})


def http(carrier) -> httpx.AsyncClient:
    rest: RestClient = carrier._account._rest
    return rest._http


@pytest.fixture
async def account_id(engine, workspace):
    values = {"id": "acct_1", "workspace_id": workspace.id, "carrier": "twilio", "account_ref": "AC1"}
    async with engine.begin() as conn:
        await conn.execute(insert(carrier_accounts).values(values | {"credentials": SEALED, "calls_per_second": 1}))
    return "acct_1"


@pytest.fixture
def change(engine, account_id):
    async def change(**values):
        async with engine.begin() as conn:
            await conn.execute(update(carrier_accounts).where(carrier_accounts.c.id == account_id).values(**values))

    return change


async def test_an_account_has_one_client_at_its_region(engine, account_id, change):
    await change(region="ie1")
    accounts = Accounts(engine, BOX)
    first, second = await asyncio.gather(accounts.carrier(account_id), accounts.carrier(account_id))
    assert first is second
    assert http(first).base_url == "https://api.dublin.ie1.twilio.com"
    await accounts.aclose()
    assert http(first).is_closed


@pytest.mark.parametrize(
    "values",
    [
        {"region": "au1"},
        {"base_url": "http://127.0.0.1:1"},
        {"credentials": BOX.encrypt({"account_sid": "AC1", "auth_token": "newer"})},
    ],
    ids=["region", "base URL", "credentials"],
)
async def test_a_changed_account_is_opened_again_and_its_old_client_closed_when_nobody_uses_it(
    engine, account_id, change, values
):
    accounts = Accounts(engine, BOX, in_use_s=0.01)
    old = await accounts.carrier(account_id)
    await change(**values)
    new = await accounts.carrier(account_id)
    assert new is not old
    assert not http(old).is_closed, "a request may be under way on it"
    async with asyncio.timeout(5):
        await accounts._closing.finish(10)
    assert (http(old).is_closed, http(new).is_closed) == (True, False)
    await accounts.aclose()


async def test_an_account_that_was_looked_up_just_now_is_taken_as_it_is_for_a_moment(engine, account_id, change):
    accounts = Accounts(engine, BOX, fresh_s=0.3)
    await accounts.carrier(account_id)
    old = await accounts.carrier(account_id)
    await change(region="ie1")
    assert await accounts.carrier(account_id) is old
    await asyncio.sleep(0.35)
    new = await accounts.carrier(account_id)
    assert http(new).base_url == "https://api.dublin.ie1.twilio.com"
    await accounts.aclose()


async def test_the_end_waits_for_no_client_to_be_out_of_use(engine, account_id, change):
    accounts = Accounts(engine, BOX)
    old = await accounts.carrier(account_id)
    await change(region="au1")
    await accounts.carrier(account_id)
    async with asyncio.timeout(5):
        await accounts.aclose()
    assert http(old).is_closed


async def test_a_region_that_is_gone_is_no_other_region(engine, account_id, change):
    await change(region="mars")
    accounts = Accounts(engine, BOX)
    with pytest.raises(CarrierRefused, match="account_not_set_up"):
        await accounts.carrier(account_id)
    await accounts.aclose()


async def test_a_removed_account_takes_its_client_along(engine, account_id):
    accounts = Accounts(engine, BOX)
    old = await accounts.carrier(account_id)
    async with engine.begin() as conn:
        await conn.execute(delete(carrier_accounts).where(carrier_accounts.c.id == account_id))
    with pytest.raises(CarrierRefused, match="account_removed"):
        await accounts.carrier(account_id)
    await accounts.aclose()
    assert http(old).is_closed


async def test_an_open_account_is_to_be_had_while_the_database_is_away(engine, account_id):
    accounts = Accounts(engine, BOX)
    known = await accounts.carrier(account_id)
    accounts._engine = away = create_engine("postgresql://nobody@127.0.0.1:1/none")
    assert await accounts.carrier(account_id) is known
    with pytest.raises(OperationalError):
        await accounts.carrier("acct_unknown")
    await accounts.aclose()
    await put_away(away)


async def test_an_open_account_is_to_be_had_while_the_database_does_not_answer(engine, account_id, change):
    accounts = Accounts(engine, BOX, patience_s=0.05)
    known = await accounts.carrier(account_id)
    async with engine.begin() as conn:
        await conn.execute(text("LOCK TABLE carrier_accounts IN ACCESS EXCLUSIVE MODE"))
        async with asyncio.timeout(2):
            assert await accounts.carrier(account_id) is known
    await accounts.aclose()
