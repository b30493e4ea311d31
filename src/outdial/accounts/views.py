"""Carrier accounts as users see them."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import TypedDict

from outdial.accounts.store import AccountRecord, read_account, read_accounts
from outdial.carriers.registry import KnownCarrier
from outdial.db.tables import numbers
from outdial.instants import to_json


class AccountNumber(TypedDict):
    id: str
    e164: str
    name: str


class AccountView(TypedDict):
    """`account` is what the carrier calls it. `region` is where its calls are handled, null where its requests go to
    `base_url` instead. `calls_per_second` is how fast we dial, whatever the number."""

    id: str
    carrier: KnownCarrier
    account: str
    region: str | None
    base_url: str | None
    calls_per_second: float
    numbers: list[AccountNumber]
    created_at: str


async def list_accounts(conn: AsyncConnection, workspace_id: str) -> list[AccountView]:
    accounts = await read_accounts(conn, workspace_id)
    theirs = await _numbers(conn, [account.id for account in accounts])
    return [_view(account, theirs[account.id]) for account in accounts]


async def get_account(conn: AsyncConnection, workspace_id: str, account_id: str) -> AccountView:
    """Raises NotFound."""
    account = await read_account(conn, workspace_id, account_id)
    return _view(account, (await _numbers(conn, [account.id]))[account.id])


async def _numbers(conn: AsyncConnection, account_ids: Sequence[str]) -> dict[str, list[AccountNumber]]:
    """By account, the oldest first."""
    number = numbers.c
    query = select(number.carrier_account_id, number.id, number.e164, number.name)
    query = query.where(number.carrier_account_id.in_(account_ids)).order_by(number.created_at, number.id)
    found: dict[str, list[AccountNumber]] = {account_id: [] for account_id in account_ids}
    for row in await conn.execute(query):
        found[row.carrier_account_id].append(AccountNumber(id=row.id, e164=row.e164, name=row.name))
    return found


def _view(account: AccountRecord, connected: list[AccountNumber]) -> AccountView:
    return AccountView(
        id=account.id,
        carrier=account.carrier,
        account=account.account_ref,
        region=(account.region or account.kind.regions[0].name) if account.base_url is None else None,
        base_url=account.base_url,
        calls_per_second=account.calls_per_second,
        numbers=connected,
        created_at=to_json(account.created_at),
    )
