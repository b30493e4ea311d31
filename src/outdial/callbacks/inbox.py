"""Carrier callbacks: verified, stored and answered at once; what they mean is worked out at our own pace.

A stored callback is handled by one process, each attempt's in the order they came: whoever has the attempt locked
handles the oldest. Its effect and the note that it was handled are one transaction.
"""

import asyncio
import logging
from collections.abc import Mapping
from enum import StrEnum

from sqlalchemy import BigInteger, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial import clock, logs
from outdial.accounts.clients import OpenCarrier
from outdial.accounts.genuine import Genuine
from outdial.background import Background
from outdial.callbacks.claiming import NotClaimed, Stored, claim_oldest
from outdial.calls.advance import apply, note_ending_in, note_stream_failed
from outdial.calls.prices import keep_price
from outdial.calls.records import Held
from outdial.calls.transfers import has_transfers
from outdial.carriers.callbacks import BadCallback, Callback, CallbackReply
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS
from outdial.db import hot
from outdial.db.clearing import Clearing
from outdial.db.engine import autocommit, is_lock_timeout, reading
from outdial.db.hot import Hot
from outdial.db.storing import storing
from outdial.db.tables import attempts, callbacks, calls
from outdial.db.trouble import tell_trouble
from outdial.db.wake import Wake
from outdial.dispatch.second_legs import SecondLegs, Work, second_leg_of
from outdial.dispatch.transfers import Transfers, apology_ending, way_back
from outdial.settings import Settings
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.state import CallState, Progress
from outdial.telephony.transfer import TransferResult

logger = logging.getLogger(__name__)

AT_ONCE = 8                         # attempts whose callbacks are handled at the same time
LEFT_AT_ONCE = 100
BUSY_WAITS_S = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
TRY_AGAIN_S = 1.0
FINISH_S = 5.0

# Handled, and of attempts that have ended: of others they also tell a replay from something new.
OLD_CALLBACKS = Clearing(
    table=callbacks,
    since=callbacks.c.received_at,
    over=callbacks.c.handled_at.is_not(None)
    & ~select(attempts.c.id)
    .where(attempts.c.id == callbacks.c.attempt_id, attempts.c.state != CallState.ENDED)
    .exists(),
    in_order=callbacks.c.id,
)

NOT_HANDLED = "Callbacks not handled; trying again"


class Received(StrEnum):
    STORED = "stored"
    UNKNOWN = "unknown"   # no such attempt
    FORGED = "forged"     # no valid signature
    BAD = "bad"           # signed, but not of the carrier's form


class _Busy(Exception):
    """Somebody else is at the attempt, or at the pool that its line goes back to."""


class Inbox:
    """Takes callbacks in and works through them."""

    def __init__(self, engine: AsyncEngine, settings: Settings, genuine: Genuine, open_carrier: OpenCarrier) -> None:
        self._engine = engine
        self._settings = settings
        self._genuine = genuine
        self._transfers = Transfers(engine, settings, open_carrier)
        self._second_legs = SecondLegs(engine, open_carrier)
        self._arrived = Wake()                # ids of attempts
        self._arrived.tell()                  # callbacks of an earlier process
        self._stored: dict[str, set[int]] = {}  # callbacks that came here and wait: their ids, by attempt
        self._at_work: set[str] = set()       # attempts whose callbacks are being handled; "": what is left
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._background = Background()

    async def receive(
        self, *, carrier: CarrierName, attempt_id: str, kind: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> Received:
        """Verify and store. `url` is the public URL the carrier was told; a repeat is stored once."""
        account = await self._genuine.account_of_attempt(carrier, attempt_id)
        if account is None:
            return Received.UNKNOWN
        _, told_kind = second_leg_of(kind)
        if not await self._genuine.callback(account, url=url, headers=headers, body=body):
            return Received.FORGED
        try:
            callback = account.kind.parse(told_kind, body, headers=headers, received_at=clock.now())
        except BadCallback as error:
            logger.warning("Callback not understood", extra={"attempt_id": attempt_id, "reason": str(error)})
            return Received.BAD
        try:
            await self.store(attempt_id, kind, callback, headers=headers, body=body)
        except IntegrityError:  # its attempt was taken back meanwhile: never sent, as far as we knew
            return Received.UNKNOWN
        return Received.STORED

    async def store(
        self, attempt_id: str, kind: str, callback: Callback, *, headers: Mapping[str, str], body: bytes
    ) -> None:
        """Keep a verified callback, to be worked through; a repeat is kept once."""
        kept = {
            "new_attempt_id": attempt_id,
            "new_kind": kind,
            "new_dedupe_key": callback.dedupe_key,
            "new_headers": {name.lower(): value for name, value in headers.items() if _worth_keeping(name)},
            "new_body": body.decode("utf-8", "replace").replace("\0", ""),
        }
        async with storing(self._engine):
            stored_id = (await hot.alone(self._engine, _STORE, kept)).scalar()
        if stored_id is not None:
            self._stored.setdefault(attempt_id, set()).add(stored_id)
            self._arrived.tell(attempt_id)

    async def reply(self, carrier: CarrierName, attempt_id: str, kind: str, body: bytes) -> CallbackReply | None:
        """What a stored callback is answered with, where the carrier reads the answer: the end of a transfer. When it
        came to nothing the call may go back to its agent."""
        reply = CARRIERS[carrier].reply(kind, body)
        if reply is None:
            return None
        told = CARRIERS[carrier].parse(kind, body, headers={}, received_at=clock.now()).event
        if not isinstance(told, TransferResult) or told.outcome is None or not told.has_failed:
            return reply
        try:
            back = await way_back(self._engine, self._settings, attempt_id, told.outcome)
        except Exception as error:  # the callee hears the sentence; silence would be worse
            tell_trouble(self._engine, logger, "Return to agent not prepared", error, attempt_id=attempt_id)
            return reply
        return CARRIERS[carrier].reply(kind, body, back=back)

    async def run(self) -> None:
        """Work through stored callbacks until cancelled: at once through those that come to this process, and now and
        then through what another has left."""
        try:
            while True:
                for attempt_id in await self._arrived.wait(self._settings.sweep_every_s):
                    if attempt_id not in self._at_work:
                        self._at_work.add(attempt_id)
                        work = self._handle_stored(attempt_id) if attempt_id else self._handle_left()
                        self._background.start(work, name=f"callbacks {attempt_id}")
        finally:
            await self._background.finish(FINISH_S)

    async def _handle_stored(self, attempt_id: str) -> None:
        """The callbacks of an attempt that have come to this process."""
        logs.about(attempt_id=attempt_id)
        waits_s = iter(BUSY_WAITS_S)
        try:
            while waiting := set(self._stored.get(attempt_id, ())):
                try:
                    async with self._slots:
                        handled = await self._handle_next(attempt_id)
                except _Busy:
                    if (wait_s := next(waits_s, None)) is None:
                        break
                    await asyncio.sleep(wait_s)
                    continue
                # None: another process was at ours, too; but what has come since we looked is not among those.
                self._stored[attempt_id] -= waiting if handled is None else {handled}
        except Exception as error:
            tell_trouble(self._engine, logger, NOT_HANDLED, error, attempt_id=attempt_id)
            await asyncio.sleep(TRY_AGAIN_S)
            self._arrived.tell(attempt_id)
        else:
            self._stored.pop(attempt_id, None)
        finally:
            self._at_work.discard(attempt_id)

    async def _handle_left(self) -> None:
        """Whatever is there and nobody is at: of a process that died, or did not come to it yet."""
        try:
            async with reading(self._engine) as conn:
                left = (await conn.execute(_LEFT)).scalars().all()
            handled = 0
            for attempt_id in left:
                if attempt_id not in self._at_work:
                    handled += await self._handle_left_of(attempt_id)
            if handled and len(left) == LEFT_AT_ONCE:
                self._arrived.tell()  # there may be more: of a process that was busy, or of a database that was away
        except Exception as error:
            tell_trouble(self._engine, logger, NOT_HANDLED, error)
        finally:
            self._at_work.discard("")

    async def _handle_left_of(self, attempt_id: str) -> int:
        """How many were handled."""
        handled = 0
        try:
            while await self._handle_next(attempt_id) is not None:
                handled += 1
        except _Busy:
            pass  # they are looked for again
        except Exception as error:  # the others' turn
            tell_trouble(self._engine, logger, NOT_HANDLED, error, attempt_id=attempt_id)
        return handled

    async def _handle_next(self, attempt_id: str) -> int | None:
        """Claim and handle an attempt's oldest callback; its id, None when there is none.

        Raises _Busy, and what the database raises; then it is still to be handled.
        """
        stored: Stored | None = None
        then: Work | None = None
        try:
            async with hot.begin(self._engine) as conn:
                claimed = await claim_oldest(conn, attempt_id)
                if not isinstance(claimed, NotClaimed):
                    held, stored = claimed
                    then = await self._handle(conn, held, stored)
                    if held.call.erased_at is not None:
                        await conn.execute(_FORGET, {"handled": stored.id})
        except (OperationalError, InterfaceError, PoolTimeoutError) as error:
            if is_lock_timeout(error):
                raise _Busy from error  # somebody has the pool
            raise  # the database's trouble, not this callback's: it is tried again
        except Exception as error:
            if stored is None or (isinstance(error, DBAPIError) and error.connection_invalidated):
                raise  # the same: some servers' last word is no OperationalError (a session idle for too long, say)
            # It would fail again, and keep the attempt's others waiting. The sweep asks the carrier instead.
            logger.exception("Callback not handled", extra={"attempt_id": attempt_id})
            async with autocommit(self._engine) as conn:
                await conn.execute(update(callbacks).where(callbacks.c.id == stored.id).values(handled_at=func.now()))
                await conn.execute(_FORGET, {"handled": stored.id})
        if claimed is NotClaimed.BUSY:  # after a commit: a rollback has the connection forget its statements
            raise _Busy
        if then is not None:
            self._background.start(then, name=f"after a callback of {attempt_id}")
        return None if stored is None else stored.id

    async def _handle(self, conn: AsyncConnection, held: Held, stored: Stored) -> Work | None:
        """Carry out what a callback means; what is to be done once that is written: for who was left alone by a
        transfer, or about the other leg of one."""
        transfer_id, kind = second_leg_of(stored.kind)
        callback = CARRIERS[CarrierName(held.attempt.carrier)].parse(
            kind, stored.body.encode(), headers=stored.headers, received_at=stored.received_at
        )
        if transfer_id is not None:
            return await self._second_legs.told(conn, held, transfer_id, callback)
        told, is_news = callback.event, False
        if told is not None:
            applied = await apply(conn, held, told, check_in_s=self._settings.silent_after_s)
            is_news = applied.changed
        if callback.stream_failed and _is_about(held, callback.call):
            await note_stream_failed(conn, held)
        if callback.price is not None and _is_about(held, callback.call):
            await keep_price(conn, held.attempt.id, callback.price)
        if is_news and isinstance(told, Progress) and told.state is CallState.ENDED:
            return await self._second_legs.first_has_ended(conn, held)
        alone = callback.left_alone
        if alone is None or not is_news or not isinstance(told, TransferResult) or told.outcome is None:
            return None
        if not _is_about(held, alone):
            return None
        if not await has_transfers(conn, held.attempt.id):  # else the sweep sees to it, should nobody here live to
            await note_ending_in(conn, held.attempt.id, apology_ending())
        return self._transfers.see_to(held, alone, told.outcome)


# Built once: putting them together takes as long as running them.
_KEPT = ("attempt_id", "kind", "dedupe_key", "headers", "body")
_STORE = Hot(
    insert(callbacks)
    .values({name: bindparam(f"new_{name}") for name in _KEPT})
    .on_conflict_do_nothing()
    .returning(callbacks.c.id)
)
# It came after its call was erased: nothing of it is kept.
_FORGET = delete(callbacks).where(
    callbacks.c.id == bindparam("handled", type_=BigInteger),
    attempts.c.id == callbacks.c.attempt_id,
    calls.c.id == attempts.c.call_id,
    calls.c.erased_at.is_not(None),
)
_LEFT = select(callbacks.c.attempt_id).where(callbacks.c.handled_at.is_(None)).distinct().limit(LEFT_AT_ONCE)


def _is_about(held: Held, call: CarrierCall | None) -> bool:
    """Not where a callback was sent again, to the URL of another attempt: not every carrier signs its URLs."""
    known = held.attempt.carrier_call
    return known is None or call is None or known.id == call.id


def _worth_keeping(name: str) -> bool:
    """Headers that say something about the callback; signatures and proxies' additions stay out of the database."""
    return "idempotency" in name.lower() or name.lower() == "content-type"
