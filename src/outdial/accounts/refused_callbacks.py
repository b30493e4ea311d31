"""Callbacks without a valid signature: counted, because a carrier whose callbacks are refused keeps it to itself."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import TypedDict

from outdial.background import Background
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import KnownCarrier
from outdial.db.clearing import Clearing
from outdial.db.tables import carrier_accounts, refused_callbacks
from outdial.logs import Seldom

logger = logging.getLogger(__name__)

LATELY = timedelta(hours=24)
KEPT = timedelta(days=7)
WRITTEN_EVERY_S = 10.0  # for one account

OLD_REFUSALS = Clearing(table=refused_callbacks, since=refused_callbacks.c.hour)


class RefusedCallbacks(TypedDict):
    """Of one carrier account, within the last 24 hours (by whole hours)."""

    carrier: KnownCarrier
    account: str
    refused: int


@dataclass(slots=True)
class _OfAnAccount:
    """`unwritten`: how many came since it was last written, which may be done again from `write_at` on."""

    write_at: float = 0.0
    unwritten: int = 0
    told: Seldom = field(default_factory=Seldom)


class RefusalCounter:
    """Counts for one process. Whoever knows the URL of a callback can have it count as often as they like, so of one
    account it writes into the database once in ten seconds, and into the log once a minute."""

    def __init__(self, engine: AsyncEngine, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._accounts: dict[str, _OfAnAccount] = {}
        self._later = Background()

    async def count(self, account_id: str) -> None:
        """One more, of an account that there is."""
        known = self._accounts.setdefault(account_id, _OfAnAccount())
        known.unwritten += 1
        if times := known.told.again():
            logger.warning(
                "Callback refused: no valid signature", extra={"account_id": account_id, "times": times}
            )
        now = self._clock()
        if now >= known.write_at:
            await self._write(account_id, known)
        elif known.unwritten == 1:
            self._later.start(self._write_in(known.write_at - now, account_id, known), name="refused callbacks")

    async def aclose(self) -> None:
        """Write what is counted and not written yet."""
        await self._later.cancel()
        for account_id, known in self._accounts.items():
            if known.unwritten:
                await self._write(account_id, known)

    async def _write_in(self, seconds: float, account_id: str, known: _OfAnAccount) -> None:
        await asyncio.sleep(seconds)
        await self._write(account_id, known)

    async def _write(self, account_id: str, known: _OfAnAccount) -> None:
        known.write_at = self._clock() + WRITTEN_EVERY_S
        times, known.unwritten = known.unwritten, 0
        try:
            await count_refused(self._engine, account_id, times)
        except (SQLAlchemyError, OSError) as error:  # a count, and no more: nothing waits for it
            logger.warning("Refused callbacks not counted", extra={"error": type(error).__name__})


async def count_refused(engine: AsyncEngine, account_id: str, times: int = 1) -> None:
    """So many more. A row stands for an hour."""
    mine = refused_callbacks.c.carrier_account_id == account_id
    still_there = select(carrier_accounts.c.id, func.date_trunc("hour", func.now()), literal(times)).where(
        carrier_accounts.c.id == account_id
    )
    count: Any = insert(refused_callbacks).from_select(["carrier_account_id", "hour", "refused"], still_there)
    async with engine.begin() as conn:
        await conn.execute(
            count.on_conflict_do_update(
                index_elements=["carrier_account_id", "hour"], set_={"refused": refused_callbacks.c.refused + times}
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
