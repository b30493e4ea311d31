"""Callbacks without a valid signature: counted, because a carrier whose callbacks are refused keeps it to itself."""

from datetime import timedelta
from typing import Any

from sqlalchemy import delete, func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import TypedDict

from outdial.carriers.name import CarrierName
from outdial.carriers.registry import KnownCarrier
from outdial.db.tables import carrier_accounts, refused_callbacks

LATELY = timedelta(hours=24)
KEPT = timedelta(days=7)


class RefusedCallbacks(TypedDict):
    """Of one carrier account, within the last 24 hours (by whole hours)."""

    carrier: KnownCarrier
    account: str
    refused: int


async def count_refused(engine: AsyncEngine, account_id: str) -> None:
    """One more. Whoever is told the URL of a callback can make this happen, so a row stands for an hour."""
    mine = refused_callbacks.c.carrier_account_id == account_id
    still_there = select(carrier_accounts.c.id, func.date_trunc("hour", func.now()), literal(1)).where(
        carrier_accounts.c.id == account_id
    )
    count: Any = insert(refused_callbacks).from_select(["carrier_account_id", "hour", "refused"], still_there)
    async with engine.begin() as conn:
        await conn.execute(
            count.on_conflict_do_update(
                index_elements=["carrier_account_id", "hour"], set_={"refused": refused_callbacks.c.refused + 1}
            )
        )
        await conn.execute(delete(refused_callbacks).where(mine, refused_callbacks.c.hour < func.now() - KEPT))


async def refused_lately(conn: AsyncConnection, workspace_id: str) -> list[RefusedCallbacks]:
    """The accounts that have any."""
    account, refused = carrier_accounts.c, refused_callbacks.c
    rows = await conn.execute(
        select(account.carrier, account.account_ref, func.sum(refused.refused).label("refused"))
        .join(refused_callbacks, refused.carrier_account_id == account.id)
        .where(account.workspace_id == workspace_id, refused.hour > func.now() - LATELY)
        .group_by(account.id)
        .order_by(account.created_at, account.id)
    )
    return [
        RefusedCallbacks(carrier=CarrierName(row.carrier), account=row.account_ref, refused=row.refused) for row in rows
    ]
