"""The sweep: whatever was lost (a callback, a reply, a process), every call is brought to its true end.

It asks the carrier about calls that were silent too long, takes over the calls of dead workers, resolves dials
of unknown outcome, and holds ring time and call length to their limits. All by the same events callbacks bring.
"""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row, and_, case, func, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.calls.admission import expire_call
from outdial.calls.dialing import OpenCarrier
from outdial.calls.feed import add_event, notify
from outdial.calls.live import hang_up
from outdial.calls.state import CallDirection, CallError, CallState, CarrierCall, EndReason, Progress
from outdial.calls.transitions import announce_ending, apply_event, carrier_call, record_price, release_line
from outdial.calls.workers import forget_dead_workers, is_dead
from outdial.carriers.base import CarrierError, CarrierRecord
from outdial.db.notify import Notifications
from outdial.db.tables import attempts, calls, pools
from outdial.settings import Settings

logger = logging.getLogger(__name__)

LIMIT = 200             # attempts a sweep
AT_ONCE = 10            # requests to carriers at the same time
RING_GRACE_S = 5.0      # carriers add a little to the ring time they are given
NO_RING_GRACE_S = 30.0  # until the phone rings at all, where the carrier tells us that it does
LENGTH_GRACE_S = 10.0
CLOCK_SKEW = timedelta(seconds=60)
AUDIT_EVERY_S = 60.0

INTERRUPTED = CallError(
    code="interrupted", message="Outdial stopped while this call was in progress, so the call was ended."
)
INTERRUPTED_ENDING = {
    "end_reason": EndReason.FAILED,
    "error": {"code": INTERRUPTED.code, "message": INTERRUPTED.message},
}


class Sweep:
    """Looks after calls nobody else looks after. Any number of processes may sweep the same database."""

    def __init__(
        self,
        engine: AsyncEngine,
        settings: Settings,
        notifications: Notifications,
        open_carrier: OpenCarrier,
        *,
        owner: str,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._notifications = notifications
        self._open_carrier = open_carrier
        self._owner = owner
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._audited: datetime | None = None
        self._wanted: set[str] = set()  # calls somebody wants something of (to be hung up)
        self._woken = asyncio.Event()

    async def run(self) -> None:
        """Sweep until cancelled: regularly, and at once when a call that no conversation holds is to be hung up."""
        unsubscribe = self._notifications.subscribe("outdial_control", self._want)
        try:
            while True:
                self._woken.clear()
                try:
                    await self._hurry()
                    await self.sweep()
                except Exception:
                    logger.exception("Sweep failed; trying again")
                try:
                    async with asyncio.timeout(self._settings.sweep_every_s):
                        await self._woken.wait()
                except TimeoutError:
                    pass
        finally:
            unsubscribe()

    def _want(self, call_id: str) -> None:
        if call_id:
            self._wanted.add(call_id)
            self._woken.set()

    async def _hurry(self) -> None:
        """Have the calls that are to be hung up looked at now, where no conversation does it."""
        wanted, self._wanted = self._wanted, set()
        if not wanted:
            return
        asked = select(calls.c.id).where(calls.c.id.in_(wanted), calls.c.hang_up_requested_at.is_not(None))
        async with self._engine.begin() as conn:
            await conn.execute(
                update(attempts)
                .where(
                    attempts.c.call_id.in_(asked),
                    attempts.c.state != CallState.ENDED,
                    attempts.c.stream_opened_at.is_(None),
                )
                .values(check_at=datetime.now(UTC))
            )

    async def sweep(self) -> None:
        """One round over everything."""
        await self._expire_queued()
        await self._take_over()
        rows = await self._due_attempts()
        await asyncio.gather(*(self._check(row) for row in rows))
        now = datetime.now(UTC)
        if self._audited is None or now - self._audited > timedelta(seconds=AUDIT_EVERY_S):
            self._audited = now
            await audit_pools(self._engine)
            await forget_dead_workers(self._engine)

    async def _expire_queued(self) -> None:
        now = datetime.now(UTC)
        async with self._engine.begin() as conn:
            query = (
                select(calls.c.id)
                .where(calls.c.state == CallState.QUEUED, calls.c.expires_at <= now)
                .limit(LIMIT)
                .with_for_update(skip_locked=True)
            )
            for call_id in (await conn.execute(query)).scalars().all():
                await expire_call(conn, call_id, now)

    # -- dead workers ----------------------------------------------------------------------------------------

    async def _take_over(self) -> None:
        """Make the attempts of dead workers ours: the lease has expired and the owner's lock is free."""
        now = datetime.now(UTC)
        live = and_(attempts.c.state != CallState.ENDED, attempts.c.lease_until < now)
        async with self._engine.begin() as conn:
            owners = select(attempts.c.owner).where(live, attempts.c.owner.not_in([self._owner])).distinct()
            for owner in (await conn.execute(owners)).scalars().all():
                if not await is_dead(conn, owner):
                    continue
                taken = await conn.execute(
                    update(attempts)
                    .where(live, attempts.c.owner == owner)
                    .values(
                        owner=self._owner,
                        lease_until=now + timedelta(seconds=self._settings.lease_s),
                        check_at=now,
                        # Talking when its worker died: the conversation is lost.
                        ending=case(
                            (
                                and_(attempts.c.stream_opened_at.is_not(None), attempts.c.ending.is_(None)),
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
                logger.warning("Took over calls of a dead worker", extra={"worker": owner, "count": taken.rowcount})

    # -- one attempt -----------------------------------------------------------------------------------------

    async def _due_attempts(self) -> list[Row[Any]]:
        """Live attempts that are due for a look, or past one of their limits. Each is put off for the next sweeper."""
        now = datetime.now(UTC)
        query = (
            select(
                attempts,
                calls.c.workspace_id,
                calls.c.to,
                calls.c.from_.label("caller"),
                calls.c.ring_timeout_s,
                calls.c.max_duration_s,
                calls.c.hang_up_requested_at,
            )
            .join(calls, calls.c.id == attempts.c.call_id)
            .where(attempts.c.state != CallState.ENDED, attempts.c.check_at <= now)
            .order_by(attempts.c.check_at)
            .limit(LIMIT)
            .with_for_update(of=attempts, skip_locked=True)
        )
        async with self._engine.begin() as conn:
            rows = list((await conn.execute(query)).all())
            if rows:
                put_off = now + timedelta(seconds=self._settings.silent_after_s)
                ids = [row.id for row in rows]
                await conn.execute(update(attempts).where(attempts.c.id.in_(ids)).values(check_at=put_off))
        return rows

    async def _check(self, row: Row[Any]) -> None:
        async with self._slots:
            try:
                call = carrier_call(row)
                if call is None:
                    await self._resolve_unknown(row)
                else:
                    await self._ask(row, call)
            except CarrierError as error:
                logger.warning("Carrier can't say", extra={"attempt_id": row.id, "code": error.code})
            except Exception:
                logger.exception("Attempt not checked", extra={"attempt_id": row.id})

    async def _ask(self, row: Row[Any], call: CarrierCall) -> None:
        """Look the call up; end it when it should have ended."""
        carrier = await self._open_carrier(row.carrier_account_id)
        record = await carrier.look_up(call)
        if record.verdict is not None:
            await apply_event(self._engine, row.id, record.verdict)
        if record.price is not None:
            await record_price(self._engine, row.id, record.price)
        await apply_event(self._engine, row.id, record.progress, check_in_s=self._settings.silent_after_s)
        if record.progress.state is CallState.ENDED:
            return
        overdue = row.ending is not None or await self._note_overdue(row, record.progress.state)
        if overdue and await hang_up(self._engine, self._open_carrier, row.id, tries=1):
            ended = Progress(state=CallState.ENDED, at=datetime.now(UTC), end_reason=EndReason.COMPLETED)
            await apply_event(self._engine, row.id, ended)  # with the reason noted

    async def _note_overdue(self, row: Row[Any], state: CallState) -> bool:
        """Whether the call has outlived a limit; if so its end reason is noted."""
        end = overdue_end(row, state, datetime.now(UTC), self._settings.stream_start_timeout_s)
        if end is None:
            return False
        await announce_ending(self._engine, row.id, *end)
        return True

    # -- dials of unknown outcome ----------------------------------------------------------------------------

    async def _resolve_unknown(self, row: Row[Any]) -> None:
        """Find the call in the carrier's books: adopt it, or, when it surely isn't there, queue it again."""
        now = datetime.now(UTC)
        if row.unknown_since is None:
            if row.lease_until is not None and row.lease_until > now:
                return  # its dial is under way
            await self._mark_unknown(row, now)
        carrier = await self._open_carrier(row.carrier_account_id)
        # The carrier's clock isn't ours; calls of other attempts are told apart by their ids, not by time.
        since = row.created_at - CLOCK_SKEW
        found = await carrier.find(ref=row.id, to=row.to, from_=row.caller, since=since)
        unclaimed = [record for record in found if not await self._is_claimed(row, record)]
        match unclaimed:
            case [record]:
                await self._adopt(row, record)
            case [] if now - row.created_at > timedelta(seconds=self._settings.settle_s):
                await self._queue_again(row)
            case [_, _, *_]:
                logger.warning("Several calls could be this one; left unknown", extra={"attempt_id": row.id})
        await self._look_again_soon(row)

    async def _mark_unknown(self, row: Row[Any], now: datetime) -> None:
        async with self._engine.begin() as conn:
            await conn.execute(update(attempts).where(attempts.c.id == row.id).values(unknown_since=now))
            await add_event(conn, row.call_id, "unknown", {"attempt": row.number})

    async def _is_claimed(self, row: Row[Any], record: CarrierRecord) -> bool:
        query = select(attempts.c.id).where(
            attempts.c.carrier == row.carrier, attempts.c.carrier_call_id == record.call.id
        )
        async with self._engine.connect() as conn:
            return (await conn.execute(query)).first() is not None

    async def _adopt(self, row: Row[Any], record: CarrierRecord) -> None:
        try:
            await apply_event(self._engine, row.id, record.progress)
        except IntegrityError:
            return  # another attempt was quicker; look again
        logger.info("Found a dial of unknown outcome", extra={"attempt_id": row.id})

    async def _queue_again(self, row: Row[Any]) -> None:
        """The carrier has no such call and nothing arrived in time: it was never placed. It stays on record."""
        now = datetime.now(UTC)
        error = {"code": "never_placed", "message": "The carrier has no record of this dial; it was never placed."}
        async with self._engine.begin() as conn:
            call = select(calls.c.id).where(calls.c.id == row.call_id).with_for_update()
            await conn.execute(call)
            ended = await conn.execute(
                update(attempts)
                .where(
                    attempts.c.id == row.id,
                    attempts.c.carrier_call_id.is_(None),  # a callback may just have come
                    attempts.c.state == CallState.DIALING,
                )
                .values(
                    state=CallState.ENDED, end_reason=EndReason.FAILED, error=error, ended_at=now, unknown_since=None
                )
            )
            if not ended.rowcount:
                return
            wants_end = row.hang_up_requested_at is not None
            values: dict[str, Any] = {"state": CallState.QUEUED, "holds_line": False, "due_at": now}
            if wants_end:
                values |= {"state": CallState.ENDED, "end_reason": EndReason.CANCELED, "ended_at": now}
            await conn.execute(update(calls).where(calls.c.id == row.call_id).values(**values))
            await release_line(conn, row.workspace_id, CallDirection.OUTBOUND)
            data = {"state": values["state"], "attempt": row.number, "error": error}
            if wants_end:
                data["end_reason"] = EndReason.CANCELED
            await add_event(conn, row.call_id, "state", data)
            await notify(conn, "outdial_queue", row.workspace_id)

    async def _look_again_soon(self, row: Row[Any]) -> None:
        soon = datetime.now(UTC) + timedelta(seconds=self._settings.sweep_every_s)
        async with self._engine.begin() as conn:
            await conn.execute(
                update(attempts)
                .where(attempts.c.id == row.id, attempts.c.carrier_call_id.is_(None))
                .values(check_at=soon)
            )


def overdue_end(
    row: Any, state: CallState, now: datetime, stream_start_timeout_s: float
) -> tuple[EndReason, CallError | None] | None:
    """Why an attempt that the carrier says is in `state` must be ended now; None while it may go on.

    `row` has the attempt's instants and its call's limits.
    """
    if row.hang_up_requested_at is not None:
        answered = state is CallState.IN_PROGRESS
        return (EndReason.COMPLETED if answered else EndReason.CANCELED), None
    if state is not CallState.IN_PROGRESS:
        if row.ringing_at is not None:
            limit_at = row.ringing_at + timedelta(seconds=row.ring_timeout_s + RING_GRACE_S)
        else:
            limit_at = row.created_at + timedelta(seconds=row.ring_timeout_s + NO_RING_GRACE_S)
        return (EndReason.NO_ANSWER, None) if now > limit_at else None
    answered_at = row.answered_at or row.created_at
    if row.stream_opened_at is None and now > answered_at + timedelta(seconds=stream_start_timeout_s):
        message = "The call was answered, but the carrier opened no audio connection to Outdial."
        return EndReason.FAILED, CallError(code="no_media", message=message)
    if now > answered_at + timedelta(seconds=row.max_duration_s + LENGTH_GRACE_S):
        return EndReason.COMPLETED, None
    return None


async def audit_pools(engine: AsyncEngine) -> None:
    """Recount the lines in use. A difference is a bug: it is logged loudly, and mended."""
    holders = (
        select(
            calls.c.workspace_id,
            func.count().filter(calls.c.direction == CallDirection.OUTBOUND).label("outbound"),
            func.count().filter(calls.c.direction == CallDirection.INBOUND).label("inbound"),
        )
        .where(calls.c.holds_line)
        .group_by(calls.c.workspace_id)
    )
    async with engine.begin() as conn:
        rows = (await conn.execute(select(pools).order_by(pools.c.workspace_id).with_for_update())).all()
        counted = {row.workspace_id: row for row in (await conn.execute(holders)).all()}
        for pool in rows:
            found = counted.get(pool.workspace_id)
            used = {
                "used_outbound": found.outbound if found else 0,
                "used_inbound": found.inbound if found else 0,
            }
            if (pool.used_outbound, pool.used_inbound) != (used["used_outbound"], used["used_inbound"]):
                logger.error("Lines miscounted", extra={"workspace_id": pool.workspace_id, **used})
                mend = update(pools).where(pools.c.workspace_id == pool.workspace_id).values(**used)
                await conn.execute(mend)
                await notify(conn, "outdial_queue", pool.workspace_id)
