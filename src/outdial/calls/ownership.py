"""Whose an attempt is: its dialler's, then the worker's that has its audio, with a lease; those of dead workers are
taken over."""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    DateTime,
    Interval,
    LargeBinary,
    RowMapping,
    Select,
    Text,
    and_,
    bindparam,
    case,
    func,
    literal,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.sql.dml import ReturningUpdate

from outdial import clock
from outdial.calls.claim import stream_token_hash
from outdial.calls.records import ATTEMPT_COLUMNS, CALL_COLUMNS, AttemptRecord, CallRecord
from outdial.calls.transfer_returns import Returned, awaited_return, note_returned
from outdial.calls.transfers import goes_on_elsewhere
from outdial.calls.workers import is_dead
from outdial.db import hot
from outdial.db.engine import autocommit, reading
from outdial.db.hot import Hot
from outdial.db.tables import agents, attempts, call_events, calls, turns
from outdial.lines.seats import has_seat_at, is_elsewhere
from outdial.telephony.failures import INTERRUPTED
from outdial.telephony.state import CallState, Ending, EndReason

logger = logging.getLogger(__name__)

INTERRUPTED_ENDING = Ending(end_reason=EndReason.FAILED, error=INTERRUPTED).to_json()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Whose attempts are: `owner`'s (a worker) for `lease_s`; the sweep looks at one that was silent for
    `silent_after_s`."""

    owner: str
    lease_s: float
    silent_after_s: float

    def columns(self) -> dict[str, Any]:
        """A lease runs out by the database's clock: by a host's that is behind it would have run out already."""
        return {
            "lease_until": func.now() + timedelta(seconds=self.lease_s),
            "check_at": clock.now() + timedelta(seconds=self.silent_after_s),
            "look_ups": 0,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A call whose audio has come to us. `noted` and `turns` are of earlier attempts, or from before the call was
    transferred; `returned`: it is back because that came to nothing. `disclosure`: what its agent has to disclose.
    `told_ago_ms`: how long we had known by then, by the database's clock, that the attempt was answered."""

    attempt: AttemptRecord
    call: CallRecord
    variables: dict[str, Any]
    noted: dict[str, Any]
    turns: int
    returned: Returned | None = None
    disclosure: str | None = None
    told_ago_ms: int | None = None

    @property
    def attempt_id(self) -> str:
        return self.attempt.id

    @property
    def returns(self) -> int:
        """How often the attempt has come back from transfers."""
        return self.returned.times if self.returned else 0


class StillHeld(Exception):
    """A call comes back while the conversation that transferred it is still being written down."""


async def take_stream(engine: AsyncEngine, attempt_id: str, token: str, lease: Lease) -> Answered | None:
    """Use the stream's token up and make the attempt the lease's owner's; None when the token isn't good (any more), or
    the attempt has its seat at a worker with another address.

    Raises StillHeld; then it is to be tried again in a moment.
    """
    async with hot.begin(engine) as conn:
        values = {
            "the_attempt": attempt_id,
            "token_hash": stream_token_hash(token),
            "the_owner": lease.owner,
            "lease": timedelta(seconds=lease.lease_s),
            "opened_at": clock.now(),
            "new_check_at": clock.now() + timedelta(seconds=lease.silent_after_s),
        }
        taken = await hot.execute(conn, _TAKE, values)
        attempt_row, returned = taken.mappings().one_or_none(), None
        if attempt_row is None:
            attempt_row, returned = await _take_back(conn, attempt_id, token, lease)
        if attempt_row is None:
            return None
        attempt = AttemptRecord.of(attempt_row)
        call_id = attempt.call_id
        of_call = {"the_call": call_id, "the_number": str(attempt.number)}
        row = (await hot.execute(conn, _CALL, of_call)).mappings().one()
        told_ago = row["told_ago"]
        return Answered(
            attempt=attempt,
            call=CallRecord.of(row),
            variables=row[calls.c.variables],
            noted=row[calls.c.noted],
            turns=row["turns"],
            returned=returned,
            disclosure=row["to_disclose"],
            told_ago_ms=None if told_ago is None else round(told_ago.total_seconds() * 1000),
        )


async def _take_back(
    conn: AsyncConnection, attempt_id: str, token: str, lease: Lease
) -> tuple[RowMapping, Returned] | tuple[None, None]:
    """The same for a stream by which a call comes back from a transfer: the attempt, and what it comes back from.

    Nobody owns an attempt once the conversation before is written down: only then are its turns and what it noted what
    the next one goes on from. That one has a result of its own.
    """
    live = (
        attempts.c.id == attempt_id,
        attempts.c.state != CallState.ENDED,
        attempts.c.ending.is_(None),
        ~is_elsewhere(attempts.c.id, lease.owner),
    )
    before = await conn.execute(select(attempts.c.owner, attempts.c.result_at).where(*live).with_for_update())
    row = before.mappings().one_or_none()
    transfer = None if row is None else await awaited_return(conn, attempt_id, token)
    if row is None or transfer is None:
        return None, None
    if row[attempts.c.owner] is not None:
        raise StillHeld
    values = {"owner": lease.owner, "result_at": None, **lease.columns()}
    taking = update(attempts).where(attempts.c.id == attempt_id).values(**values).returning(*ATTEMPT_COLUMNS)
    taken = (await conn.execute(taking)).mappings().one()
    returned = await note_returned(
        conn, transfer, attempt_number=taken[attempts.c.number], result_at=row[attempts.c.result_at]
    )
    return taken, returned


async def renew_leases(engine: AsyncEngine, attempt_ids: Collection[str], lease: Lease) -> None:
    """Say that their owner lives and talks."""
    async with autocommit(engine) as conn:
        await conn.execute(
            update(attempts)
            .where(
                attempts.c.id.in_(attempt_ids),
                attempts.c.state != CallState.ENDED,
                attempts.c.owner == lease.owner,  # not taken over while we couldn't say that we live
            )
            .values(**lease.columns())
        )


async def taken_from(engine: AsyncEngine, attempt_ids: Collection[str], lease: Lease) -> list[str]:
    """Those of these attempts that somebody has taken over from the lease's owner, whom they had to take for dead."""
    query = select(attempts.c.id).where(
        attempts.c.id.in_(attempt_ids),
        attempts.c.state != CallState.ENDED,
        attempts.c.owner != lease.owner,
        attempts.c.taken_over_at.is_not(None),
    )
    async with reading(engine) as conn:
        return list((await conn.execute(query)).scalars())


async def not_answered(engine: AsyncEngine, owner: str) -> int:
    """How many live attempts of a worker, or that have a seat there, wait for their audio: being dialled, ringing, or
    answered just now."""
    query = select(func.count()).where(
        or_(attempts.c.owner == owner, has_seat_at(attempts.c.id, owner)),
        attempts.c.state != CallState.ENDED,
        attempts.c.stream_opened_at.is_(None),
        attempts.c.unknown_since.is_(None),  # nobody can tell how long that lasts
    )
    async with reading(engine) as conn:
        return int(await conn.scalar(query) or 0)


async def unattended(engine: AsyncEngine, lease: Lease) -> list[str]:
    """Attempts whose audio the owner has opened and whose lease has run out all the same: it holds no conversation
    of theirs, and nobody else may take them over while it lives."""
    query = select(attempts.c.id).where(
        attempts.c.owner == lease.owner,
        attempts.c.state != CallState.ENDED,
        attempts.c.stream_opened_at.is_not(None),
        attempts.c.lease_until < func.now(),
        attempts.c.ending.is_(None),  # else the sweep ends it
        not_(goes_on_elsewhere()),
    )
    async with reading(engine) as conn:
        return list((await conn.execute(query)).scalars())


async def let_go_transferred(engine: AsyncEngine, lease: Lease, *, held: Collection[str]) -> None:
    """Own no attempt any more whose callee is connected elsewhere, though its conversation's result could not be
    written. `held`: attempts whose conversation isn't over yet."""
    async with autocommit(engine) as conn:
        await conn.execute(
            update(attempts)
            .where(
                attempts.c.owner == lease.owner,
                attempts.c.state != CallState.ENDED,
                attempts.c.lease_until < func.now(),
                attempts.c.id.not_in(held),
                goes_on_elsewhere(),
            )
            .values(owner=None)
        )


async def take_over(engine: AsyncEngine, new_owner: str, *, lease_s: float) -> bool:
    """Make the attempts of dead workers `new_owner`'s; whether there were any.

    Dead: the lease has expired and the worker's lock is free.
    """
    now = func.now()
    live = and_(attempts.c.state != CallState.ENDED, attempts.c.lease_until < now)
    took_over = False
    async with engine.begin() as conn:
        owners = select(attempts.c.owner).where(live, attempts.c.owner.not_in([new_owner])).distinct()
        for owner in (await conn.execute(owners)).scalars().all():
            if not await is_dead(conn, owner):
                continue
            taken = await conn.execute(
                update(attempts)
                .where(live, attempts.c.owner == owner)
                .values(
                    owner=case((goes_on_elsewhere(), None), else_=new_owner),  # the other party may be talking
                    taken_over_at=now,
                    lease_until=now + timedelta(seconds=lease_s),
                    check_at=now,
                    look_ups=0,
                    # Talking when its worker died: the conversation is lost.
                    ending=case(
                        (
                            and_(
                                attempts.c.stream_opened_at.is_not(None),
                                attempts.c.ending.is_(None),
                                not_(goes_on_elsewhere()),
                            ),
                            literal(INTERRUPTED_ENDING, JSONB),
                        ),
                        else_=attempts.c.ending,
                    ),
                    # Never accepted, as far as we know: perhaps it rings.
                    unknown_since=case(
                        (attempts.c.carrier_call_id.is_(None), func.coalesce(attempts.c.unknown_since, now)),
                        else_=attempts.c.unknown_since,
                    ),
                )
            )
            took_over = True
            logger.warning("Calls of a dead worker taken over", extra={"worker": owner, "count": taken.rowcount})
    return took_over


# -- statements, built once: building them takes longer than running them --------------------------------------


def _taking() -> ReturningUpdate[Any]:
    owner, instant = bindparam("the_owner", type_=Text), DateTime(timezone=True)
    return (
        update(attempts)
        .where(
            attempts.c.id == bindparam("the_attempt", type_=Text),
            attempts.c.stream_token_hash == bindparam("token_hash", type_=LargeBinary),
            attempts.c.stream_opened_at.is_(None),
            attempts.c.state != CallState.ENDED,
            ~is_elsewhere(attempts.c.id, owner),
        )
        .values(  # as Lease.columns has them
            stream_opened_at=bindparam("opened_at", type_=instant),
            owner=owner,
            lease_until=func.now() + bindparam("lease", type_=Interval),
            check_at=bindparam("new_check_at", type_=instant),
            look_ups=0,
        )
        .returning(*ATTEMPT_COLUMNS)
    )


def _call_of_stream() -> Select[Any]:
    said = select(func.coalesce(func.max(turns.c.seq), 0)).where(turns.c.call_id == calls.c.id)
    disclosure = select(agents.c.disclosure).where(agents.c.id == calls.c.agent_id).scalar_subquery()
    told = select(func.clock_timestamp() - func.min(call_events.c.at)).where(  # at: not data's, which is a carrier's
        call_events.c.call_id == calls.c.id,
        call_events.c.type == "state",
        call_events.c.data["state"].astext == CallState.IN_PROGRESS,
        call_events.c.data["attempt"].astext == bindparam("the_number", type_=Text),
    )
    told_ago = told.scalar_subquery().label("told_ago")
    more = (said.scalar_subquery().label("turns"), disclosure.label("to_disclose"), told_ago)
    query = select(*CALL_COLUMNS, calls.c.variables, calls.c.noted, *more)
    return query.where(calls.c.id == bindparam("the_call", type_=Text))


_TAKE, _CALL = Hot(_taking()), Hot(_call_of_stream())
