"""What the models of a workspace's agents cost, written down as it comes, and whether that is as much as it may be.

Conversations wait for none of it: what an answer cost is written behind them, at once, and again until the database
takes it. A process that dies loses what it has not written yet, which is what came in that moment.
"""

import asyncio
import logging
from datetime import datetime
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial import clock
from outdial.agents.llm.chat import Usage
from outdial.background import Background
from outdial.db.trouble import tell_trouble
from outdial.policy.gate import next_day
from outdial.policy.spending import Spend, add_spend, is_spent_now
from outdial.repeating import UNTIL_WRITTEN

logger = logging.getLogger(__name__)

LOOK_AGAIN_S = 5.0   # whether the limit was raised, and whether others have reached it
FINISH_S = 3.0       # for what is left to write when the process ends


class SpendMeters:
    """Of all workspaces whose agents talk here."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._tasks = Background()
        self._meters: dict[str, SpendMeter] = {}

    def of(self, workspace_id: str) -> "SpendMeter":
        meter = self._meters.get(workspace_id)
        if meter is None:
            meter = self._meters[workspace_id] = SpendMeter(self._engine, self._tasks, workspace_id)
        return meter

    async def aclose(self) -> None:
        await self._tasks.finish(FINISH_S)


class SpendMeter:
    """Of one workspace, on one event loop."""

    def __init__(self, engine: AsyncEngine, tasks: Background, workspace_id: str) -> None:
        self._engine = engine
        self._tasks = tasks
        self.workspace_id = workspace_id
        self._waiting = Spend()  # to be written
        self._writing = self._looking = False
        self._passed_until: datetime | None = None
        self._looked_at = float("-inf")

    @property
    def is_passed(self) -> bool:
        """As it was known some seconds ago."""
        now = asyncio.get_running_loop().time()
        if not (self._looking or self._writing) and now - self._looked_at > LOOK_AGAIN_S:
            self._looking = True
            self._tasks.start(self._look(), name="look at the spend limit")
        return self._passed_until is not None and clock.now() < self._passed_until

    def add(self, usage: Usage) -> None:
        self._waiting += Spend(
            tokens=usage.tokens,
            estimated_tokens=usage.tokens if usage.estimated else 0,
            dollars=Decimal(str(usage.dollars or 0)),
        )
        if self._waiting and not self._writing:
            self._writing = True
            self._tasks.start(self._write(), name="spend of models written")

    async def _write(self) -> None:
        failures = 0
        try:
            while self._waiting:
                spend, self._waiting = self._waiting, Spend()
                try:
                    self._found(await add_spend(self._engine, self.workspace_id, spend))
                    failures = 0
                except Exception as error:
                    self._waiting += spend
                    failures += 1
                    tell_trouble(self._engine, logger, "Spend of models not written; trying again", error)
                    await asyncio.sleep(UNTIL_WRITTEN.after(failures))
        finally:
            self._writing = False

    async def _look(self) -> None:
        try:
            self._found(await is_spent_now(self._engine, self.workspace_id))
        except Exception as error:
            tell_trouble(self._engine, logger, "Spend limit not read; trying again", error)
        finally:
            self._looking = False

    def _found(self, is_passed: bool) -> None:
        self._looked_at = asyncio.get_running_loop().time()
        self._passed_until = next_day(clock.now()) if is_passed else None
