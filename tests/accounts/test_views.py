from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, update

from outdial.accounts.views import get_account, list_accounts
from outdial.db.tables import carrier_accounts, numbers
from outdial.refusals import NotFound
from workspace import CALLER


async def test_an_account_is_shown_with_its_numbers_the_oldest_first(workspace):
    async with workspace.engine.begin() as conn:
        older = {"id": "num_older", "workspace_id": workspace.id, "carrier_account_id": workspace.account_id}
        created = {"created_at": datetime(2026, 1, 1, tzinfo=UTC)}
        await conn.execute(insert(numbers).values(older | created | {"e164": "+15551230009", "name": "Sales"}))
        await conn.execute(update(carrier_accounts).values(created))
        account = await get_account(conn, workspace.id, workspace.account_id)
        assert await list_accounts(conn, workspace.id) == [account]
    assert account == {
        "id": workspace.account_id,
        "carrier": "twilio",
        "account": workspace.account_id,
        "region": "us1",  # the carrier's first, where none was chosen
        "base_url": None,
        "calls_per_second": 1000.0,
        "numbers": [
            {"id": "num_older", "e164": "+15551230009", "name": "Sales"},
            {"id": workspace.number_id, "e164": CALLER, "name": "Front desk"},
        ],
        "created_at": "2026-01-01T00:00:00Z",
    }


async def test_an_account_elsewhere_has_no_region(workspace):
    async with workspace.engine.begin() as conn:
        await conn.execute(update(carrier_accounts).values(base_url="http://127.0.0.1:9999"))
        account = await get_account(conn, workspace.id, workspace.account_id)
    assert (account["region"], account["base_url"]) == (None, "http://127.0.0.1:9999")


async def test_the_accounts_of_others_are_not_shown(workspace, make_workspace):
    other = await make_workspace()
    async with workspace.engine.connect() as conn:
        assert [account["id"] for account in await list_accounts(conn, other.id)] == [other.account_id]
        with pytest.raises(NotFound):
            await get_account(conn, other.id, workspace.account_id)
