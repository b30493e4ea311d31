"""Carrier callbacks: verified, stored and answered at once; what they mean is worked out at our own pace.

A stored callback is handled by one process: claimed with SKIP LOCKED, each attempt's in the order they came. Its effect
and the note that it was handled are one transaction.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import Select, exists, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.accounts.clients import OpenCarrier
from outdial.accounts.genuine import Genuine
from outdial.background import Background
from outdial.calls.advance import apply, note_ending_in
from outdial.calls.prices import keep_price
from outdial.calls.records import Held, lock_attempt
from outdial.carriers.callbacks import TRANSFER_FAILED, BadCallback, Callback, CallbackReply
from outdial.carriers.errors import CarrierError
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS
from outdial.db.engine import autocommit
from outdial.db.tables import attempts, callbacks
from outdial.db.wake import Wake
from outdial.settings import Settings
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.state import Ending, EndReason

logger = logging.getLogger(__name__)

AT_ONCE = 4    # attempts whose callbacks are handled at the same time
FINISH_S = 5.0


class Received(StrEnum):
    STORED = "stored"
    UNKNOWN = "unknown"   # no such attempt
    FORGED = "forged"     # no valid signature
    BAD = "bad"           # signed, but not of the carrier's form


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """A callback as it was kept, with its attempt's carrier."""

    id: int
    attempt_id: str
    carrier: CarrierName
    kind: str
    headers: Mapping[str, str]
    body: str
    received_at: datetime


class Inbox:
    """Takes callbacks in and works through them."""

    def __init__(self, engine: AsyncEngine, settings: Settings, genuine: Genuine, open_carrier: OpenCarrier) -> None:
        self._engine = engine
        self._settings = settings
        self._genuine = genuine
        self._open_carrier = open_carrier
        self._apologies = Background()
        self._arrived = Wake()

    async def receive(
        self, *, carrier: CarrierName, attempt_id: str, kind: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> Received:
        """Verify and store. `url` is the public URL the carrier was told; a repeat is stored once."""
        account = await self._genuine.account_of_attempt(carrier, attempt_id)
        if account is None:
            return Received.UNKNOWN
        if not await self._genuine.callback(account, url=url, headers=headers, body=body):
            return Received.FORGED
        try:
            callback = account.kind.parse(kind, body, headers=headers, received_at=datetime.now(UTC))
        except BadCallback as error:
            logger.warning("Callback not understood", extra={"attempt_id": attempt_id, "reason": str(error)})
            return Received.BAD
        await self.store(attempt_id, kind, callback, headers=headers, body=body)
        return Received.STORED

    async def store(
        self, attempt_id: str, kind: str, callback: Callback, *, headers: Mapping[str, str], body: bytes
    ) -> None:
        """Keep a verified callback, to be worked through; a repeat is kept once."""
        async with autocommit(self._engine) as conn:
            await conn.execute(
                insert(callbacks)
                .values(
                    attempt_id=attempt_id,
                    kind=kind,
                    dedupe_key=callback.dedupe_key,
                    headers={name.lower(): value for name, value in headers.items() if _worth_keeping(name)},
                    body=body.decode("utf-8", "replace").replace("\0", ""),
                )
                .on_conflict_do_nothing()
            )
        self._arrived.tell()

    def reply(self, carrier: CarrierName, kind: str, body: bytes) -> CallbackReply | None:
        """What a stored callback is answered with, where the carrier reads the answer."""
        return CARRIERS[carrier].reply(kind, body)

    async def run(self) -> None:
        """Work through stored callbacks until cancelled, also those of a process that died."""
        try:
            while True:
                try:
                    await asyncio.gather(*(self._handle_all() for _ in range(AT_ONCE)))
                except Exception:
                    logger.exception("Callbacks not handled; trying again")
                    await asyncio.sleep(1)
                    continue
                await self._arrived.wait(self._settings.sweep_every_s)
        finally:
            await self._apologies.finish(FINISH_S)

    async def _handle_all(self) -> None:
        while await self._handle_one():
            pass

    async def _handle_one(self) -> bool:
        """Claim and handle the oldest callback whose attempt nobody is at; False when there is none."""
        stored: _Stored | None = None
        left_alone: tuple[Held, CarrierCall] | None = None
        try:
            async with self._engine.begin() as conn:
                stored = await _claim(conn)
                if stored is None:
                    return False
                left_alone = await self._handle(conn, stored)
                await _mark_handled(conn, stored)
        except (OperationalError, InterfaceError, PoolTimeoutError):
            raise  # the database's trouble, not this callback's: it is tried again
        except Exception:
            if stored is None:
                raise
            # It would fail again, and keep the attempt's others waiting. The sweep asks the carrier instead.
            logger.exception("Callback not handled", extra={"attempt_id": stored.attempt_id})
            async with autocommit(self._engine) as conn:
                await _mark_handled(conn, stored)
        if left_alone is not None:
            self._apologies.start(self._apologize(*left_alone), name="transfer apology")
        return True

    async def _handle(self, conn: AsyncConnection, stored: _Stored) -> tuple[Held, CarrierCall] | None:
        """Carry out what a callback means; the call on which somebody was left alone by a failed transfer."""
        callback = CARRIERS[stored.carrier].parse(
            stored.kind, stored.body.encode(), headers=stored.headers, received_at=stored.received_at
        )
        held = await lock_attempt(conn, stored.attempt_id)
        if held is None:
            return None
        if callback.event is not None:
            await apply(conn, held, callback.event, check_in_s=self._settings.silent_after_s)
        if callback.price is not None and _is_about(held, callback.call):
            await keep_price(conn, stored.attempt_id, callback.price)
        if callback.transfer_failed is None or not _is_about(held, callback.transfer_failed):
            return None
        # Noted first: if nobody lives to apologise, the sweep ends the call.
        await note_ending_in(conn, stored.attempt_id, Ending(end_reason=EndReason.COMPLETED))
        return held, callback.transfer_failed

    async def _apologize(self, held: Held, call: CarrierCall) -> None:
        """A transfer came to nothing and the carrier leaves the callee on the line, with nobody there."""
        attempt = held.attempt
        if attempt.carrier_account_id is None:
            return
        try:
            carrier = await self._open_carrier(attempt.carrier_account_id)
            await carrier.say_and_hang_up(call, TRANSFER_FAILED)
        except CarrierError as error:
            logger.warning("Transfer apology failed", extra={"attempt_id": attempt.id, **error.codes})


async def _claim(conn: AsyncConnection) -> _Stored | None:
    row = (await conn.execute(_OLDEST)).one_or_none()
    if row is None:
        return None
    return _Stored(
        id=row.id,
        attempt_id=row.attempt_id,
        carrier=CarrierName(row.carrier),
        kind=row.kind,
        headers=row.headers,
        body=row.body,
        received_at=row.received_at,
    )


async def _mark_handled(conn: AsyncConnection, stored: _Stored) -> None:
    await conn.execute(
        update(callbacks).where(callbacks.c.id == stored.id).values(handled_at=datetime.now(UTC))
    )


def _oldest() -> Select[tuple[int, str, str, str, dict[str, str], str, datetime]]:
    """Only the first of each attempt can be claimed: while one process is at it, the next is not handled by another."""
    earlier = callbacks.alias("earlier")
    has_earlier = exists().where(
        earlier.c.attempt_id == callbacks.c.attempt_id,
        earlier.c.handled_at.is_(None),
        earlier.c.id < callbacks.c.id,
    )
    return (
        select(
            callbacks.c.id,
            callbacks.c.attempt_id,
            attempts.c.carrier,
            callbacks.c.kind,
            callbacks.c.headers,
            callbacks.c.body,
            callbacks.c.received_at,
        )
        .join(attempts, attempts.c.id == callbacks.c.attempt_id)
        .where(callbacks.c.handled_at.is_(None), ~has_earlier)
        .order_by(callbacks.c.id)
        .limit(1)
        .with_for_update(of=callbacks, skip_locked=True)
    )


_OLDEST = _oldest()


def _is_about(held: Held, call: CarrierCall | None) -> bool:
    """Not where a callback was sent again, to the URL of another attempt: not every carrier signs its URLs."""
    known = held.attempt.carrier_call
    return known is None or call is None or known.id == call.id


def _worth_keeping(name: str) -> bool:
    """Headers that say something about the callback; signatures and proxies' additions stay out of the database."""
    return "idempotency" in name.lower() or name.lower() == "content-type"
