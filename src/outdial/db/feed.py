"""The feed of a call, read: what happened to it so far, and what happens, as it happens. `calls.events` writes it."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial import clock
from outdial.db.engine import reading
from outdial.db.notify import Notifications
from outdial.db.tables import call_events, calls
from outdial.db.wake import Wake
from outdial.telephony.state import CallState

logger = logging.getLogger(__name__)

POLL_S = 3.0                    # should a notification be lost
LATE = timedelta(seconds=10)    # within this, an event may turn up after one with a higher id
LINGER = timedelta(seconds=1)   # the last words are written beside the end, and may come just after it
# What was said, and figures: no steps of a call's history.
FIGURES = ("transcript", "digit", "model", "turn_times", "guess_dropped", "speech_used")
MAX_UNTOLD = 500                # times that something was read and not taken; who takes no more is cut off


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One row of a call's feed."""

    id: int
    type: str
    data: dict[str, Any]
    at: datetime


async def events_after(
    conn: AsyncConnection, call_id: str, event_id: int, *, limit: int | None = None
) -> Sequence[Event]:
    """The feed of a call after an event (0: from its start), oldest first.

    Ids are given out before their transactions commit: an event may turn up after one with a higher id.
    """
    rows = await conn.execute(
        select(call_events)
        .where(call_events.c.call_id == call_id, call_events.c.id > event_id)
        .order_by(call_events.c.id)
        .limit(limit)
    )
    return [Event(id=row.id, type=row.type, data=row.data, at=row.at) for row in rows]


async def events_of_types(
    conn: AsyncConnection, call_id: str, types: Sequence[str], *, limit: int = 500
) -> Sequence[Event]:
    """Those of a call's feed that are of these types, oldest first."""
    rows = await conn.execute(
        select(call_events)
        .where(call_events.c.call_id == call_id, call_events.c.type.in_(types))
        .order_by(call_events.c.id)
        .limit(limit)
    )
    return [Event(id=row.id, type=row.type, data=row.data, at=row.at) for row in rows]


async def model_events_of(conn: AsyncConnection, call_id: str, *, limit: int = 500) -> Sequence[Event]:
    """What the models of a call's agent did, and the tools they called, oldest first."""
    return await events_of_types(conn, call_id, ("model", "tool", "model_failed"), limit=limit)


async def history_of(conn: AsyncConnection, call_id: str, *, limit: int = 500) -> Sequence[Event]:
    """What happened to a call but for what was said, oldest first."""
    rows = await conn.execute(
        select(call_events)
        .where(call_events.c.call_id == call_id, call_events.c.type.not_in(FIGURES))
        .order_by(call_events.c.id)
        .limit(limit)
    )
    return [Event(id=row.id, type=row.type, data=row.data, at=row.at) for row in rows]


class Feeds:
    """The feeds this process follows. However many listen to a call, one reader reads it for all of them."""

    def __init__(self, engine: AsyncEngine, notifications: Notifications) -> None:
        self._engine = engine
        self._notifications = notifications
        self._readers: dict[str, _Reader] = {}

    async def follow(self, call_id: str, *, after: int = 0) -> AsyncGenerator[Event, None]:
        """Each event of a call after the one with the id `after`, once, until a moment after the call's end; or until
        so many are waiting that whoever takes them has to come back for the rest.

        Raises SQLAlchemyError when the database can't be used: go on after the last id then.
        """
        reader = self._readers.get(call_id)
        told: set[int] = set()
        is_first = reader is None
        if reader is None:
            reader = self._readers[call_id] = _Reader()
            reader.task = asyncio.create_task(self._run(call_id, reader), name=f"feed of {call_id}")
        listener = reader.add()
        try:
            if not is_first:  # what was told to the others already; what comes meanwhile waits
                async with reading(self._engine) as conn:
                    earlier = await events_after(conn, call_id, after)
                told.update(event.id for event in earlier)
                for event in earlier:
                    yield event
            while (news := await listener.get()) is not None:
                if isinstance(news, SQLAlchemyError):
                    raise news
                for event in news:
                    if event.id > after and event.id not in told:
                        yield event
        finally:
            reader.listeners.discard(listener)
            if not reader.listeners:
                self._forget(call_id, reader)
                reader.task.cancel()

    async def _run(self, call_id: str, reader: "_Reader") -> None:
        try:
            await self._read_on(call_id, reader)
            reader.tell(None)
        except SQLAlchemyError as error:
            reader.tell(error)
        except Exception:
            logger.exception("Feed not read", extra={"call_id": call_id})
            reader.tell(None)
        finally:
            self._forget(call_id, reader)

    async def _read_on(self, call_id: str, reader: "_Reader") -> None:
        place = _Place(0)
        with Wake(lambda told: told == call_id).listening(self._notifications, "outdial_call") as wake:
            while True:
                ended_at, events = await _read(self._engine, call_id, place.after)
                now = clock.now()
                if unseen := place.unseen(events, now):
                    reader.tell(unseen)
                if ended_at is None:
                    await wake.wait(POLL_S)
                elif ended_at < now - LINGER:
                    return
                else:
                    await wake.wait(LINGER.total_seconds())

    def _forget(self, call_id: str, reader: "_Reader") -> None:
        """Whoever comes from now on begins a new one."""
        if self._readers.get(call_id) is reader:
            del self._readers[call_id]


# Events that were read together; None: there is no more; an error: there may be more, and it can't be read now.
_News = Sequence[Event] | SQLAlchemyError | None


class _Reader:
    """Who listens to a call, and the task that reads for them."""

    task: asyncio.Task[None]

    def __init__(self) -> None:
        self.listeners: set[asyncio.Queue[_News]] = set()

    def add(self) -> asyncio.Queue[_News]:
        listener: asyncio.Queue[_News] = asyncio.Queue(MAX_UNTOLD)
        self.listeners.add(listener)
        return listener

    def tell(self, news: _News) -> None:
        for listener in self.listeners:
            if listener.full():
                while not listener.empty():
                    listener.get_nowait()
                listener.put_nowait(None)
            else:
                listener.put_nowait(news)


async def _read(engine: AsyncEngine, call_id: str, after: int) -> tuple[datetime | None, Sequence[Event]]:
    """When the call ended (long ago, where there is none any more), and its events."""
    query = select(calls.c.state, calls.c.ended_at).where(calls.c.id == call_id)
    async with reading(engine) as conn:
        call = (await conn.execute(query)).one_or_none()
        # After the state: when that is the end, the event that says so is among these.
        events = await events_after(conn, call_id, after)
    if call is not None and call.state != CallState.ENDED:
        return None, events
    return (None if call is None else call.ended_at) or datetime.min.replace(tzinfo=UTC), events


class _Place:
    """How far somebody has read. Events younger than LATE are read again, for the sake of late ones: `after` is behind
    them, and `_told` says which of them are known."""

    def __init__(self, after: int) -> None:
        self.after = after
        self._told: dict[int, datetime] = {}

    def unseen(self, events: Iterable[Event], now: datetime) -> list[Event]:
        unseen = [event for event in events if event.id not in self._told]
        self._told |= {event.id: event.at for event in unseen}
        self.after = max([self.after, *(event_id for event_id, at in self._told.items() if at < now - LATE)])
        self._told = {event_id: at for event_id, at in self._told.items() if event_id > self.after}
        return unseen
