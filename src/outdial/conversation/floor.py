"""Who speaks for our side of a live call: the agent, or for a moment somebody from outside; and whose turn it is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from outdial.conversation.turns import TurnEvent, TurnState, next_turn
from outdial.conversation.verb_results import CallEnded

INSISTING_S = 0.1  # an agent that goes on after CallEnded is slowed down to this


class Floor:
    """The right to speak on one call, until `end`. The agent has it for one verb at a time.

    Somebody from outside may step in between the agent's utterances, or while it listens. The agent notices nothing of
    it but the time it took.
    """

    def __init__(self) -> None:
        self.turn = TurnState.THINKING
        self._lock = asyncio.Lock()             # fair: who waits longest gets it next
        self._in_verb = False                   # the agent is in a verb, and …
        self._agent_has_it = False              # … has the floor for it
        self._outside: list[bool] = []          # who waits for it from outside; True: doesn't let anybody finish
        self._waiter: asyncio.Future[None] | None = None  # what the verb under way waits for
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._told = False                      # … the agent, that it ended

    def move(self, event: TurnEvent) -> None:
        """Raises ValueError for what our own code must not do."""
        self.turn = next_turn(self.turn, event)

    # -- the agent -------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def verb(self) -> AsyncIterator[None]:
        """The agent does something on its call, and has the floor for it; not while words from outside are said.

        Raises CallEnded, and ValueError while another verb is under way.
        """
        if self._in_verb:
            raise ValueError("a verb is impossible while another one is under way")
        await self.must_be_up()
        self._in_verb = True
        try:
            await self._claim()
            yield
        finally:
            self._in_verb = False
            self._release()

    async def make_way(self) -> None:
        """The listening agent lets somebody from outside have the floor, and has it again. Raises CallEnded."""
        self.move(TurnEvent.MAKE_WAY)
        self._release()
        await self._claim()

    async def _claim(self) -> None:
        await self._lock.acquire()
        self._agent_has_it = True
        await self.must_be_up()

    def _release(self) -> None:
        if self._agent_has_it:
            self._agent_has_it = False
            self._lock.release()

    # -- somebody from outside -------------------------------------------------------------------------------

    @asynccontextmanager
    async def step_in(self, *, interrupt: bool) -> AsyncIterator[None]:
        """Have the floor as somebody else than the agent, who finishes its utterance first. One that listens makes way
        when the callee isn't speaking, or at once when that one is to be interrupted."""
        self._outside.append(interrupt)
        self.wake()
        try:
            await self._lock.acquire()
        finally:
            self._outside.remove(interrupt)
        try:
            yield
        finally:
            self._lock.release()

    async def is_left(self, at_most_s: float) -> None:
        """Until nobody has it, once the call is over for the agent."""
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most_s), self._lock:
                pass

    @property
    def is_free(self) -> bool:
        """Whether the call is up and the agent doing nothing on it."""
        return not self._in_verb and not self._ended.done()

    def is_wanted(self, *, callee_speaks: bool) -> bool:
        """Whether the listening agent should make way now."""
        return any(self._outside) or (bool(self._outside) and not callee_speaks)

    # -- waiting, and the end --------------------------------------------------------------------------------

    async def wait(self, timeout_ms: int) -> None:
        """Until something happens (`wake`) or `timeout_ms` passed. Raises CallEnded."""
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait({self._waiter}, timeout=timeout_ms / 1000)
        finally:
            self._waiter = None
        await self.must_be_up()

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait_for(self, future: asyncio.Future[Any], *, timeout_ms: int) -> None:
        """Until it is done, or so long. Raises CallEnded; neither that nor being cancelled meanwhile cancels it."""
        await asyncio.wait({future, self._ended}, timeout=timeout_ms / 1000, return_when=asyncio.FIRST_COMPLETED)
        await self.must_be_up()

    def end(self) -> None:
        """The call is over for this agent: the verb under way and every later one raise CallEnded."""
        if not self._ended.done():
            self._ended.set_result(None)
            self.wake()

    @property
    def has_ended(self) -> bool:
        return self._ended.done()

    async def must_be_up(self) -> None:
        if self._ended.done():
            if self._told:  # an agent that tries again and again must not keep the loop from other calls
                await asyncio.sleep(INSISTING_S)
            self._told = True
            raise CallEnded
