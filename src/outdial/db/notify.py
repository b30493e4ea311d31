"""Hear PostgreSQL's NOTIFY: one dedicated connection a process, any number of subscribers."""

import asyncio
import logging
from collections.abc import Callable
from types import TracebackType
from typing import Self

from psycopg import sql
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.db.engine import why
from outdial.db.session import Session
from outdial.logs import Seldom
from outdial.repeating import Pauses

logger = logging.getLogger(__name__)

Listener = Callable[[str], None]

HEARTBEAT_S = 10.0  # a silent connection is asked whether it still lives
RECONNECT = Pauses(first_s=0.1, longest_s=1.0)


class Notifications:
    """Subscriptions to NOTIFY channels, alive inside `async with`.

    Callbacks run on the event loop with the payload. They get "" when anything may have happened unheard: as
    soon as a channel is listened to for the first time, and after every lost connection.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._lost = Seldom()
        self._callbacks: dict[str, list[Listener]] = {}
        self._new_channel = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._listening: set[str] = set()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._stay_connected(), name="notifications")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    @property
    def connected(self) -> bool:
        """Whether every channel subscribed to is being listened to right now."""
        return bool(self._callbacks) and self._listening >= self._callbacks.keys()

    def subscribe(self, channel: str, callback: Listener) -> Callable[[], None]:
        """Call `callback` with each payload on `channel`; the result ends that."""
        self._callbacks.setdefault(channel, []).append(callback)
        if channel not in self._listening:
            self._new_channel.set()

        def unsubscribe() -> None:
            callbacks = self._callbacks.get(channel, [])
            if callback in callbacks:
                callbacks.remove(callback)

        return unsubscribe

    async def _stay_connected(self) -> None:
        failures = 0
        while True:
            try:
                session = await Session.open(self._url)
                try:
                    await self._listen(session)
                finally:
                    failures = 0 if self._listening else failures
                    self._listening = set()
                    await session.close()
            except Exception as error:  # the database's; and whatever it is, nobody else would connect again
                if times := self._lost.again():
                    logger.warning("Database notifications lost", extra={"reason": why(error), "times": times})
            failures += 1
            await asyncio.sleep(RECONNECT.after(failures))

    async def _listen(self, session: Session) -> None:
        """LISTEN to every channel, dispatch until a new one is wanted, and again. Ends by an error only."""
        while True:
            self._new_channel.clear()
            for channel in sorted(self._callbacks.keys() - self._listening):
                await session.ask(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                self._listening.add(channel)
                self._dispatch(channel, "")
            receiving = asyncio.create_task(self._receive(session))
            wanted = asyncio.create_task(self._new_channel.wait())
            try:
                await asyncio.wait({receiving, wanted}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                receiving.cancel()
                wanted.cancel()
                await asyncio.gather(receiving, wanted, return_exceptions=True)
            if not receiving.cancelled() and (error := receiving.exception()) is not None:
                raise error

    async def _receive(self, session: Session) -> None:
        while True:
            async for message in session.connection.notifies(timeout=HEARTBEAT_S):
                self._dispatch(message.channel, message.payload)
            await session.ask("SELECT 1")

    def _dispatch(self, channel: str, payload: str) -> None:
        for callback in tuple(self._callbacks.get(channel, ())):
            try:
                callback(payload)
            except Exception:
                logger.exception("Notification subscriber failed", extra={"channel": channel})


async def notify(conn: AsyncConnection, channel: str, payload: str) -> None:
    """Wake the listeners of a channel when the transaction commits."""
    await conn.execute(select(func.pg_notify(channel, payload)))
