"""The way back to the agent from a transfer that nobody took."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Integer, Text, bindparam, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial import clock
from outdial.calls.claim import stream_token_hash
from outdial.calls.events import last_entry
from outdial.calls.transfers import ALONE_CHECK_S, TRANSFER_COLUMNS, TransferRecord
from outdial.db import hot
from outdial.db.engine import autocommit
from outdial.db.hot import Hot
from outdial.db.tables import attempts, calls, transfers
from outdial.ids import new_secret
from outdial.telephony.state import CallState
from outdial.telephony.transfer import TransferOutcome


async def prepare_return(engine: AsyncEngine, attempt_id: str, outcome: TransferOutcome) -> str | None:
    """The token of the stream by which an attempt comes back to its agent, now that its last transfer came to nothing;
    None when it doesn't: the agent has nothing to say then, or somebody wants the call to end.

    Asked for again (carriers repeat), only the newest token works.
    """
    token = new_secret()
    last = select(func.max(transfers.c.id)).where(transfers.c.attempt_id == attempt_id).scalar_subquery()
    async with autocommit(engine) as conn:
        prepared = await conn.execute(
            update(transfers)
            .where(
                transfers.c.id == last,
                transfers.c.failed_step.is_not(None),
                transfers.c.returned_at.is_(None),
                or_(transfers.c.result.is_(None), transfers.c.result != TransferOutcome.ANSWERED),
                attempts.c.id == transfers.c.attempt_id,
                attempts.c.state != CallState.ENDED,
                attempts.c.ending.is_(None),
                calls.c.id == transfers.c.call_id,
                calls.c.hang_up_requested_at.is_(None),
            )
            .values(
                return_token_hash=stream_token_hash(token),
                result=func.coalesce(transfers.c.result, outcome),
                check_at=clock.now() + timedelta(seconds=ALONE_CHECK_S),
            )
        )
    return token if prepared.rowcount else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """A call that is back at its agent, for the `times`-th time in its attempt: at which step it goes on, and why.
    `entries`: how many the journal of the attempt has so far."""

    step: str
    to: str
    result: TransferOutcome
    times: int
    entries: int = 0


async def awaited_return(conn: AsyncConnection, attempt_id: str, token: str) -> TransferRecord | None:
    """The transfer that an attempt comes back from by this token; None when the token isn't good (any more)."""
    query = select(*TRANSFER_COLUMNS).where(
        transfers.c.attempt_id == attempt_id,
        transfers.c.return_token_hash == stream_token_hash(token),
        transfers.c.returned_at.is_(None),
    )
    row = (await conn.execute(query)).mappings().one_or_none()
    return None if row is None else TransferRecord.of(row)


async def note_returned(
    conn: AsyncConnection, record: TransferRecord, *, attempt_number: int, result_at: datetime | None
) -> Returned:
    """Use the token up. The attempt is locked, and its new owner's; `result_at`: when the result of the conversation
    before was written."""
    noted = {"returned_at": func.now(), "check_at": None, "result_at": result_at}
    await conn.execute(update(transfers).where(transfers.c.id == record.id).values(**noted))
    back = (transfers.c.attempt_id == record.attempt_id, transfers.c.returned_at.is_not(None))
    return Returned(
        step=record.failed_step or "",
        to=record.to,
        result=record.result or TransferOutcome.FAILED,
        times=await conn.scalar(select(func.count()).select_from(transfers).where(*back)) or 1,
        entries=await last_entry(conn, record.call_id, attempt_number) or 0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WayBack:
    """The transfer from which an attempt came back, and when the result of the conversation before was written."""

    transfer_id: int
    result_at: datetime | None


async def way_back_after(conn: AsyncConnection, attempt_id: str, returns: int) -> WayBack | None:
    """How an attempt came back after its conversation that had begun with so many returns; None: it didn't."""
    row = (await hot.execute(conn, _WAY_BACK, {"the_attempt": attempt_id, "returns": returns})).one_or_none()
    return None if row is None else WayBack(transfer_id=row.id, result_at=row.result_at)


async def note_result_taken(conn: AsyncConnection, back: WayBack) -> None:
    """The result of the conversation before is written, though the call is back already."""
    await conn.execute(update(transfers).where(transfers.c.id == back.transfer_id).values(result_at=func.now()))


# Built once: building it takes longer than running it.
_WAY_BACK = Hot(
    select(transfers.c.id, transfers.c.result_at)
    .where(transfers.c.attempt_id == bindparam("the_attempt", type_=Text), transfers.c.returned_at.is_not(None))
    .order_by(transfers.c.id)
    .offset(bindparam("returns", type_=Integer))
    .limit(1)
)
