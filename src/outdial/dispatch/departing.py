"""The last steps of a dial before it is sent: the database's word that it may go, and its turn in the pace."""

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Self

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial import clock
from outdial.calls.claim import Claim
from outdial.calls.departure import Hold, ask_to_depart
from outdial.calls.pace import LATE_S
from outdial.calls.workers import MayDial, Unlocked
from outdial.db.engine import is_away
from outdial.db.trouble import tell_trouble

logger = logging.getLogger(__name__)

MOST_LATE_S = 0.5   # that a departure may be
ASK_AGAIN_S = 0.05  # before its slot, for a dial that had to wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Now, by two clocks: the one of the wall, and the one since the computer was started, which also counts the time
    in which it was suspended. A clock that doesn't run while this process is held up (a virtual machine that is
    paused from outside may have none that does) shows nothing of it."""

    wall_s: float
    boot_s: float

    @classmethod
    def now(cls) -> Self:
        return cls(wall_s=time.time(), boot_s=clock.since_boot())

    @property
    def passed_s(self) -> float:
        """How long ago this was at the most."""
        now = Moment.now()
        return max(now.wall_s - self.wall_s, now.boot_s - self.boot_s)


class Departures:
    """The dials of a process on their last steps. It learns how late it is at the moment, and asks for as much."""

    def __init__(self, engine: AsyncEngine, lock: MayDial | None = None) -> None:
        self._engine = engine
        self._lock = lock or Unlocked()
        self._late_s = LATE_S

    async def wait_for(self, claim: Claim) -> Hold | None:
        """Returns None at the moment at which the dial is to be sent, with nothing in between, or why it mustn't be.

        Asked is right before that; whoever had to wait, or was held up, asks again. A worker that has lost its lock
        waits for it, for as long as its lease lasts. Raises what isn't the database's trouble.
        """
        slot = None
        while True:
            asked = Moment.now()
            try:
                answer = await ask_to_depart(self._engine, claim, slot, late_s=self._late_s)
            except Exception as error:
                if not is_away(error):
                    raise
                tell_trouble(self._engine, logger, "Database away before a dial", error, call_id=claim.call_id)
                return Hold.TOO_LATE
            if isinstance(answer, Hold):
                return answer
            slot = answer
            if slot.wait_s > 2 * ASK_AGAIN_S:
                await asyncio.sleep(slot.wait_s - ASK_AGAIN_S)
                continue
            if slot.wait_s > 0:
                await asyncio.sleep(slot.wait_s)
            if not self._lock.holds_lock:
                if not await self._lock.holds_lock_before(clock.time() - asked.passed_s + slot.lease_left_s):
                    return Hold.TOO_LATE
                continue
            passed_s = asked.passed_s
            if passed_s >= slot.lease_left_s:
                return Hold.TOO_LATE
            late_s = passed_s - slot.wait_s
            self._late_s = min(MOST_LATE_S, max(LATE_S, 1.5 * late_s, 0.97 * self._late_s))
            if late_s <= slot.late_s:
                return None
