"""The python agents that this process runs, and how it comes to know of others: new files, new workspaces."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.agents.python.blocking import BlockingWatch
from outdial.agents.python.books import keep, workspaces_there
from outdial.agents.python.definition import PythonAgent
from outdial.agents.python.loading import GROUP, Fault, Found, find_agents, states
from outdial.db.trouble import outlast, tell_trouble
from outdial.telephony.failures import CallError, FailureCode

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 2.0         # for new workspaces
LOOK_FOR_CHANGES_S = 0.5   # of files, where they are read again


class NotServed(ValueError):
    """This process can't run an agent: `error` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.error = CallError(code=FailureCode.AGENT_FAILED, message=reason)


class ServedAgents:
    """Of the operator's `path` (a file or a folder), and of installed packages. With `reload`, files are read again
    when they change; the last good one stays where the new one is broken. `generation` changes with them."""

    def __init__(
        self, path: Path | None = None, *, reload: bool = False, points: list[EntryPoint] | None = None
    ) -> None:
        self._path = path
        self._reload = reload
        self._points = list(entry_points(group=GROUP)) if points is None else points
        self._found = Found(agents={}, faults={})
        self._next: Found | None = None  # what is to be run as soon as it is in the books
        self._states: list[tuple[str, int, int]] = []
        self._kept: set[str] = set()
        self._told: frozenset[str] = frozenset()
        self._blocking = BlockingWatch({})
        self.generation = 0

    @classmethod
    async def begin(
        cls, engine: AsyncEngine, path: Path | None, *, reload: bool, progress: Callable[[str], None]
    ) -> "ServedAgents":
        """Of a process that starts: loaded, and in the books."""
        served = cls(path, reload=reload)
        if served.are_there:
            progress("Loading the agents in Python")
            await served.load()
            await outlast(lambda: served.tell(engine), progress)
        return served

    @property
    def are_there(self) -> bool:
        return self._path is not None or bool(self._points)

    @property
    def agents(self) -> Mapping[str, PythonAgent]:
        return self._found.agents

    def agent(self, name: str, file: str | None) -> PythonAgent:
        """Raises NotServed."""
        if found := self._found.agents.get(name):
            return found
        broken = self._found.faults.values()
        fault = self._found.faults.get(name) or next((one for one in broken if one.file == file), None)
        if fault is not None:
            raise NotServed(f"The agent's code has a fault: {fault.reason}.")
        raise NotServed("The agent is written in Python, and its code is not on this server.")

    async def load(self) -> None:
        """Read them all. They are run once `tell` has them in the books: each call is to know its version."""
        self._states = list(states(self._path))
        found = await asyncio.to_thread(find_agents, self._path, self._points)
        agents = dict(found.agents)
        for fault in found.faults.values():
            kept = [name for name, one in self._found.agents.items() if _is_of(one, fault) and name not in found.agents]
            fields = {"file": fault.file, "reason": fault.reason, "kept": kept or None}
            logger.error("Agent's code is broken", extra={key: value for key, value in fields.items() if value})
            agents |= {name: self._found.agents[name] for name in kept}
        self._next = Found(agents=agents, faults=found.faults)
        self._kept = agents.keys() - found.agents.keys()

    async def tell(self, engine: AsyncEngine) -> None:
        """Have the books say what there is, and run it."""
        there, new = await workspaces_there(engine), self._next
        if new is not None:
            await keep(engine, new, there, kept=self._kept)
            self._found, self._next = new, None
            self._blocking.files = {one.code.file: name for name, one in new.agents.items() if one.code is not None}
            self.generation += 1
        else:
            await keep(engine, self._found, there - self._told, kept=self._kept)
        self._told = there

    async def watch(self, engine: AsyncEngine) -> None:
        """Until it is cancelled; at once over where there is nothing to see to."""
        if not self.are_there:
            return
        with self._blocking.running():
            while True:
                await asyncio.sleep(LOOK_FOR_CHANGES_S if self._reload else LOOK_EVERY_S)
                try:
                    await self._look(engine)
                except Exception as error:
                    tell_trouble(engine, logger, "Python agents not kept in the books", error)

    async def _look(self, engine: AsyncEngine) -> None:
        if self._reload and list(states(self._path)) != self._states:
            await self.load()
            logger.info("Agents read again", extra={"agents": sorted(self._found.agents)})
        await self.tell(engine)


def _is_of(agent: PythonAgent, fault: Fault) -> bool:
    return agent.name == fault.name or agent.file == fault.file
