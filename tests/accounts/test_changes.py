"""What becomes of an account that is changed. What its numbers make of it: tests/numbers/test_reconnecting.py."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from outdial.accounts.changes import AccountChanges, access_before_and_after, check_pace, record_changes, write_account
from outdial.accounts.store import NewAccount, keep_account, read_account
from outdial.accounts.views import get_account
from outdial.carriers.name import CarrierName
from outdial.db.tables import audit_log, carrier_accounts
from outdial.ids import new_id
from outdial.refusals import Conflict, Invalid
from outdial.workspaces.audit import COMMAND_LINE
from outdial.workspaces.secrets import SecretBox
from secret_box import BOX

CREDENTIALS = {"account_sid": "AC1", "auth_token": "token", "next_auth_token": "next"}


async def kept(workspace, **credentials):
    new = NewAccount(
        id=new_id("acct"),
        carrier=CarrierName("twilio"),
        credentials=CREDENTIALS | credentials,
        region="ie1",
        base_url=None,
        calls_per_second=1.0,
    )
    async with workspace.engine.begin() as conn:
        account_id = await keep_account(conn, BOX, workspace.id, new, by=COMMAND_LINE)
        return await read_account(conn, workspace.id, account_id)


@pytest.fixture
async def account(workspace):
    return await kept(workspace)


def after(account, **changes):
    return access_before_and_after(BOX, account, AccountChanges(**changes))[1]


async def test_nothing_changed_is_as_it_was(account):
    before, now = access_before_and_after(BOX, account, AccountChanges())
    assert before == now
    assert (before.credentials, before.region, before.url) == (CREDENTIALS, "ie1", account.url)
    assert before.identity == {"account_sid": "AC1"}


async def test_what_is_left_out_stays_and_none_takes_an_optional_one_away(account):
    changed = after(account, credentials={"auth_token": "other", "next_auth_token": None})
    assert changed.credentials == {"account_sid": "AC1", "auth_token": "other"}
    with pytest.raises(Invalid) as refused:
        after(account, credentials={"auth_token": None})
    assert refused.value.field == "credentials.auth_token"


async def test_a_region_and_an_address_take_each_other_away(account):
    elsewhere = after(account, base_url="http://127.0.0.1:9999/")
    assert (elsewhere.region, elsewhere.base_url, elsewhere.url) == (
        None, "http://127.0.0.1:9999", "http://127.0.0.1:9999",
    )  # fmt: skip
    back = after(account, region="us1")
    assert (back.region, back.base_url) == ("us1", None)
    with pytest.raises(Invalid):
        after(account, region="us1", base_url="http://127.0.0.1:9999")


@pytest.mark.parametrize(("pace", "good"), [(None, True), (0.01, True), (1000, True), (0, False), (1001, False)])
def test_a_pace_has_its_limits(pace, good):
    if good:
        check_pace(pace)
        return
    with pytest.raises(Invalid) as refused:
        check_pace(pace)
    assert refused.value.field == "calls_per_second"


async def write(workspace, before, *, access=None, calls_per_second=None):
    async with workspace.engine.begin() as conn:
        await write_account(conn, BOX, before, access=access, calls_per_second=calls_per_second)
        return await read_account(conn, workspace.id, before.id)


async def test_what_was_changed_is_written(workspace, account):
    changed = after(account, credentials={"account_sid": "AC2"}, region="us1")
    now = await write(workspace, account, access=changed)
    assert (now.id, now.account_ref, now.region, now.calls_per_second) == (account.id, "AC2", "us1", 1.0)
    assert BOX.decrypt(now.sealed_credentials)["account_sid"] == "AC2"


async def test_a_faster_pace_holds_for_the_next_dial(workspace, account):
    soon = datetime.now(UTC) + timedelta(seconds=100)
    async with workspace.engine.begin() as conn:
        await conn.execute(update(carrier_accounts).values(next_dial_at=soon))
    assert (await write(workspace, account, calls_per_second=10)).calls_per_second == 10
    async with workspace.engine.connect() as conn:
        query = select(carrier_accounts.c.next_dial_at).where(carrier_accounts.c.id == account.id)
        assert await conn.scalar(query) < datetime.now(UTC) + timedelta(seconds=0.2)


async def test_who_was_slower_is_told(workspace, account):
    await write(workspace, account, access=after(account, credentials={"auth_token": "first"}))
    with pytest.raises(Conflict) as refused:
        await write(workspace, account, access=after(account, credentials={"auth_token": "second"}))
    assert refused.value.code == "account_changed"


async def test_an_account_does_not_become_another_that_is_known(workspace, account):
    await kept(workspace, account_sid="AC2")
    with pytest.raises(Conflict) as refused:
        await write(workspace, account, access=after(account, credentials={"account_sid": "AC2"}))
    assert refused.value.code == "account_exists"


async def test_the_audit_log_knows_names_of_credentials_and_nothing_of_what_they_are(workspace, account):
    changes = AccountChanges(credentials={"auth_token": "a secret"}, calls_per_second=2)
    async with workspace.engine.begin() as conn:
        view = await get_account(conn, workspace.id, account.id)
        await record_changes(conn, workspace.id, view, changes, COMMAND_LINE)
        row = (await conn.execute(select(audit_log))).one()
    assert (row.act, row.subject_id, row.subject_name) == ("carrier_account.changed", account.id, "Twilio AC1")
    assert row.details == {"credentials": ["auth_token"], "calls_per_second": 2}


def without_the_key(account, **credentials):
    return access_before_and_after(SecretBox("another key"), account, AccountChanges(credentials=credentials))


async def test_credentials_that_cannot_be_read_are_replaced_by_whole_ones(account):
    before, now = without_the_key(account, account_sid="AC1", auth_token="new")
    assert before is None
    assert (now.credentials, now.region, now.url) == ({"account_sid": "AC1", "auth_token": "new"}, "ie1", account.url)
    _, now = without_the_key(account, auth_token="new", next_auth_token=None)
    assert now.credentials == {"account_sid": "AC1", "auth_token": "new"}, "whose account it is, is known"


@pytest.mark.parametrize("given", [{}, {"next_auth_token": "next"}, {"auth_token": None}])
async def test_those_given_in_part_are_refused_with_what_is_missing(account, given):
    with pytest.raises(Invalid) as refused:
        without_the_key(account, **given)
    assert refused.value.field == "credentials"
    assert "Give auth_token, too" in refused.value.message
