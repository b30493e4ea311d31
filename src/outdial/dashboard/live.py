"""Pages that stay true by themselves: HTML parts, rendered once when something happens and sent to all who look.

A channel is what people look at: one call, the list of calls, the overview of a workspace. However many look at it, it
reads the database and renders once, and keeps silent when what it rendered is what they have.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy.exc import SQLAlchemyError

from outdial.api.event_stream import event, reconnect_after
from outdial.db.notify import Notifications
from outdial.db.wake import Wake
from outdial.logs import Seldom

logger = logging.getLogger(__name__)

SETTLE_S = 0.03         # what happens together is rendered together
EVERY_S = 0.05          # between two renderings,
REST = 2                # and times as long as the last one took: no page takes more than a third of a core
STILL_ALLOWED_S = 15.0   # who was signed out must not go on looking
LOOK_AGAIN_S = 10.0     # should a notification be lost
MAX_UNSENT = 200        # messages; who takes no more of them is cut off and comes back for the whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """An element of a page by its id. Where the page has none, it is put into the element `into`, if that is there."""

    id: str
    html: str
    into: str | None = None
    place: Literal["start", "end", "order"] = "end"  # order: by data-order, highest first, as far as data-limit goes

    def message(self) -> bytes:
        return _message("part", {"id": self.id, "html": self.html, "into": self.into, "place": self.place})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """`over`: nothing will change any more."""

    parts: Sequence[Part]
    over: bool = False


# What is to be seen now. Told the ids of the calls that something happened to; None: perhaps to all of them.
Render = Callable[[frozenset[str] | None], Awaitable[Rendered]]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a channel shows. `call_id`: only what happens to this call matters. `keeps`: only the newest
    parts are remembered, for who comes later; None: all. `workspace_id`: whose pauses are shown, too."""

    key: str
    render: Render
    workspace_id: str = ""
    call_id: str | None = None
    keeps: int | None = None


@dataclass(slots=True, eq=False)
class _Viewer:
    messages: asyncio.Queue[bytes | None] = field(default_factory=lambda: asyncio.Queue(MAX_UNSENT))

    def send(self, message: bytes | None) -> None:
        try:
            self.messages.put_nowait(message)
        except asyncio.QueueFull:
            while not self.messages.empty():
                self.messages.get_nowait()
            self.messages.put_nowait(None)


class _Channel:
    def __init__(self, view: View, not_renewed: Seldom) -> None:
        self.view = view
        self._not_renewed = not_renewed
        self.viewers: set[_Viewer] = set()
        self.task: asyncio.Task[None] | None = None
        self._shown: dict[str, Part] = {}

    def add(self, viewer: _Viewer) -> None:
        self.viewers.add(viewer)
        if self._shown:  # all in one: a long call has more turns than a viewer may have unsent messages
            viewer.send(b"".join(part.message() for part in self._shown.values()))

    async def run(self, notifications: Notifications) -> None:
        loop = asyncio.get_running_loop()
        call_id, workspace_id = self.view.call_id, self.view.workspace_id
        wake = Wake(None if call_id is None else lambda told: told in (call_id, workspace_id))
        wake.tell()
        missed = False  # something may have changed that nobody was shown
        with wake.listening(notifications, "outdial_pause"), wake.listening(notifications, "outdial_call"):
            while True:
                changed = await wake.wait(LOOK_AGAIN_S, settle_s=SETTLE_S)
                began = loop.time()
                try:
                    perhaps_all = missed or not changed.isdisjoint(("", workspace_id))  # paused: all that waits
                    rendered = await self.view.render(None if perhaps_all else changed)
                except SQLAlchemyError as error:
                    if times := self._not_renewed.again():
                        extra = {"error": type(error).__name__, "times": times}
                        logger.warning("Live page not renewed: database unreachable", extra=extra)
                    missed = True
                else:
                    missed = False
                    self._broadcast(rendered)
                    if rendered.over:
                        return
                await asyncio.sleep(max(EVERY_S, REST * (loop.time() - began)))

    def _broadcast(self, rendered: Rendered) -> None:
        messages = []
        for part in rendered.parts:
            before = self._shown.get(part.id)
            if before is None or before.html != part.html:
                self._shown[part.id] = part
                messages.append(part.message())
        if rendered.over:
            messages.append(_message("end", {}))
        if self.view.keeps is not None:
            for part_id in list(self._shown)[: -self.view.keeps]:
                del self._shown[part_id]
        if messages:
            together = b"".join(messages)
            for viewer in self.viewers:
                viewer.send(together)

    def end(self) -> None:
        for viewer in self.viewers:
            viewer.send(None)


class LivePages:
    """All channels of this process."""

    def __init__(self, notifications: Notifications) -> None:
        self._notifications = notifications
        self._channels: dict[str, _Channel] = {}
        self._not_renewed = Seldom()

    async def follow(self, view: View, *, still_allowed: Callable[[], Awaitable[bool]]) -> AsyncIterator[bytes]:
        """Server-sent events for one viewer: what is there now, then whatever changes."""
        channel = self._channels.get(view.key)
        if channel is None:
            channel = self._channels[view.key] = _Channel(view, self._not_renewed)
            channel.task = asyncio.create_task(self._run(channel), name=f"live page {view.key}")
        viewer = _Viewer()
        channel.add(viewer)
        loop = asyncio.get_running_loop()
        check_at = loop.time() + STILL_ALLOWED_S
        try:
            yield reconnect_after(ms=1000)
            while True:
                message: bytes | None = b""
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(check_at):
                        message = await viewer.messages.get()
                # Also where there is always something to tell, or a busy workspace could be watched for ever.
                if loop.time() >= check_at:
                    if not await still_allowed():
                        return
                    check_at = loop.time() + STILL_ALLOWED_S
                if message is None:
                    return
                if message:
                    yield message
        finally:
            channel.viewers.discard(viewer)
            if not channel.viewers and channel.task is not None:
                channel.task.cancel()

    async def aclose(self) -> None:
        """Every viewer is let go; their browsers come back to whoever serves then."""
        tasks = [channel.task for channel in self._channels.values() if channel.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, channel: _Channel) -> None:
        try:
            await channel.run(self._notifications)
        except Exception:
            logger.exception("Live page failed", extra={"page": channel.view.key})
        finally:
            if self._channels.get(channel.view.key) is channel:
                del self._channels[channel.view.key]
            channel.end()


def _message(type_: str, data: object) -> bytes:
    return event(type_, json.dumps(data, ensure_ascii=False))
