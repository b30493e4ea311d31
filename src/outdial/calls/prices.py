"""What carriers charge. They tell so after the end, so a price is no event that moves a call.

What a price adds is counted for alerts (calls.ended_counts) when it is told, in the same statement.
"""

from decimal import Decimal

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.calls.ended_counts import MILLIONTHS
from outdial.calls.records import ATTEMPT_COLUMNS, AttemptRecord
from outdial.db.engine import autocommit
from outdial.db.tables import attempts
from outdial.telephony.price import Price

MOST_COUNTED = 1_000_000_000  # of one attempt, whatever it is told to cost


async def record_price(engine: AsyncEngine, attempt_id: str, price: Price) -> None:
    """Keep what an attempt has cost."""
    async with autocommit(engine) as conn:
        await keep_price(conn, attempt_id, price)


async def keep_price(conn: AsyncConnection, attempt_id: str, price: Price) -> None:
    """`record_price` as part of a transaction."""
    told = {"attempt": attempt_id, "amount": Decimal(price.amount), "currency": price.currency}
    await conn.execute(_KEEP, told | {"millionths": MILLIONTHS, "most": MOST_COUNTED})


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


# A price that is told again adds nothing, and one that is told otherwise adds the difference.
_KEEP = text("""
    WITH before AS (
        SELECT id, call_id, price, price_currency FROM attempts WHERE id = :attempt FOR UPDATE
    ), kept AS (
        UPDATE attempts SET price = :amount, price_currency = :currency, price_due_at = NULL
        FROM before WHERE attempts.id = before.id
        RETURNING before.call_id, before.price, before.price_currency
    )
    INSERT INTO ended_counts (workspace_id, ended_at, kind, key, count)
    SELECT calls.workspace_id, date_bin('5 minutes', now(), '2000-01-01Z'), 'charge', charge.currency,
        charge.sign * round(least(charge.amount, :most) * :millionths)
    FROM kept JOIN calls ON calls.id = kept.call_id,
        LATERAL (VALUES (kept.price_currency, kept.price, -1), (CAST(:currency AS text), CAST(:amount AS numeric), 1))
            AS charge (currency, amount, sign)
    WHERE charge.currency IS NOT NULL
        AND (kept.price_currency, kept.price) IS DISTINCT FROM (CAST(:currency AS text), CAST(:amount AS numeric))
""")
