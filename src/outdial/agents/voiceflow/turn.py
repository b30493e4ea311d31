"""One turn of a project, as it comes: things to do one after the other, and what it says about the callee's answer."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from outdial.agents.brains.files import File
from outdial.agents.brains.reaching import BrainAway
from outdial.agents.brains.words import Words
from outdial.agents.voiceflow.traces import (
    Choices,
    Ended,
    Expects,
    Forward,
    Goto,
    Interruptions,
    Keys,
    NoReply,
    Piece,
    PlayAudio,
    Say,
    Trace,
    Unknown,
    read_trace,
)
from outdial.conversation.stopping import stop

logger = logging.getLogger(__name__)

Item = Words | File | Interruptions | Forward | Ended


class Turn:
    """In the making from the beginning; `cancel` it in the end, also when it is whole. `failure` tells why it broke
    off. `first_s`: after so many seconds the first trace came. `fetch` begins to fetch a sound file."""

    def __init__(self, traces: AsyncGenerator[Any], fetch: Callable[[File], object]) -> None:
        self._fetch = fetch
        self.items: deque[Item] = deque()
        self.expects = Expects()
        self.news = asyncio.Event()
        self.is_whole = False
        self.failure: BrainAway | None = None
        self.first_s: float | None = None
        self.unknown: dict[str, int] = {}  # types of traces that a call does nothing about, and how often
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._open: Words | None = None
        self._traces = traces
        self._task = asyncio.create_task(self._read(), name="turn of a voiceflow project")

    @property
    def has_begun(self) -> bool:
        return self.first_s is not None

    async def cancel(self) -> None:
        await stop(self._task)
        self._end_open()
        self.is_whole = True

    async def _read(self) -> None:
        try:
            async with aclosing(self._traces) as traces:
                async for trace in traces:
                    if self.first_s is None:
                        self.first_s = self._loop.time() - self._began
                    self._take(read_trace(trace))
                    self.news.set()
        except BrainAway as away:
            self.failure = away
        except Exception as error:  # nothing may end the call without a word to the callee
            logger.error("Voiceflow turn not read", extra={"error": type(error).__name__})
            self.failure = BrainAway(type(error).__name__, may_again=False)
        finally:
            self._end_open()
            self.is_whole = True
            self.news.set()

    def _take(self, trace: Trace) -> None:
        match trace:
            case Piece(text=text, ends=ends):
                if self._open is None:
                    self._open = Words()
                    self.items.append(self._open)
                self._open.feed(text)
                if ends:
                    self._end_open()
            case Say(text=text):
                self._end_open()
                words = Words()
                words.feed(text)
                words.end()
                self.items.append(words)
            case PlayAudio(source=source):
                self._end_open()
                file = File(source)
                self.items.append(file)
                self._fetch(file)
            case Interruptions() | Forward() | Ended():
                self._end_open()
                self.items.append(trace)
            case NoReply(after_s=after_s):
                self.expects.no_reply_s = after_s
            case Keys():
                self.expects.keys = trace
            case Choices(buttons=buttons):
                self.expects.choices = buttons
            case Goto(request=request):
                self.expects.goto = request
            case Unknown(type=type_):
                if len(self.unknown) < 20:
                    self.unknown[type_] = self.unknown.get(type_, 0) + 1

    def _end_open(self) -> None:
        if self._open is not None:
            self._open.end()
            self._open = None
