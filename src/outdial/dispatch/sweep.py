"""The sweep: whatever was lost (a callback, a reply, a process), every call is brought to its true end.

It has calls ended whose end is wanted (`hanging_up`), looks at those that were silent too long (`look_ups`), takes over
the calls of dead workers, ends what has expired, asks for prices and audits lines and seats. All by the same events
callbacks bring. It also folds the counts of calls, and has the log tell of those that nobody tells more of.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial import clock
from outdial.accounts.clients import OpenCarrier
from outdial.calls.call_log import tell_overdue
from outdial.calls.checks import hurry, take_due
from outdial.calls.counts import fold_counts
from outdial.calls.hang_up import expire_queued
from outdial.calls.lost_conversations import tell_lost
from outdial.calls.ownership import take_over
from outdial.calls.workers import forget_dead_workers
from outdial.db.notify import Notifications
from outdial.db.trouble import tell_trouble
from outdial.db.wake import Wake
from outdial.dispatch.hanging_up import HangUps
from outdial.dispatch.look_ups import LookUps, pauses
from outdial.dispatch.prices import Prices
from outdial.dispatch.transfers import Transfers
from outdial.lines.audit import audit_pools, give_leaked_seats_back, is_beside_an_older
from outdial.settings import Settings

logger = logging.getLogger(__name__)

AT_MOST = 200           # attempts a sweep
AT_ONCE = 10            # requests to carriers at the same time
EXPIRE_AT_MOST = 2000   # calls in one transaction,
EXPIRE_S = 1.0          # and as many as that brings in a sweep
AUDIT_EVERY_S = 60.0


class Sweep:
    """Looks after calls nobody else looks after. Any number of processes may sweep the same database.

    `taken_over`: told when calls of a dead worker have become ours; `may_take_over`: whether a free lock is a proof of
    death now.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        settings: Settings,
        notifications: Notifications,
        open_carrier: OpenCarrier,
        *,
        owner: str,
        taken_over: Callable[[], None] = lambda: None,
        may_take_over: Callable[[], bool] = lambda: True,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._notifications = notifications
        self._owner = owner
        self._taken_over = taken_over
        self._may_take_over = may_take_over
        slots = asyncio.Semaphore(AT_ONCE)
        self._hang_ups = HangUps(engine, settings, notifications, open_carrier)
        self._look_ups = LookUps(engine, settings, open_carrier, self._hang_ups, slots)
        self._prices = Prices(engine, open_carrier, slots)
        self._transfers = Transfers(engine, settings, open_carrier, slots)
        self._audited: datetime | None = None
        self._was_beside_an_older = False
        self._wake = Wake()  # calls somebody wants something of

    async def run(self) -> None:
        """Sweep until cancelled: regularly, and at once when a dial of unknown outcome is to be hung up. Hang-ups wait
        for no look-up."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._hang_ups.run(), name="hang-ups")
            tasks.create_task(self._sweep_again_and_again(), name="sweep")

    async def _sweep_again_and_again(self) -> None:
        told = frozenset({""})
        with self._wake.listening(self._notifications, "outdial_control"):
            while True:
                try:
                    if await hurry(self._engine, told) or "" in told:
                        await self._sweep(self._hang_ups.start)
                    told = frozenset()
                except Exception as error:
                    tell_trouble(self._engine, logger, "Sweep failed; trying again", error)
                told |= await self._wake.wait(self._settings.sweep_every_s)

    async def sweep(self) -> None:
        """One round over everything."""
        await self._sweep(self._hang_ups.sweep)

    async def _expire(self) -> None:
        """All that have expired, as far as the others needn't wait long for it."""
        loop = asyncio.get_running_loop()
        until = loop.time() + EXPIRE_S
        while await expire_queued(self._engine, at_most=EXPIRE_AT_MOST) == EXPIRE_AT_MOST and loop.time() < until:
            pass

    async def _sweep(self, hang_up: Callable[[], Awaitable[None]]) -> None:
        await self._expire()
        if may_judge := self._may_take_over():  # who has just got its database back may find others dead that aren't
            if await take_over(self._engine, self._owner, lease_s=self._settings.lease_s):
                self._taken_over()
            await tell_lost(self._engine, at_most=AT_MOST)
        await hang_up()  # before who is due for a look is put off: then nothing would be due for long
        due = await take_due(
            self._engine, put_off_s=self._settings.silent_after_s, pauses=pauses(self._settings), at_most=AT_MOST
        )
        await asyncio.gather(*(self._look_ups.look_at(held) for held in due))
        await self._transfers.look_after(at_most=AT_MOST)
        await self._prices.ask_for_missing(at_most=AT_MOST)
        if may_judge:  # lost ones are told as such
            await tell_overdue(self._engine, at_most=AT_MOST)
        await fold_counts(self._engine)
        await self._audit()

    async def _audit(self) -> None:
        now, beside_an_older = clock.now(), await is_beside_an_older(self._engine)
        is_due = self._audited is None or now - self._audited > timedelta(seconds=AUDIT_EVERY_S)
        expected = beside_an_older or self._was_beside_an_older  # what the last one has left, too
        self._was_beside_an_older = beside_an_older
        if is_due or expected:
            await give_leaked_seats_back(self._engine, expected=expected)
        if is_due:
            self._audited = now
            await audit_pools(self._engine)
            await forget_dead_workers(self._engine)
