"""Carrier accounts as they are kept."""

import pytest
from sqlalchemy import select

from outdial.accounts.store import NewAccount, find_account, keep_account, read_account, read_accounts
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS
from outdial.db.tables import audit_log
from outdial.ids import new_id
from outdial.refusals import NotFound
from outdial.workspaces.audit import COMMAND_LINE
from outdial.workspaces.secrets import SecretBox
from secret_box import BOX

TWILIO = CarrierName("twilio")
CREDENTIALS = {"account_sid": "AC1", "auth_token": "token"}


async def kept(workspace, *, box=BOX, **changes):
    usual = {"id": new_id("acct"), "carrier": TWILIO, "credentials": CREDENTIALS, "region": None, "base_url": None}
    async with workspace.engine.begin() as conn:
        new = NewAccount(**usual | {"calls_per_second": None} | changes)
        account_id = await keep_account(conn, box, workspace.id, new, by=COMMAND_LINE)
        return await read_account(conn, workspace.id, account_id)


async def audited(workspace):
    async with workspace.engine.connect() as conn:
        return (await conn.execute(select(audit_log.c.act, audit_log.c.subject_name, audit_log.c.details))).all()


async def test_an_account_is_kept_with_its_credentials_sealed(workspace):
    account = await kept(workspace, region="ie1")
    assert (account.workspace_id, account.carrier, account.account_ref) == (workspace.id, TWILIO, "AC1")
    assert (account.region, account.base_url, account.url) == ("ie1", None, CARRIERS[TWILIO].api_url("ie1", None))
    assert account.calls_per_second == CARRIERS[TWILIO].default_calls_per_second
    assert b"token" not in account.sealed_credentials
    assert BOX.decrypt(account.sealed_credentials) == CREDENTIALS
    assert "sealed" not in repr(account)
    assert await audited(workspace) == []


async def test_an_account_that_is_known_keeps_its_id_and_what_is_not_given(workspace):
    first = await kept(workspace, region="ie1", calls_per_second=5)
    again = await kept(workspace, region="us1")
    assert (again.id, again.region, again.calls_per_second) == (first.id, "ie1", 5)
    assert await audited(workspace) == [], "the credentials were the same"
    elsewhere = await kept(workspace, base_url="http://127.0.0.1:9999", calls_per_second=2)
    assert (elsewhere.id, elsewhere.region, elsewhere.calls_per_second) == (first.id, None, 2)
    assert elsewhere.url == "http://127.0.0.1:9999"


@pytest.mark.parametrize("box", [BOX, SecretBox("another key")], ids=["other credentials", "can't be read any more"])
async def test_credentials_that_were_replaced_are_in_the_audit_log(workspace, box):
    await kept(workspace, box=box)
    account = await kept(workspace, credentials=CREDENTIALS | {"auth_token": "next"})
    assert BOX.decrypt(account.sealed_credentials)["auth_token"] == "next"
    assert await audited(workspace) == [("credentials.replaced", "AC1", {"carrier": "twilio"})]


async def test_accounts_are_found_by_what_their_carrier_calls_them(workspace, make_workspace):
    account, other = await kept(workspace), await make_workspace()
    async with workspace.engine.connect() as conn:
        assert await find_account(conn, workspace.id, TWILIO, "AC1") == account
        assert await find_account(conn, workspace.id, TWILIO, "AC2") is None
        assert await find_account(conn, workspace.id, CarrierName("vonage"), "AC1") is None
        assert await find_account(conn, other.id, TWILIO, "AC1") is None
        assert [each.id for each in await read_accounts(conn, workspace.id)] == [workspace.account_id, account.id]
        assert len(await read_accounts(conn)) == 3


@pytest.mark.parametrize("account_id", ["acct_unknown", "num_1", "acct_\0", ""])
async def test_there_is_no_such_account(workspace, account_id):
    async with workspace.engine.connect() as conn:
        with pytest.raises(NotFound):
            await read_account(conn, workspace.id, account_id)


async def test_the_accounts_of_others_are_unknown(workspace, make_workspace):
    other = await make_workspace()
    async with workspace.engine.connect() as conn:
        with pytest.raises(NotFound):
            await read_account(conn, other.id, workspace.account_id)
