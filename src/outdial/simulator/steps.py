"""A reply that is sent step by step, with pauses, and that may break off: what models and tools answer with."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from outdial.simulator.connection import reset
from outdial.simulator.waiting import run_until


@dataclass(frozen=True, slots=True)
class Wait:
    seconds: float


@dataclass(frozen=True, slots=True)
class Write:
    """`text` is what of an answer's text goes with it."""

    data: bytes
    text: str = ""


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection breaks; nothing follows."""


Step = Wait | Write | Reset


class SteppedReply(Response):
    """Ends early when its client leaves. `written` is told each piece, `ended` whether everything was written."""

    def __init__(
        self,
        steps: Iterable[Step],
        *,
        status_code: int = 200,
        headers: dict[str, str] | None = None,
        media_type: str,
        begins_after_s: float = 0.0,
        written: Callable[[str], None] | None = None,
        ended: Callable[[bool], None] | None = None,
    ) -> None:
        self.body = b""
        self.background = None
        self.status_code = status_code
        self.media_type = media_type
        self._steps = steps
        self._begins_after_s = begins_after_s
        self._written = written
        self._ended = ended
        self._whole = False
        self.raw_headers: list[tuple[bytes, bytes]] = []
        self.init_headers(headers)
        del self.headers["content-length"]  # of the empty body: how long it gets isn't known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        left = asyncio.create_task(_left(receive))
        try:
            await run_until(self._play(scope, send, left), left)
        finally:
            left.cancel()
            if self._ended is not None:
                self._ended(self._whole)

    async def _play(self, scope: Scope, send: Send, left: asyncio.Task[None]) -> None:
        await asyncio.sleep(self._begins_after_s)
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for step in self._steps:
            match step:
                case Wait(seconds):
                    if seconds > 0:
                        await asyncio.sleep(seconds)
                case Write(data, text):
                    message: Message = {"type": "http.response.body", "body": data, "more_body": True}
                    await asyncio.sleep(0)  # a socket that takes everything would else never let go of the loop
                    if text and self._written is not None:
                        self._written(text)
                    await send(message)
                case Reset():
                    if reset(scope):
                        await left  # a reply that returns before it is noticed would be reported as unfinished
                    return
        self._whole = True
        await send({"type": "http.response.body", "body": b""})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
