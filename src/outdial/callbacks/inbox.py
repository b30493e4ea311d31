"""Carrier callbacks: verified, stored and answered at once; what they mean is worked out at our own pace."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.accounts.clients import OpenCarrier
from outdial.accounts.refused_callbacks import count_refused
from outdial.calls.advance import announce_ending, apply_event, carrier_call, read_attempt, record_price
from outdial.carriers.callbacks import TRANSFER_FAILED, BadCallback, Callback, CallbackReply
from outdial.carriers.errors import CarrierError
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS
from outdial.db.engine import reading
from outdial.db.tables import attempts, callbacks, carrier_accounts
from outdial.settings import Settings
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.state import EndReason
from outdial.workspaces.secrets import SecretBox

logger = logging.getLogger(__name__)


class Received(StrEnum):
    STORED = "stored"
    UNKNOWN = "unknown"   # no such attempt
    FORGED = "forged"     # no valid signature
    BAD = "bad"           # signed, but not of the carrier's form


async def attempt_with_account(engine: AsyncEngine, carrier: str, attempt_id: str) -> Row[Any] | None:
    """What is needed to check that a request about an attempt comes from its carrier."""
    query = (
        select(attempts, carrier_accounts.c.credentials)
        .join(carrier_accounts, carrier_accounts.c.id == attempts.c.carrier_account_id)
        .where(attempts.c.id == attempt_id, attempts.c.carrier == carrier)
    )
    async with reading(engine) as conn:
        return (await conn.execute(query)).one_or_none()


class Callbacks:
    """Takes callbacks in and works through them, each attempt's in the order they came."""

    def __init__(
        self, engine: AsyncEngine, settings: Settings, secret_box: SecretBox, open_carrier: OpenCarrier
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._secret_box = secret_box
        self._open_carrier = open_carrier
        self._apologies: set[asyncio.Task[None]] = set()
        self._arrived = asyncio.Event()

    async def receive(
        self, *, carrier: CarrierName, attempt_id: str, kind: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> Received:
        """Verify and store. `url` is the public URL the carrier was told; a repeat is stored once."""
        row = await attempt_with_account(self._engine, carrier, attempt_id)
        if row is None:
            return Received.UNKNOWN
        kind_of_carrier = CARRIERS[carrier]
        credentials = self._secret_box.decrypt(row.credentials)
        now = datetime.now(UTC)
        if not kind_of_carrier.verify(credentials, url=url, headers=headers, body=body, now=now):
            logger.warning("Callback with a wrong signature refused", extra={"attempt_id": attempt_id})
            await count_refused(self._engine, row.carrier_account_id)
            return Received.FORGED
        try:
            callback = kind_of_carrier.parse(kind, body, headers=headers, received_at=now)
        except BadCallback as error:
            logger.warning("Callback not understood", extra={"attempt_id": attempt_id, "reason": str(error)})
            return Received.BAD
        await self.store(attempt_id, kind, callback, headers=headers, body=body)
        return Received.STORED

    async def store(
        self, attempt_id: str, kind: str, callback: Callback, *, headers: Mapping[str, str], body: bytes
    ) -> None:
        """Keep a verified callback, to be worked through; a repeat is kept once."""
        async with self._engine.begin() as conn:
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
        self._arrived.set()

    def reply(self, carrier: CarrierName, kind: str, body: bytes) -> CallbackReply | None:
        """What a stored callback is answered with, where the carrier reads the answer."""
        return CARRIERS[carrier].reply(kind, body)

    async def run(self) -> None:
        """Work through stored callbacks, those of an earlier process included, until cancelled."""
        while True:
            self._arrived.clear()
            try:
                while await self._handle_some():
                    pass
            except Exception:
                logger.exception("Callbacks can't be handled now; trying again")
                await asyncio.sleep(1)
                continue
            try:
                async with asyncio.timeout(self._settings.sweep_every_s):
                    await self._arrived.wait()
            except TimeoutError:
                pass  # another process may have stored one and died

    async def _handle_some(self, limit: int = 100) -> bool:
        query = (
            select(callbacks, attempts.c.carrier, attempts.c.carrier_account_id)
            .join(attempts, attempts.c.id == callbacks.c.attempt_id)
            .where(callbacks.c.handled_at.is_(None))
            .order_by(callbacks.c.id)
            .limit(limit)
        )
        async with reading(self._engine) as conn:
            rows = (await conn.execute(query)).all()
        by_attempt: dict[str, list[Row[Any]]] = {}
        for row in rows:
            by_attempt.setdefault(row.attempt_id, []).append(row)
        await asyncio.gather(*(self._handle_in_order(group) for group in by_attempt.values()))
        return bool(rows)

    async def _handle_in_order(self, rows: list[Row[Any]]) -> None:
        for row in rows:
            try:
                await self._handle(row)
            except (OperationalError, InterfaceError, PoolTimeoutError):
                raise  # the database's trouble, not this callback's: it is tried again
            except Exception:
                # It would fail again, and keep all others waiting. The sweep asks the carrier instead.
                logger.exception("Callback can't be handled", extra={"attempt_id": row.attempt_id})
            async with self._engine.begin() as conn:
                await conn.execute(
                    update(callbacks).where(callbacks.c.id == row.id).values(handled_at=datetime.now(UTC))
                )

    async def _handle(self, row: Row[Any]) -> None:
        carrier = CARRIERS[CarrierName(row.carrier)]
        callback = carrier.parse(row.kind, row.body.encode(), headers=row.headers, received_at=row.received_at)
        if callback.event is not None:
            await apply_event(
                self._engine, row.attempt_id, callback.event, check_in_s=self._settings.silent_after_s
            )
        if callback.price is not None and await self._is_about(row.attempt_id, callback.call):
            await record_price(self._engine, row.attempt_id, callback.price)
        if callback.transfer_failed is not None and await self._is_about(row.attempt_id, callback.transfer_failed):
            # Noted first: if nobody lives to say sorry, the sweep ends the call.
            await announce_ending(self._engine, row.attempt_id, EndReason.COMPLETED)
            task = asyncio.create_task(self._apologize(row, callback.transfer_failed))
            self._apologies.add(task)
            task.add_done_callback(self._apologies.discard)

    async def _is_about(self, attempt_id: str, call: CarrierCall | None) -> bool:
        """Not where a callback was sent again, to the URL of another attempt: not every carrier signs its URLs."""
        known = carrier_call(await read_attempt(self._engine, attempt_id))
        return known is None or call is None or known.id == call.id

    async def _apologize(self, row: Row[Any], call: CarrierCall) -> None:
        """A transfer came to nothing and the carrier leaves the callee on the line, with nobody there."""
        try:
            carrier = await self._open_carrier(row.carrier_account_id)
            await carrier.say_and_hang_up(call, TRANSFER_FAILED)
        except CarrierError as error:
            logger.warning("Nobody said sorry", extra={"attempt_id": row.attempt_id, **error.codes})


def _worth_keeping(name: str) -> bool:
    """Headers that say something about the callback; signatures and proxies' additions stay out of the database."""
    return "idempotency" in name.lower() or name.lower() == "content-type"
