"""The sweep: whatever was lost (a callback, a reply, a process), every call is brought to its true end.

It asks the carrier about calls that were silent too long, takes over the calls of dead workers, resolves dials
of unknown outcome, and holds ring time and call length to their limits. All by the same events callbacks bring.
"""

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, and_, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.accounts.clients import OpenCarrier
from outdial.calls.advance import (
    announce_ending,
    apply_event,
    carrier_call,
    end_call,
    locked,
    queue_again,
    record_price,
)
from outdial.calls.claim import expire_call
from outdial.calls.takeover import take_over
from outdial.calls.workers import forget_dead_workers
from outdial.carriers.calls import CarrierRecord
from outdial.carriers.errors import CarrierError, CarrierRefused
from outdial.db.engine import reading
from outdial.db.notify import Notifications
from outdial.db.tables import attempts, calls
from outdial.dispatch.hanging_up import hang_up
from outdial.dispatch.limits import must_be_over, overdue_end
from outdial.lines.audit import audit_pools
from outdial.live.recordings import finish_recordings
from outdial.settings import Settings
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.state import CallState, EndReason, Progress

logger = logging.getLogger(__name__)

LIMIT = 200             # attempts a sweep
AT_ONCE = 10            # requests to carriers at the same time
CLOCK_SKEW = timedelta(seconds=60)
LONGEST_CALL = timedelta(days=1)  # and some time more: carriers' logs tell of a call after its end, too
AUDIT_EVERY_S = 60.0

NEVER_PLACED = CallError(
    code=FailureCode.NEVER_PLACED, message="The carrier has no record of this dial; it was never placed."
)
OUTCOME_UNKNOWN = CallError(
    code=FailureCode.OUTCOME_UNKNOWN, message="The carrier could not say what became of this call."
)


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
        wanted = set(self._wanted)
        if not wanted:
            return
        asked = select(calls.c.id).where(calls.c.id.in_(wanted), calls.c.hang_up_requested_at.is_not(None))
        async with self._engine.begin() as conn:
            await conn.execute(
                update(attempts)
                .where(
                    attempts.c.call_id.in_(asked),
                    attempts.c.state != CallState.ENDED,
                    or_(attempts.c.stream_opened_at.is_(None), attempts.c.owner.is_(None)),
                )
                .values(check_at=datetime.now(UTC))
            )
        self._wanted -= wanted

    async def sweep(self) -> None:
        """One round over everything."""
        await self._expire_queued()
        if await take_over(self._engine, self._owner, lease_s=self._settings.lease_s):
            await finish_recordings(self._engine, self._settings.data_dir)
        rows = await self._due_attempts()
        await asyncio.gather(*(self._check(row) for row in rows))
        await asyncio.gather(*(self._ask_price(row) for row in await self._unpriced()))
        now = datetime.now(UTC)
        if self._audited is None or now - self._audited > timedelta(seconds=AUDIT_EVERY_S):
            self._audited = now
            await audit_pools(self._engine)
            await forget_dead_workers(self._engine)
            await finish_recordings(self._engine, self._settings.data_dir)

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

    # -- one attempt -----------------------------------------------------------------------------------------

    async def _due_attempts(self) -> list[Row[Any]]:
        """Live attempts that are due for a look, or past one of their limits. Each is put off for the next sweeper."""
        now = datetime.now(UTC)
        query = (
            _with_call()
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

    async def _again(self, row: Row[Any]) -> Row[Any]:
        """The attempt as it is now. Asking the carrier takes a while, in which people answer and streams open."""
        async with reading(self._engine) as conn:
            now: Row[Any] = (await conn.execute(_with_call().where(attempts.c.id == row.id))).one()
        return now

    async def _check(self, row: Row[Any]) -> None:
        async with self._slots:
            try:
                call = carrier_call(row)
                if call is None:
                    await self._resolve_unknown(row)
                else:
                    await self._ask(row, call)
            except CarrierError as error:
                logger.warning("Carrier can't say", extra={"attempt_id": row.id, **error.codes})
                await self._end_untold(row)
            except Exception:
                logger.exception("Attempt not checked", extra={"attempt_id": row.id})

    async def _ask(self, row: Row[Any], call: CarrierCall) -> None:
        """Look the call up; end it when it should have ended."""
        carrier = await self._open_carrier(row.carrier_account_id)
        try:
            record = await carrier.look_up(call)
        except CarrierRefused:
            # A carrier may forget a call; when asked to end it, it confirms that there is nothing to end.
            if row.ending is None or not await self._hang_up(row):
                raise
            return
        if record.verdict is not None:
            await apply_event(self._engine, row.id, record.verdict)
        if record.price is not None:
            await record_price(self._engine, row.id, record.price)
        await apply_event(self._engine, row.id, record.progress, check_in_s=self._settings.silent_after_s)
        if record.progress.state is CallState.ENDED:
            return
        row = await self._again(row)
        if row.state == CallState.ENDED:
            return
        overdue = row.ending is not None or await self._note_overdue(row, record.progress.state)
        if overdue and not await self._hang_up(row):
            await self._look_again_soon(row)

    async def _hang_up(self, row: Row[Any]) -> bool:
        """End a call whose end reason is noted; False when the carrier doesn't."""
        if not await hang_up(self._engine, self._open_carrier, row.id, tries=1):
            return False
        ended = Progress(state=CallState.ENDED, at=datetime.now(UTC), end_reason=EndReason.COMPLETED)
        await apply_event(self._engine, row.id, ended)  # with the reason noted
        return True

    async def _note_overdue(self, row: Row[Any], state: CallState) -> bool:
        """Whether the call has outlived a limit; if so its end reason is noted."""
        end = overdue_end(row, state, datetime.now(UTC), self._settings.stream_start_timeout_s)
        if end is None:
            return False
        await announce_ending(self._engine, row.id, *end)
        return True

    # -- prices ----------------------------------------------------------------------------------------------

    async def _unpriced(self) -> list[Row[Any]]:
        """Ended attempts whose price the carrier may know by now. Each is asked for once."""
        due = (
            select(attempts.c.id)
            .where(attempts.c.price_due_at <= func.now())
            .limit(LIMIT)
            .with_for_update(skip_locked=True)
        )
        async with self._engine.begin() as conn:
            taken = await conn.execute(
                update(attempts).where(attempts.c.id.in_(due)).values(price_due_at=None).returning(attempts)
            )
            return list(taken.all())

    async def _ask_price(self, row: Row[Any]) -> None:
        call = carrier_call(row)
        if call is None or row.carrier_account_id is None or row.price is not None:
            return
        async with self._slots:
            try:
                carrier = await self._open_carrier(row.carrier_account_id)
                price = (await carrier.look_up(call)).price
                if price is not None:
                    await record_price(self._engine, row.id, price)
            except CarrierError as error:
                logger.info("Carrier can't say a price", extra={"attempt_id": row.id, **error.codes})
            except Exception:
                logger.exception("Price not recorded", extra={"attempt_id": row.id})

    # -- dials of unknown outcome ----------------------------------------------------------------------------

    async def _resolve_unknown(self, row: Row[Any]) -> None:
        """Find the call in the carrier's books: adopt it, or, when it surely isn't there, queue it again."""
        if row.unknown_since is None and row.state == CallState.DIALING and row.stream_opened_at is None:
            return  # its worker dials, or is frozen and will; a dead worker's attempts are marked by take_over
        carrier = await self._open_carrier(row.carrier_account_id)
        # The carrier's clock isn't ours; calls of other attempts are told apart by their ids, not by time.
        since = row.created_at - CLOCK_SKEW
        found = await carrier.find(ref=row.id, to=row.to, from_=row.caller, since=since)
        unclaimed, has_rivals = await self._unclaimed(row, found)
        match unclaimed:
            case [] if self._is_settled(row):
                await self._queue_again(row)
            case [record] if not has_rivals:
                await self._adopt(row, record)
            case [_, *_]:
                logger.warning("Can't tell which call is which; left unknown", extra={"attempt_id": row.id})
        await self._end_untold(row)

    def _is_settled(self, row: Row[Any]) -> bool:
        """Whether the carrier's books can be believed: counted from when nobody could be dialling any more, on the
        database's clock."""
        return row.unknown_since is not None and row.now - row.unknown_since > timedelta(
            seconds=self._settings.settle_s
        )

    async def _unclaimed(self, row: Row[Any], found: list[CarrierRecord]) -> tuple[list[CarrierRecord], bool]:
        """The records no attempt has yet, and whether another attempt with the same numbers may be looking for its
        own. Asked after the carrier: who dialled before its answer is on record by now.

        A carrier's log may know an ended call by something else than its id: by one of the `refs` we have of it.
        """
        known = attempts.c.carrier_call_id
        maybe_ours = or_(
            and_(known.is_(None), attempts.c.state != CallState.ENDED),
            and_(known.is_not(None), attempts.c.created_at > row.created_at - LONGEST_CALL),
        )
        query = (
            select(known, attempts.c.carrier_refs)
            .join(calls, calls.c.id == attempts.c.call_id)
            .where(
                attempts.c.carrier == row.carrier,
                attempts.c.id != row.id,
                or_(
                    known.in_([record.call.id for record in found]),
                    and_(calls.c.to == row.to, calls.c.from_ == row.caller, maybe_ours),
                ),
            )
        )
        async with reading(self._engine) as conn:
            theirs = (await conn.execute(query)).all()
        claimed = {name for each in theirs for name in (each.carrier_call_id, *each.carrier_refs.values())}
        return [record for record in found if record.call.id not in claimed], None in claimed

    async def _adopt(self, row: Row[Any], record: CarrierRecord) -> None:
        try:
            progress = replace(record.progress, carrier_call=record.call)
            await apply_event(self._engine, row.id, progress, check_in_s=self._settings.silent_after_s)
        except IntegrityError:
            return  # another attempt was quicker; look again
        logger.info("Found a dial of unknown outcome", extra={"attempt_id": row.id})

    async def _queue_again(self, row: Row[Any]) -> None:
        """The carrier has no such call and nothing arrived in time: it was never placed. It stays on record."""
        now = datetime.now(UTC)
        error = NEVER_PLACED.to_json()
        async with self._engine.begin() as conn:
            attempt = await locked(conn, row.id)
            if attempt is None or attempt.state != CallState.DIALING or attempt.carrier_call_id is not None:
                return  # a callback has just come, or another sweep was quicker
            await conn.execute(
                update(attempts)
                .where(attempts.c.id == row.id)
                .values(
                    state=CallState.ENDED, end_reason=EndReason.FAILED, error=error, ended_at=now, unknown_since=None
                )
            )
            if attempt.hang_up_requested_at is not None:
                await end_call(conn, attempt, EndReason.CANCELED, None, ended_at=now)
            else:
                await queue_again(conn, attempt, now, {"error": error})

    async def _end_untold(self, row: Row[Any]) -> None:
        """End a call the carrier tells nothing about, when it must have ended by itself long ago."""
        if not must_be_over(row, datetime.now(UTC)):
            await self._look_again_soon(row)
            return
        # Where we know why it ended (row.ending), that is what apply_event makes of "completed".
        reason, error = (EndReason.COMPLETED, None) if row.ending else (EndReason.FAILED, OUTCOME_UNKNOWN)
        ended = Progress(state=CallState.ENDED, at=datetime.now(UTC), end_reason=reason, error=error)
        await apply_event(self._engine, row.id, ended)

    async def _look_again_soon(self, row: Row[Any]) -> None:
        soon = datetime.now(UTC) + timedelta(seconds=self._settings.sweep_every_s)
        async with self._engine.begin() as conn:
            await conn.execute(
                update(attempts)
                .where(attempts.c.id == row.id, attempts.c.state != CallState.ENDED)
                .values(check_at=func.least(attempts.c.check_at, soon))
            )


def _with_call() -> Select[Any]:
    """Attempts with what a look at them needs to know of their calls."""
    return select(
        attempts,
        func.now().label("now"),
        calls.c.workspace_id,
        calls.c.direction,
        calls.c.to,
        calls.c.from_.label("caller"),
        calls.c.ring_timeout_s,
        calls.c.max_duration_s,
        calls.c.hang_up_requested_at,
    ).join(calls, calls.c.id == attempts.c.call_id)
