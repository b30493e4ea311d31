"""Calls that have ended, told one by one: read, made spans of, and sent. Behind the back of everything else.

What waits is ids of calls, and spans of what is stored nowhere: little, and so much of each at most. While nobody takes
traces the calls wait, for they are stored; what doesn't fit is left out, and the log says so once.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import islice
from typing import Any, Protocol

from outdial.logs import Seldom
from outdial.tracing.context import TraceContext
from outdial.tracing.process import switch
from outdial.tracing.span import Span
from outdial.tracing.spans import spans_of
from outdial.tracing.story import Story

logger = logging.getLogger(__name__)

MOST_CALLS = 10_000    # that wait
MOST_SPANS = 5_000     # the same, of those that are stored nowhere
AT_ONCE = 20           # spans made, before the loop has its turn: a millisecond
IN_A_REQUEST = 500
TOGETHER_S = 1.0       # spans wait for others, so long
AGAIN_S = (1.0, 5.0, 15.0, 30.0)  # after as many failures in a row
GIVE_UP_AFTER = 20     # of them, what was tried is left out
FINISH_S = 3.0
TELL_EVERY_S = 600.0


class Sends(Protocol):
    """See exporter.Exporter."""

    def samples(self, context: TraceContext) -> bool: ...
    def spans(self, told: Sequence[Span]) -> list[Any]: ...
    def send(self, spans: Sequence[Any]) -> bool: ...
    def close(self) -> None: ...


class Sending:
    """A process's Tracing. `read` finds what is stored of a call, None where there is nothing to tell."""

    def __init__(self, exporter: Sends, read: Callable[[str], Awaitable[Story | None]]) -> None:
        self._exporter = exporter
        self._read = read
        self._calls: deque[str] = deque()
        self._spans: deque[Span] = deque()
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._failures = 0
        self._lost = 0
        self._seldom = Seldom(every_s=TELL_EVERY_S)

    # -- Tracing -----------------------------------------------------------------------------------------------

    def ended(self, call_id: str) -> None:
        self._add(self._calls, call_id, MOST_CALLS)

    def took(self, span: Span) -> None:
        self._add(self._spans, span, MOST_SPANS)

    def samples(self, context: TraceContext) -> bool:
        return self._exporter.samples(context)

    # -- a part of the process ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled."""
        switch(self)
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                await asyncio.sleep(TOGETHER_S)
                while self._calls or self._spans:
                    await self._send_some()
                self._idle.set()
        finally:
            switch(None)

    async def aclose(self) -> None:
        """What waits has a moment, unless nobody takes it."""
        if not self._failures:
            try:
                await asyncio.wait_for(self._idle.wait(), FINISH_S)
            except TimeoutError:
                logger.warning("Traces not sent before the end", extra={"calls": len(self._calls)})
        self._exporter.close()

    async def _send_some(self) -> None:
        """A request's worth. What is not taken is made again of the same calls."""
        calls: list[str] = []
        told = list(islice(self._spans, IN_A_REQUEST))
        own = len(told)
        while len(told) < IN_A_REQUEST and len(calls) < len(self._calls):
            call_id = self._calls[len(calls)]
            calls.append(call_id)
            told += await self._spans_of(call_id)
        made = await self._made(told)
        for first in range(0, len(made), IN_A_REQUEST):
            part = made[first : first + IN_A_REQUEST]
            if not await in_thread(partial(self._exporter.send, part)):
                self._not_taken()
                await asyncio.sleep(AGAIN_S[min(self._failures, len(AGAIN_S)) - 1])
                if self._failures % GIVE_UP_AFTER:
                    return
                self._lost += len(calls) + own  # they may be why
                break
            self._taken()
        for _ in range(own):
            self._spans.popleft()
        for _ in calls:
            self._calls.popleft()

    async def _spans_of(self, call_id: str) -> list[Span]:
        try:
            story = await self._read(call_id)
            return [] if story is None else spans_of(story)
        except Exception as error:  # of one call, or of the database: nobody waits for it
            logger.warning("Trace of call not made", extra={"call_id": call_id, "error": type(error).__name__})
            self._lost += 1
            return []

    async def _made(self, told: Sequence[Span]) -> list[Any]:
        made: list[Any] = []
        for first in range(0, len(told), AT_ONCE):
            made += self._exporter.spans(told[first : first + AT_ONCE])
            await asyncio.sleep(0)
        return made

    def _add(self, waiting: "deque[Any]", what: Any, most: int) -> None:
        if len(waiting) >= most:
            self._lost += 1
            return
        waiting.append(what)
        self._idle.clear()
        self._news.set()

    def _not_taken(self) -> None:
        self._failures += 1
        if self._seldom.again():
            waiting = {"calls_waiting": len(self._calls), "lost": self._lost}
            logger.warning("Traces not taken; trying again", extra=waiting)

    def _taken(self) -> None:
        if self._failures:
            logger.info("Traces taken again", extra={"lost": self._lost})
        self._failures = self._lost = 0


async def in_thread(work: Callable[[], bool]) -> bool:
    """In one that no end of the process waits for: what is far away may never answer."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bool] = loop.create_future()

    def settle(result: bool) -> None:
        if not done.done():
            done.set_result(result)

    def run() -> None:
        try:
            result = work()
        except Exception:
            result = False
        try:
            loop.call_soon_threadsafe(settle, result)
        except RuntimeError:  # the loop is over
            return

    threading.Thread(target=run, name="traces", daemon=True).start()
    return await done
