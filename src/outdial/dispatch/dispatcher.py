"""The dispatcher keeps the queues moving: it claims what may be dialled now, and has it dialled.

Each workspace's queue is looked at by a task of its own, so that none waits for another's.
"""

import asyncio
import logging
import random

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial import logs
from outdial.accounts.clients import OpenCarrier
from outdial.agents.ready_agents import UNREADABLE, ReadyAgent, ReadyAgents, not_read
from outdial.background import Background
from outdial.calls.agent_choice import sent_with
from outdial.calls.claim import Claim, claim_due_calls, workspaces_with_queued_calls
from outdial.calls.departure import Hold
from outdial.calls.pace import full_accounts
from outdial.calls.workers import MayDial, Unlocked
from outdial.carriers.errors import CarrierError
from outdial.db.notify import Notifications
from outdial.db.trouble import tell_trouble
from outdial.db.wake import Wake
from outdial.dispatch.departing import Departures
from outdial.dispatch.dialing import NOT_PREPARED, detection_for, dial, give_up, write_down
from outdial.dispatch.under_way import UnderWay
from outdial.draining import Drain
from outdial.settings import Settings
from outdial.telephony.failures import CallError

logger = logging.getLogger(__name__)

FINISH_S = 20.0     # longer than a carrier's slowest reply
AT_ONCE = 8         # queues that are looked at at the same time: each look has a connection of the pool
# Workspaces that share an account's pace look again in another order each time: none is always first.
SPREAD_S = 0.05
NO_ROOM_S = 0.1     # a look again costs nothing then


class Dispatcher:
    """Woken by a notification, a due time or a freed line, it claims and dials, until the process drains."""

    def __init__(
        self,
        engine: AsyncEngine,
        settings: Settings,
        notifications: Notifications,
        open_carrier: OpenCarrier,
        agents: ReadyAgents,
        *,
        owner: str,
        lock: MayDial | None = None,
        drain: Drain | None = None,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._notifications = notifications
        self._open_carrier = open_carrier
        self._agents = agents
        self._owner = owner
        self._lock = lock or Unlocked()
        self._drain = drain or Drain()
        self._wake = Wake()  # workspace ids; "": all of them
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._looking: set[str] = set()    # workspaces whose queue is being looked at,
        self._look_again: set[str] = set()  # and those of them that were told of meanwhile
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._has_ended = False
        self._under_way = Background()  # claims and dials
        self._dials = UnderWay()
        self._departures = Departures(engine, self._lock)
        self._without_room: set[str] = set()  # workspaces from which more could have been claimed
        self._without_seat: dict[str, None] = {}  # workspaces whose calls wait for a seat, the first that came first

    def wake(self, workspace_id: str = "") -> None:
        """Look at this workspace's queue now ("": at all of them)."""
        self._wake.tell(workspace_id)

    async def run(self) -> None:
        """Until cancelled; dials under way are finished (their replies must not be lost)."""
        self.wake()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._hear_of_queues(), name="queues")
                tasks.create_task(self._hear_of_seats(), name="seats")
        finally:
            await self._finish()

    async def _hear_of_queues(self) -> None:
        with self._wake.listening(self._notifications, "outdial_queue"):
            while True:
                # A row may have been locked when we looked, or a notification lost.
                for workspace_id in await self._wake.wait(self._settings.sweep_every_s):
                    self._look(workspace_id)

    async def _hear_of_seats(self) -> None:
        free = Wake()
        with free.listening(self._notifications, "outdial_seat"):
            while True:
                await free.wait()
                self._there_is_a_seat()

    async def _finish(self) -> None:
        self._has_ended = True
        for timer in self._timers.values():
            timer.cancel()
        await self._under_way.finish(FINISH_S)  # what is cut is on record: whoever takes over asks the carrier

    def _look(self, workspace_id: str) -> None:
        """Look at a queue ("": find all there are). One that is being looked at is looked at once more: it may be
        what was there before that it sees."""
        if workspace_id in self._looking:
            self._look_again.add(workspace_id)
            return
        self._looking.add(workspace_id)
        # Not a part of `run`: cancelled in the middle of a claim, we would forget what was claimed.
        self._under_way.start(self._look_at(workspace_id), name=f"look at queue {workspace_id}")

    async def _look_at(self, workspace_id: str) -> None:
        try:
            async with self._slots:
                if workspace_id:
                    self._look_later(workspace_id, await self._claim(workspace_id))
                else:
                    await self._find_queues()
        finally:
            self._looking.discard(workspace_id)
            if workspace_id in self._look_again:
                self._look_again.discard(workspace_id)
                self.wake(workspace_id)

    async def _find_queues(self) -> None:
        try:
            for workspace_id in await workspaces_with_queued_calls(self._engine):
                self.wake(workspace_id)
        except Exception as error:  # at the next look at all
            tell_trouble(self._engine, logger, "Queues not read; trying again", error)

    def _look_later(self, workspace_id: str, in_s: float | None) -> None:
        if (timer := self._timers.pop(workspace_id, None)) is not None:
            timer.cancel()
        if in_s is not None and not self._has_ended:
            loop = asyncio.get_running_loop()
            spread_s = random.uniform(0, SPREAD_S) if in_s > 0 else 0.0
            self._timers[workspace_id] = loop.call_later(in_s + spread_s, self.wake, workspace_id)

    async def _claim(self, workspace_id: str) -> float | None:
        if self._drain.has_begun or self._has_ended:
            return None  # what waits is for other processes, or the next one
        if not self._lock.holds_lock:
            return None  # woken when it is held again: whose lock is free may be taken for dead
        with self._dials.claiming() as room:
            if room == 0 or full_accounts(self._dials.by_account):
                self._without_room.add(workspace_id)
            if room == 0:
                return self._dials.rest_s or NO_ROOM_S  # another claim may not need what it was promised
            return await self._claim_for(workspace_id, room)

    async def _claim_for(self, workspace_id: str, room: int) -> float | None:
        try:
            claimed = await claim_due_calls(
                self._engine,
                workspace_id,
                owner=self._owner,
                lease_s=self._settings.lease_s,
                batch=room,
                under_way=self._dials.by_account,
            )
        except Exception as error:
            tell_trouble(self._engine, logger, "Queue not read; trying again", error)
            return 1.0
        for claim in claimed.claims:
            self._dials.claimed(claim)
            self._under_way.start(self._dial(claim), name=f"dial of {claim.call_id}")
        if full_accounts(self._dials.by_account):  # by these, whose ends nobody tells of
            self._without_room.add(workspace_id)
        self._without_seat.pop(workspace_id, None)
        if claimed.without_seat:
            self._without_seat[workspace_id] = None  # behind all others
        else:
            self._there_is_a_seat()  # for the next one, too, as far as we know
        return claimed.look_again_in_s

    async def _dial(self, claim: Claim) -> None:
        logs.about(call_id=claim.call_id, attempt_id=claim.attempt_id)
        try:
            if await self._prepare_and_dial(claim) is Hold.TOO_LATE:
                self._dials.was_too_late()
        finally:
            self._dials.over(claim)
            self._there_is_room()

    def _there_is_a_seat(self) -> None:
        """Wake whoever has waited longest for one; that wakes the next, until there is none again. All at once would
        mostly look in vain, however many workspaces they are."""
        workspace_id = next(iter(self._without_seat), None)
        if workspace_id is not None:
            del self._without_seat[workspace_id]
            self.wake(workspace_id)

    def _there_is_room(self) -> None:
        for workspace_id in self._without_room:
            self.wake(workspace_id)
        self._without_room.clear()

    def _sent(self, claim: Claim) -> None:
        self._dials.sent(claim)
        self._there_is_room()

    async def _prepare_and_dial(self, claim: Claim) -> Hold | None:
        """Why it was held back, if it was."""
        try:
            agent = await self._agent(claim)
            if isinstance(agent, CallError):
                await give_up(self._engine, claim, agent)
                return None
            carrier = await self._open_carrier(claim.carrier_account_id)
        except CarrierError as error:
            await write_down(self._engine, self._settings, claim, error)
        except Exception as error:
            tell_trouble(self._engine, logger, "Dial not prepared", error, call_id=claim.call_id)
            await write_down(self._engine, self._settings, claim, NOT_PREPARED)
        else:
            detection = detection_for(claim.detection, agent)
            return await dial(
                self._engine,
                self._settings,
                carrier,
                claim,
                detection,
                departures=self._departures,
                departs=lambda: self._sent(claim),
            )
        return None

    async def _agent(self, claim: Claim) -> ReadyAgent | CallError:
        """Who is to talk; why nobody can, now or later. Raises what the database raises."""
        try:
            agent = await self._agents.agent(claim.agent_id or "", claim.agent_version or 0)
        except UNREADABLE as error:
            logger.exception("Agent not read", extra={"call_id": claim.call_id, "agent_id": claim.agent_id})
            return not_read(error)
        wrong = None if agent.check is None else agent.check(await sent_with(self._engine, claim.call_id))
        return wrong or agent
