"""Warm transfers in the books: the second leg on which somebody is asked to take a callee, and what became of it.

A leg is stored before its carrier is asked to dial it, and dialled once. It takes no line: the call holds its own until
both are over. Who writes of a transfer that is told has its attempt locked, as everywhere.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Self

from sqlalchemy import RowMapping, Text, bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial import clock
from outdial.calls.claim import stream_token_hash
from outdial.calls.events import add_event
from outdial.calls.records import AttemptRecord, lock_attempt
from outdial.calls.transfers import CHECK_S, TRANSFER_COLUMNS, TransferRecord, enter_result
from outdial.db import hot
from outdial.db.consultation_tables import consultations
from outdial.db.engine import autocommit, reading
from outdial.db.hot import Hot
from outdial.db.tables import attempts, transfers
from outdial.ids import new_secret
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.failures import CallError
from outdial.telephony.price import Price
from outdial.telephony.state import CallState, Progress, transfer_result
from outdial.telephony.transfer import TransferOutcome, TransferResult

LEG_MARK = "second-"  # so that no stream of another call is looked for here
PRICED_AFTER_S = 60.0  # of its end, a carrier's books may have what a leg has cost


class Answer(StrEnum):
    """What the other party makes of it."""

    ACCEPTED = "accepted"
    DECLINED = "declined"
    NONE = "none"  # asked, and nothing came that takes the call: a voicemail, say


@dataclass(frozen=True, slots=True, kw_only=True)
class Consultation:
    """A second leg. `joining_at`: the carrier was asked to connect it with the callee; `dropped_at`: it is to end."""

    transfer_id: int
    attempt_id: str
    owner: str
    to: str
    brief: str
    wait_s: float
    carrier_call: CarrierCall | None
    created_at: datetime
    opened_at: datetime | None
    answer: Answer | None
    joining_at: datetime | None
    dropped_at: datetime | None
    ended_at: datetime | None
    result: TransferOutcome | None  # of the transfer
    has_price: bool

    @classmethod
    def of(cls, row: RowMapping) -> Self:
        """From a row of the columns _COLUMNS."""
        leg = consultations.c
        carrier_call_id, answer, result = row[leg.carrier_call_id], row[leg.answer], row[transfers.c.result]
        return cls(
            transfer_id=row[leg.transfer_id],
            attempt_id=row[leg.attempt_id],
            owner=row[leg.owner],
            to=row[transfers.c.to],
            brief=row[leg.brief],
            wait_s=row[leg.wait_s],
            carrier_call=(
                None if carrier_call_id is None else CarrierCall(id=carrier_call_id, refs=row[leg.carrier_refs])
            ),
            created_at=row[leg.created_at],
            opened_at=row[leg.opened_at],
            answer=None if answer is None else Answer(answer),
            joining_at=row[leg.joining_at],
            dropped_at=row[leg.dropped_at],
            ended_at=row[leg.ended_at],
            result=None if result is None else TransferOutcome(result),
            has_price=row[leg.price] is not None,
        )

    @property
    def is_joined(self) -> bool:
        """Whether the callee and the other party are connected, or may be in a moment."""
        return self.joining_at is not None and self.dropped_at is None

    @property
    def is_to_end(self) -> bool:
        """Whether its carrier is still to be asked to end it."""
        return self.dropped_at is not None and self.ended_at is None


_COLUMNS = (
    *(column for column in consultations.c if column.name not in ("token_hash", "price_currency")),
    transfers.c.to,
    transfers.c.result,
)
_LEGS = select(*_COLUMNS).join(transfers, transfers.c.id == consultations.c.transfer_id)
_OPEN_LEGS = Hot(
    _LEGS.where(consultations.c.attempt_id == bindparam("the_attempt", type_=Text), consultations.c.ended_at.is_(None))
)


async def read_consultation(engine: AsyncEngine, transfer_id: int) -> Consultation:
    """As it is now. Raises sqlalchemy.exc.NoResultFound."""
    async with reading(engine) as conn:
        query = _LEGS.where(consultations.c.transfer_id == transfer_id)
        return Consultation.of((await conn.execute(query)).mappings().one())


async def open_consultations(conn: AsyncConnection, attempt_id: str) -> list[Consultation]:
    """The legs of an attempt that have not ended, as far as is known."""
    rows = (await hot.execute(conn, _OPEN_LEGS, {"the_attempt": attempt_id})).mappings()
    return [Consultation.of(row) for row in rows]


async def leg_prices(conn: AsyncConnection, transfer_ids: Iterable[int]) -> dict[int, Price]:
    """What the second legs of transfers have cost, by the transfer's id; without those that isn't known of."""
    leg = consultations.c
    query = select(leg.transfer_id, leg.price, leg.price_currency)
    rows = await conn.execute(query.where(leg.transfer_id.in_(list(transfer_ids)), leg.price.is_not(None)))
    return {row.transfer_id: Price(amount=str(row.price), currency=row.price_currency) for row in rows}


# -- asked for -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A second leg that may be dialled, once. `token`: of its audio's stream."""

    transfer_id: int
    token: str


async def begin_consultation(
    engine: AsyncEngine, attempt: AttemptRecord, to: str, *, brief: str, wait_s: float
) -> Begun:
    """Enter a warm transfer and its leg before the carrier is asked for it."""
    token = f"{LEG_MARK}{new_secret()}"
    begun = {
        "call_id": attempt.call_id,
        "attempt_id": attempt.id,
        "to": to,
        "warm": True,
        "check_at": clock.now() + timedelta(seconds=CHECK_S),
    }
    async with engine.begin() as conn:
        row = (await conn.execute(insert(transfers).values(**begun).returning(*TRANSFER_COLUMNS))).mappings().one()
        record = TransferRecord.of(row)
        leg = {
            "transfer_id": record.id,
            "attempt_id": attempt.id,
            "owner": attempt.owner or "",
            "brief": brief,
            "wait_s": wait_s,
            "token_hash": stream_token_hash(token),
        }
        await conn.execute(insert(consultations).values(**leg))
        await add_event(conn, attempt.call_id, "transfer", record.to_json())
    return Begun(transfer_id=record.id, token=token)


async def note_placed(engine: AsyncEngine, transfer_id: int, call: CarrierCall) -> Consultation:
    """What the carrier calls the leg; as it is then: it may be to end already."""
    async with engine.begin() as conn:
        await _know(conn, transfer_id, call)
    return await read_consultation(engine, transfer_id)


async def take_consultation(engine: AsyncEngine, attempt_id: str, token: str) -> Consultation | None:
    """Use a leg's token up; None when it isn't good (any more): nobody talks with the callee, or wants the leg."""
    if not token.startswith(LEG_MARK):
        return None
    taking = (
        update(consultations)
        .where(
            consultations.c.attempt_id == attempt_id,
            consultations.c.token_hash == stream_token_hash(token),
            consultations.c.opened_at.is_(None),
            consultations.c.dropped_at.is_(None),
            consultations.c.ended_at.is_(None),
            attempts.c.id == consultations.c.attempt_id,
            attempts.c.state != CallState.ENDED,
            attempts.c.ending.is_(None),
            attempts.c.owner == consultations.c.owner,
        )
        .values(opened_at=func.now())
        .returning(consultations.c.transfer_id)
    )
    async with autocommit(engine) as conn:
        transfer_id = await conn.scalar(taking)
    return None if transfer_id is None else await read_consultation(engine, transfer_id)


async def note_answer(engine: AsyncEngine, transfer_id: int, answer: Answer, *, by: str | None = None) -> None:
    """What the other party said to it, the first time; `by`: a key or words."""
    async with engine.begin() as conn:
        noted = await conn.execute(
            update(consultations)
            .where(consultations.c.transfer_id == transfer_id, consultations.c.answer.is_(None))
            .values(answer=answer)
        )
        if noted.rowcount and by is not None:
            await conn.execute(update(transfers).where(transfers.c.id == transfer_id).values(accepted_by=by))


# -- connected, or not ---------------------------------------------------------------------------------------


async def begin_joining(engine: AsyncEngine, transfer_id: int) -> bool:
    """From now on the two may be connected; False when the other party has left, or is to."""
    async with autocommit(engine) as conn:
        joining = await conn.execute(
            update(consultations)
            .where(
                consultations.c.transfer_id == transfer_id,
                consultations.c.answer == Answer.ACCEPTED,
                consultations.c.ended_at.is_(None),
                consultations.c.dropped_at.is_(None),
            )
            .values(joining_at=func.now())
        )
    return bool(joining.rowcount)


async def note_joined(engine: AsyncEngine, leg: Consultation) -> None:
    """The callee and the other party are connected."""
    async with engine.begin() as conn:
        await lock_attempt(conn, leg.attempt_id)
        told = TransferResult(at=clock.now(), outcome=TransferOutcome.ANSWERED, leg=_id_of(leg), to=leg.to)
        await _enter(conn, leg.transfer_id, told)


async def drop(
    engine: AsyncEngine, transfer_id: int, outcome: TransferOutcome, error: CallError | None = None
) -> Consultation:
    """Have a leg ended, and enter what the transfer came to, unless that is known: the leg, for whoever asks its
    carrier."""
    leg = await read_consultation(engine, transfer_id)
    async with engine.begin() as conn:
        await lock_attempt(conn, leg.attempt_id)
        await conn.execute(
            update(consultations)
            .where(consultations.c.transfer_id == transfer_id)
            .values(dropped_at=func.coalesce(consultations.c.dropped_at, func.now()))
        )
        told = TransferResult(at=clock.now(), outcome=outcome, is_over=True, error=error, leg=_id_of(leg))
        await _enter(conn, transfer_id, told)
    return await read_consultation(engine, transfer_id)


# -- told by the carrier ---------------------------------------------------------------------------------------


async def apply_to_leg(conn: AsyncConnection, transfer_id: int, event: Progress) -> Consultation | None:
    """What a carrier says of a second leg, whose attempt is locked; the leg then, None when there is none.

    A leg that ends before it is connected has come to nothing: busy, declined or unanswered, or left by who was asked.
    """
    leg = await _locked(conn, transfer_id)
    if leg is None or (leg.carrier_call and event.carrier_call and leg.carrier_call.id != event.carrier_call.id):
        return None
    if event.carrier_call is not None:
        await _know(conn, transfer_id, event.carrier_call)
    if event.state is CallState.ENDED and leg.ended_at is None:
        ended = update(consultations).where(consultations.c.transfer_id == transfer_id).values(ended_at=event.at)
        await conn.execute(ended)
        await _enter(conn, transfer_id, _result_of(leg, event))
        priced_at = clock.now() + timedelta(seconds=PRICED_AFTER_S)
        await conn.execute(update(transfers).where(transfers.c.id == transfer_id).values(check_at=priced_at))
    return await _locked(conn, transfer_id)


def _result_of(leg: Consultation, ended: Progress) -> TransferResult:
    told = transfer_result(ended, to=leg.to)
    if leg.is_joined:
        return TransferResult(at=ended.at, outcome=TransferOutcome.ANSWERED, is_over=True, leg=told.leg, to=leg.to)
    if told.outcome is not TransferOutcome.ANSWERED:
        return told
    # It was answered, and never took the callee.
    outcome = TransferOutcome.NO_ANSWER if leg.opened_at is None else TransferOutcome.DECLINED
    return TransferResult(at=ended.at, outcome=outcome, is_over=True, leg=told.leg, to=leg.to)


async def note_leg_ended(engine: AsyncEngine, leg: Consultation) -> None:
    """Its carrier knows of no such call that is up."""
    async with engine.begin() as conn:
        await lock_attempt(conn, leg.attempt_id)
        over = Progress(state=CallState.ENDED, at=clock.now())
        await apply_to_leg(conn, leg.transfer_id, over)


async def keep_leg_price(conn: AsyncConnection, transfer_id: int, price: Price) -> None:
    """What a leg has cost."""
    values = {"price": Decimal(price.amount), "price_currency": price.currency}
    await conn.execute(update(consultations).where(consultations.c.transfer_id == transfer_id).values(**values))


# -- inside --------------------------------------------------------------------------------------------------


async def _locked(conn: AsyncConnection, transfer_id: int) -> Consultation | None:
    query = _LEGS.where(consultations.c.transfer_id == transfer_id).with_for_update()
    row = (await conn.execute(query)).mappings().one_or_none()
    return None if row is None else Consultation.of(row)


async def _know(conn: AsyncConnection, transfer_id: int, call: CarrierCall) -> None:
    leg = consultations.c
    values: dict[str, Any] = {
        "carrier_call_id": func.coalesce(leg.carrier_call_id, call.id),
        "carrier_refs": leg.carrier_refs.concat(dict(call.refs)),
    }
    its_own = (leg.transfer_id == transfer_id, func.coalesce(leg.carrier_call_id, call.id) == call.id)
    await conn.execute(update(consultations).where(*its_own).values(**values))


async def _enter(conn: AsyncConnection, transfer_id: int, told: TransferResult) -> None:
    """What a transfer came to, once. That it was connected is known from then on, whatever its leg's end says."""
    query = select(*TRANSFER_COLUMNS).where(transfers.c.id == transfer_id).with_for_update()
    record = TransferRecord.of((await conn.execute(query)).mappings().one())
    if record.ended_at is None or (record.result is None):
        await enter_result(conn, record.call_id, record, told)


def _id_of(leg: Consultation) -> str | None:
    return None if leg.carrier_call is None else leg.carrier_call.id
