"""Deliveries sent: taken as there is room, each tried once, and what became of it written until the database takes it.

Any number of processes do so beside each other; each delivery is taken by one. What a process that dies had taken is
sent by others when its lease has run out.
"""

import asyncio
import logging
import random
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial import clock
from outdial.background import Background
from outdial.db.engine import is_away
from outdial.db.notify import Notifications
from outdial.db.trouble import tell_trouble
from outdial.db.wake import Wake
from outdial.repeating import UNTIL_WRITTEN, Pauses, repeat
from outdial.tracing.context import TraceContext, beside
from outdial.tracing.process import header_of
from outdial.webhooks.attempt import Outgoing, Problem, Try, WebhookClient
from outdial.webhooks.deliveries import (
    Delivery,
    DeliveryState,
    Outcome,
    due_lanes,
    give_back,
    give_up_rest,
    note_failure,
    note_success,
    switch_off,
    take,
    take_back,
    write_outcomes,
)
from outdial.webhooks.endpoints import OffReason
from outdial.webhooks.payload import body_of
from outdial.webhooks.retry import HOLD_FROM, HOLD_S, hold_s
from outdial.webhooks.slots import Slots
from outdial.webhooks.traced import roots_of, span_of_try, trace
from outdial.webhooks.verdict import hold_until, is_gone, outcome_of
from outdial.workspaces.secrets import SecretBox, WrongSecretKey

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0       # for what is due again, and should a notification be lost
TAKE_BACK_EVERY_S = 5.0
AT_ONCE = 100            # outcomes written together
FINISH_S = 3.0           # for what is under way when the process ends; then others send it again
OFF_AFTER = timedelta(days=5)  # of nothing but failures
AGAIN = Pauses(first_s=0.2, longest_s=5.0)


class Sender:
    """`owner`: whose leases they are; new for each process."""

    def __init__(
        self,
        engine: AsyncEngine,
        notifications: Notifications,
        secret_box: SecretBox,
        client: WebhookClient,
        *,
        owner: str,
    ) -> None:
        self._engine = engine
        self._notifications = notifications
        self._client = client
        self._owner = owner
        self._slots = Slots()
        self._wanted: set[str] = set()  # lanes that may have more to send
        self._wake = Wake()
        self._background = Background()
        self._outcomes: list[Outcome] = []
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing = False
        self._secret = lru_cache(1000)(secret_box.decrypt)

    async def run(self) -> None:
        """Until cancelled. Fails when outcomes are written no more: what is sent would be sent again and again."""
        writing = self._background.start(self._write_all(), name="webhook outcomes", awaited=True)
        writing.add_done_callback(lambda _: self._wake.tell())
        self._background.start(self._keep_taking_back(), name="webhooks of dead senders")
        failures = 0
        with self._wake.listening(self._notifications, "outdial_webhook_lanes") as wake:
            while not self._closing:
                if writing.done():
                    await writing
                told = await wake.wait(LOOK_EVERY_S)
                try:
                    if "" in told:
                        self._wanted |= set(await due_lanes(self._engine))
                    self._wanted |= told - {""}
                    await self._take_what_fits()
                    failures = 0
                except Exception as error:
                    tell_trouble(self._engine, logger, "Webhooks not taken; trying again", error)
                    failures += 1
                    self._wanted |= told - {""}
                    await asyncio.sleep(AGAIN.after(failures))

    def wake(self, lanes: Collection[str]) -> None:
        """These have something to send."""
        for lane in lanes:
            self._wake.tell(lane)

    async def aclose(self) -> None:
        """Take nothing more; what is under way has a moment, then others send it."""
        self._closing = True
        with suppress(TimeoutError):
            async with asyncio.timeout(FINISH_S):
                await self._idle.wait()
        await self._background.cancel(patience_s=1.0)
        try:
            async with asyncio.timeout(1.5):
                await give_back(self._engine, self._owner)
        except Exception as error:
            logger.warning("Webhooks not given back", extra={"error": type(error).__name__})

    async def _take_what_fits(self) -> None:
        while self._wanted and not self._closing:
            # In another order each time: where there isn't room for all, none is always the last.
            lanes = random.sample(list(self._wanted), len(self._wanted))
            room = self._slots.room(lanes, now=time.monotonic())
            if not room:
                return
            taken = await take(self._engine, self._owner, room)
            roots = await roots_of(self._engine, taken)
            for delivery in taken:
                if delivery.id in self._slots:  # its lease ran out while the database was away; the first try counts
                    continue
                self._idle.clear()
                self._slots.begin(delivery.id, delivery.lane, now=time.monotonic())
                self._background.start(self._send(delivery, roots.get(delivery.id)), name="webhook")
            for lane, places in room.items():
                if sum(delivery.lane == lane for delivery in taken) < places:
                    self._wanted.discard(lane)  # whatever comes there wakes us

    async def _send(self, delivery: Delivery, root: TraceContext | None) -> None:
        """`root`: its call's, where that is traced."""
        try:
            outgoing = self._outgoing(delivery, root)
            told = _failed(Problem.NOT_SIGNED) if outgoing is None else await self._client.attempt(outgoing)
        except Exception as error:  # without an outcome it would be sent again and again
            fields = {"webhook_id": delivery.webhook_id, "delivery_id": delivery.id}
            logger.error("Webhook could not be sent", extra=fields, exc_info=error)
            told = _failed(Problem.CONNECTION)
        if root is not None:
            trace(delivery, root, told)
        self._outcomes.append(outcome_of(delivery, told, clock.now()))
        self._news.set()

    def _outgoing(self, delivery: Delivery, root: TraceContext | None) -> Outgoing | None:
        """None where it can't be signed."""
        try:
            keys = [self._secret(secret) for secret in delivery.secrets]
            headers = {} if delivery.headers is None else self._secret(bytes(delivery.headers))
        except WrongSecretKey:
            return None
        if root is not None:
            headers = beside(header_of(span_of_try(delivery, root)), headers)
        body = body_of(delivery.event_id, delivery.type, delivery.at, delivery.sequence, delivery.data)
        return Outgoing(url=delivery.url, event_id=delivery.event_id, body=body, keys=keys, headers=headers)

    # -- what became of them -----------------------------------------------------------------------------------

    async def _write_all(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while batch := self._outcomes[:AT_ONCE]:
                del self._outcomes[:AT_ONCE]
                lanes = await self._write(batch)
                for each in batch:
                    took_s = each.told.duration_ms / 1000
                    self._slots.end(each.delivery.id, answered_in_s=took_s, failed=not each.told.succeeded)
                if not len(self._slots):
                    self._idle.set()
                for lane in {*lanes, *(self._wanted)}:
                    self._wake.tell(lane)
                if any(each.delivery.is_failing or not each.told.succeeded for each in batch):
                    self._background.start(self._conclude(batch), name="webhook failures")

    async def _write(self, batch: Sequence[Outcome]) -> Sequence[str]:
        def failed(error: Exception) -> None:
            tell_trouble(self._engine, logger, "Webhook outcomes not written; trying again", error)
            if not is_away(error):
                raise error

        def write() -> Any:
            return write_outcomes(self._engine, self._owner, batch)

        try:
            lanes: Sequence[str] = await repeat(write, on=Exception, pauses=UNTIL_WRITTEN, failed=failed)
        except Exception:  # told already; these are sent again when their lease has run out
            return ()
        return lanes

    async def _conclude(self, batch: Sequence[Outcome]) -> None:
        """What follows for their endpoints. Lost with the process, it follows from the next try."""
        try:
            if works := {each.delivery.lane for each in batch if each.told.succeeded and each.delivery.is_failing}:
                await note_success(self._engine, sorted(works))
                for lane in works:
                    self._wake.tell(lane)
            for each in batch:
                if not each.told.succeeded:
                    await self._conclude_failure(each)
        except Exception as error:
            tell_trouble(self._engine, logger, "Webhook failure not noted", error)

    async def _conclude_failure(self, failed: Outcome) -> None:
        delivery, told = failed.delivery, failed.told
        holds = {number: hold_s(number) for number in range(1, HOLD_FROM + len(HOLD_S))}
        failures = await note_failure(self._engine, delivery.lane, hold=holds, until=hold_until(told))
        fields = {"webhook_id": delivery.webhook_id, "problem": told.problem, "http_status": told.status}
        if failures == HOLD_FROM:
            logger.warning("Webhook endpoint fails; asked less often until it answers", extra=fields)
        if failed.state is DeliveryState.GIVEN_UP:
            logger.warning("Webhook given up", extra=fields | {"delivery_id": delivery.id})
        if is_gone(told):
            if delivery.is_endpoint:
                await self._switch_off(delivery, OffReason.GONE)
            elif delivery.call_id is not None:
                await give_up_rest(self._engine, delivery.webhook_id, delivery.call_id)
        elif delivery.is_endpoint:
            await self._switch_off(delivery, OffReason.FAILING, failing_for=OFF_AFTER)

    async def _switch_off(self, delivery: Delivery, reason: OffReason, *, failing_for: timedelta | None = None) -> None:
        if await switch_off(self._engine, delivery.lane, reason, failing_for=failing_for):
            fields = {"webhook_id": delivery.webhook_id, "reason": reason}
            logger.error("Webhook endpoint switched off", extra=fields)

    async def _keep_taking_back(self) -> None:
        while True:
            try:
                await take_back(self._engine)
            except Exception as error:
                if not is_away(error):
                    logger.exception("Webhooks of dead senders not taken back; trying again")
            await asyncio.sleep(TAKE_BACK_EVERY_S)


def _failed(problem: Problem) -> Try:
    """Of what never left."""
    return Try(at=clock.now(), duration_ms=0, problem=problem)
