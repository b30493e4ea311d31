"""Transfers of calls: asked for, and what became of each."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from sqlalchemy import (
    ColumnElement,
    Interval,
    RowMapping,
    and_,
    exists,
    extract,
    func,
    insert,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial import clock
from outdial.calls.events import add_event
from outdial.calls.outcomes import reconsider
from outdial.calls.records import Held, error_json, lock_attempt
from outdial.db.engine import autocommit
from outdial.db.tables import attempts, transfers
from outdial.telephony.failures import CallError
from outdial.telephony.transfer import TransferOutcome, TransferResult, settled

logger = logging.getLogger(__name__)

RINGS_S = 40.0        # longer than any carrier lets the other phone ring: by then something should have been heard
CHECK_S = 10.0        # how often a transfer is looked at until it is over: does it still ring, did its call end?
CHECK_MAX_S = 60.0    # … more and more seldom, the longer it lasts
ALONE_CHECK_S = 20.0  # for a callee left alone to hear a sentence, or to come back to the agent


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferRecord:
    """One transfer of a call. `result` None: the other phone rings. `leg`: what the carrier calls the other party's
    call; `failed_step`: where the agent goes on should nobody come, None when it doesn't. `warm`: the agent stays until
    the other party takes the call, with a key or in words (`accepted_by`)."""

    id: int
    call_id: str
    attempt_id: str
    to: str
    at: datetime
    result: TransferOutcome | None
    error: CallError | None
    leg: str | None
    answered_at: datetime | None
    ended_at: datetime | None
    duration_s: float | None
    failed_step: str | None
    returned_at: datetime | None
    warm: bool
    accepted_by: str | None

    @classmethod
    def of(cls, row: RowMapping) -> Self:
        """From a row of the columns TRANSFER_COLUMNS."""
        stored: dict[str, Any] = {name: row[transfers.c[name]] for name in cls.__dataclass_fields__}
        result, error = stored["result"], stored["error"]
        parsed = {
            "result": None if result is None else TransferOutcome(result),
            "error": None if error is None else CallError.from_json(error),
        }
        return cls(**stored | parsed)

    def to_json(self) -> dict[str, Any]:
        """As its events tell it."""
        return {
            "to": self.to,
            "result": self.result,
            "duration_s": self.duration_s,
            "error": error_json(self.error),
            "warm": self.warm,
            "accepted_by": self.accepted_by,
        }


TRANSFER_COLUMNS = tuple(transfers.c[name] for name in TransferRecord.__dataclass_fields__)


async def transfers_of(conn: AsyncConnection, call_ids: Iterable[str]) -> dict[str, list[TransferRecord]]:
    """The transfers of calls, by call id, each call's in order."""
    query = select(*TRANSFER_COLUMNS).where(transfers.c.call_id.in_(list(call_ids))).order_by(transfers.c.id)
    by_call: dict[str, list[TransferRecord]] = {}
    for row in (await conn.execute(query)).mappings():
        by_call.setdefault(row[transfers.c.call_id], []).append(TransferRecord.of(row))
    return by_call


# -- asked for -----------------------------------------------------------------------------------------------


async def begin_transfer(
    engine: AsyncEngine, attempt_id: str, call_id: str, to: str, *, failed_step: str | None
) -> int:
    """Enter a transfer before its carrier is asked for it; its id. `failed_step`: as in TransferRecord."""
    values = {
        "call_id": call_id,
        "attempt_id": attempt_id,
        "to": to,
        "failed_step": failed_step,
        "check_at": clock.now() + timedelta(seconds=CHECK_S),
    }
    async with engine.begin() as conn:
        begun = await conn.execute(insert(transfers).values(**values).returning(*TRANSFER_COLUMNS))
        record = TransferRecord.of(begun.mappings().one())
        await add_event(conn, call_id, "transfer", record.to_json())
    return record.id


async def refuse_transfer(engine: AsyncEngine, attempt_id: str, transfer_id: int, error: CallError) -> None:
    """The carrier wouldn't, or didn't say that it has; the agent goes on talking."""
    refused = {"result": TransferOutcome.FAILED, "error": error_json(error), "ended_at": func.now(), "check_at": None}
    async with engine.begin() as conn:
        await lock_attempt(conn, attempt_id)
        changed = await conn.execute(
            update(transfers)
            .where(transfers.c.id == transfer_id, transfers.c.ended_at.is_(None))
            .values(**refused)
            .returning(*TRANSFER_COLUMNS)
        )
        row = changed.mappings().one_or_none()
        if row is not None:  # else it was heard of meanwhile
            record = TransferRecord.of(row)
            await add_event(conn, record.call_id, "transfer", record.to_json())
            await reconsider(conn, record.call_id)


# -- what became of it ---------------------------------------------------------------------------------------


async def apply_result(conn: AsyncConnection, held: Held, told: TransferResult) -> bool:
    """Enter what was told of a transfer of an attempt (locked); whether that was news. So is word of one that isn't in
    the books: whoever is left alone by it must be seen to."""
    query = select(*TRANSFER_COLUMNS).where(transfers.c.attempt_id == held.attempt.id).order_by(transfers.c.id)
    known = [TransferRecord.of(row) for row in (await conn.execute(query.with_for_update())).mappings()]
    record = _meant(known, told)
    if record is None:
        logger.info("Event of an unknown transfer ignored", extra={"attempt_id": held.attempt.id})
        return True
    return await enter_result(conn, held.call.id, record, told)


async def enter_result(conn: AsyncConnection, call_id: str, record: TransferRecord, told: TransferResult) -> bool:
    """The part of `apply_result` for a transfer that is known, and locked."""
    values = _after(record, told)
    before = (record.result, record.ended_at is None, record.duration_s)
    is_news = (values["result"], values["ended_at"] is None, values["duration_s"]) != before
    if is_news:
        values["check_at"] = _next_look(values["result"], is_over=values["ended_at"] is not None)
    changed = await conn.execute(
        update(transfers).where(transfers.c.id == record.id).values(**values).returning(*TRANSFER_COLUMNS)
    )
    if is_news:
        after = TransferRecord.of(changed.mappings().one())
        await add_event(conn, call_id, "transfer", after.to_json())
        await reconsider(conn, call_id)
    return is_news


def _meant(known: Sequence[TransferRecord], told: TransferResult) -> TransferRecord | None:
    """The transfer that a result is of: the one with this leg, else the newest whose leg isn't known yet."""
    to_it = [record for record in known if told.to in (None, record.to)]
    by_leg = [record for record in to_it if told.leg is not None and record.leg == told.leg]
    unknown = [record for record in to_it[-1:] if told.leg is None or record.leg is None]
    return next(iter((*by_leg, *unknown)), None)


def _after(record: TransferRecord, told: TransferResult) -> dict[str, Any]:
    """The columns of a transfer once `told` is entered."""
    result = record.result if told.outcome is None else settled(record.result, told.outcome)
    ended_at = record.ended_at
    if ended_at is None or (result is TransferOutcome.ANSWERED is not record.result):  # "failed" was too early
        ended_at = told.at if told.is_over else None
    answered_at, duration_s = record.answered_at, record.duration_s
    if told.outcome is TransferOutcome.ANSWERED and not told.is_over:
        answered_at = min(answered_at or told.at, told.at)
    elif told.duration_s is not None:
        answered_at = answered_at or told.at - timedelta(seconds=told.duration_s)
    if result is TransferOutcome.ANSWERED and ended_at is not None and answered_at is not None and duration_s is None:
        talked_s = max(0.0, (ended_at - answered_at).total_seconds())  # where the carrier doesn't say it
        duration_s = told.duration_s if told.duration_s is not None else round(talked_s, 3)
    return {
        "result": result,
        "error": error_json(told.error or record.error) if result is TransferOutcome.FAILED else None,
        "leg": record.leg or told.leg,
        "answered_at": answered_at,
        "ended_at": ended_at,
        "duration_s": duration_s,
    }


def _next_look(result: TransferOutcome | None, *, is_over: bool) -> datetime | None:
    if is_over and result is TransferOutcome.ANSWERED:
        return None
    return clock.now() + timedelta(seconds=ALONE_CHECK_S if is_over else CHECK_S)


async def has_transfers(conn: AsyncConnection, attempt_id: str) -> bool:
    """Whether any transfer of an attempt is in the books."""
    known = await conn.scalar(select(transfers.c.id).where(transfers.c.attempt_id == attempt_id).limit(1))
    return known is not None


# -- where it goes on -----------------------------------------------------------------------------------------


def goes_on_elsewhere() -> ColumnElement[bool]:
    """Of an attempt in the statement around it: whether its agent has left it by a transfer, and isn't back. Where the
    carrier refused a transfer there is nothing to look for, and the agent talks on; so it does until somebody takes the
    call who is asked first."""
    later = transfers.alias()
    newest = select(func.max(later.c.id)).where(later.c.attempt_id == attempts.c.id).scalar_subquery()
    has_left = or_(
        transfers.c.result == TransferOutcome.ANSWERED,
        and_(not_(transfers.c.warm), or_(transfers.c.result.is_(None), transfers.c.check_at.is_not(None))),
    )
    return exists().where(
        transfers.c.attempt_id == attempts.c.id,
        transfers.c.id == newest,
        transfers.c.returned_at.is_(None),
        has_left,
    )


async def is_elsewhere(conn: AsyncConnection, attempt_id: str) -> bool:
    """The same of one attempt."""
    query = select(attempts.c.id).where(attempts.c.id == attempt_id, goes_on_elsewhere())
    return await conn.scalar(query) is not None


# -- looked after --------------------------------------------------------------------------------------------


async def take_due_transfers(engine: AsyncEngine, *, at_most: int) -> list[TransferRecord]:
    """Transfers that are due for a look. Each is put off for the next sweeper."""
    now = clock.now()
    due = (
        select(transfers.c.id)
        .where(transfers.c.check_at <= now)
        .order_by(transfers.c.check_at)
        .limit(at_most)
        .with_for_update(skip_locked=True)
    )
    put_off_s = func.least(func.greatest(extract("epoch", now - transfers.c.at) / 4.0, CHECK_S), CHECK_MAX_S)
    async with autocommit(engine) as conn:
        taken = await conn.execute(
            update(transfers)
            .where(transfers.c.id.in_(due.scalar_subquery()))
            .values(check_at=now + func.make_interval(0, 0, 0, 0, 0, 0, put_off_s, type_=Interval))
            .returning(*TRANSFER_COLUMNS)
        )
        return [TransferRecord.of(row) for row in taken.mappings()]


async def leave_transfer(engine: AsyncEngine, transfer_id: int) -> None:
    """There is nothing left to look for."""
    async with autocommit(engine) as conn:
        await conn.execute(update(transfers).where(transfers.c.id == transfer_id).values(check_at=None))
