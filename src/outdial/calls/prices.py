"""What carriers charge. They tell so after the end, so a price is no event that moves a call."""

from decimal import Decimal

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.calls.records import ATTEMPT_COLUMNS, AttemptRecord
from outdial.db.engine import autocommit
from outdial.db.tables import attempts
from outdial.telephony.price import Price


async def record_price(engine: AsyncEngine, attempt_id: str, price: Price) -> None:
    """Keep what an attempt has cost."""
    async with autocommit(engine) as conn:
        await keep_price(conn, attempt_id, price)


async def keep_price(conn: AsyncConnection, attempt_id: str, price: Price) -> None:
    """`record_price` as part of a transaction."""
    values = {"price": Decimal(price.amount), "price_currency": price.currency, "price_due_at": None}
    await conn.execute(update(attempts).where(attempts.c.id == attempt_id).values(**values))


async def take_unpriced(engine: AsyncEngine, *, at_most: int) -> list[AttemptRecord]:
    """Ended attempts whose price the carrier may know by now. Each is given out once."""
    due = (
        select(attempts.c.id)
        .where(attempts.c.price_due_at <= func.now())
        .limit(at_most)
        .with_for_update(skip_locked=True)
    )
    async with engine.begin() as conn:
        taken = await conn.execute(
            update(attempts).where(attempts.c.id.in_(due)).values(price_due_at=None).returning(*ATTEMPT_COLUMNS)
        )
        return [AttemptRecord.of(row) for row in taken.mappings()]
