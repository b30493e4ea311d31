import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sql
from sqlalchemy import delete
from sqlalchemy.exc import OperationalError

from outdial.calls.events import add_event
from outdial.db.feed import LATE, Event, Feeds, _Place, events_after
from outdial.db.notify import Notifications
from outdial.db.tables import calls

NOW = datetime(2026, 1, 31, 9, tzinfo=UTC)


def event(id_, *, seconds_ago=0.0):
    return Event(id=id_, type="note", data={}, at=NOW - timedelta(seconds=seconds_ago))


def test_an_event_is_new_once_and_the_young_ones_are_read_again():
    place = _Place(0)
    read = [event(1, seconds_ago=60), event(2, seconds_ago=LATE.total_seconds() + 1), event(4, seconds_ago=1)]
    assert place.unseen(read, NOW) == read
    assert place.after == 2
    late = event(3, seconds_ago=2)
    assert place.unseen([late, event(4, seconds_ago=1)], NOW) == [late]
    assert place.unseen([late, event(4, seconds_ago=1)], NOW + timedelta(minutes=1)) == []
    assert place.after == 4


@pytest.fixture
async def follower(engine, database_url):
    async with Notifications(database_url) as notifications:
        yield Feeds(engine, notifications).follow


async def test_a_call_is_followed_from_any_event_to_its_end(engine, follower, workspace):
    call_id = await workspace.queue()
    async with engine.begin() as conn:
        for number in range(3):
            await add_event(conn, call_id, "note", {"number": number})
    async with engine.connect() as conn:
        first = (await events_after(conn, call_id, 0))[0]
    told = []
    async with asyncio.timeout(30):
        async for happened in follower(call_id, after=first.id):
            told.append(happened.data["number"])
            if told == [1, 2]:
                async with engine.begin() as conn:
                    await add_event(conn, call_id, "note", {"number": 3})
                await workspace.set_call(call_id, state="ended", end_reason="canceled", ended_at=datetime.now(UTC))
    assert told == [1, 2, 3]


async def test_a_call_that_was_erased_is_followed_no_longer(engine, follower, workspace):
    call_id = await workspace.queue()
    async with engine.begin() as conn:
        await conn.execute(delete(calls).where(calls.c.id == call_id))
    async with asyncio.timeout(30):
        assert [happened async for happened in follower(call_id)] == []


# -- many listeners ------------------------------------------------------------------------------------------


@pytest.fixture
def reads(engine):
    """How often events were read."""
    seen = []

    def watch(conn, cursor, statement, parameters, context, executemany):
        if "FROM call_events" in statement:
            seen.append(statement)

    sql.event.listen(engine.sync_engine, "before_cursor_execute", watch)
    yield seen
    sql.event.remove(engine.sync_engine, "before_cursor_execute", watch)


async def note(engine, call_id, number):
    async with engine.begin() as conn:
        await add_event(conn, call_id, "note", {"number": number})


class Listener:
    def __init__(self, events):
        self.numbers = []
        self.task = asyncio.create_task(self._listen(events))

    async def _listen(self, events):
        async with aclosing(events):
            async for happened in events:
                if happened.type == "note":
                    self.numbers.append(happened.data["number"])

    async def has(self, *numbers):
        async with asyncio.timeout(30):
            while self.numbers != list(numbers):  # noqa: ASYNC110 - a listener sets no event
                await asyncio.sleep(0.005)


async def test_one_reader_reads_for_all_who_listen_to_a_call(engine, follower, workspace, reads):
    call_id = await workspace.queue()
    await note(engine, call_id, 0)
    listeners = [Listener(follower(call_id))]
    await listeners[0].has(0)
    listeners += [Listener(follower(call_id)) for _ in range(20)]
    for listener in listeners:
        await listener.has(0)
    reads.clear()
    for number in (1, 2, 3):
        await note(engine, call_id, number)
        for listener in listeners:
            await listener.has(*range(number + 1))
    assert len(reads) <= 6, "a look or two for each thing that happened, not one for each listener"
    for listener in listeners:
        listener.task.cancel()
    await asyncio.gather(*(listener.task for listener in listeners), return_exceptions=True)
    reads.clear()
    await note(engine, call_id, 4)
    await asyncio.sleep(0.1)
    assert reads == [], "nobody listens any more"
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("feed of")]


async def test_whoever_comes_later_hears_each_event_once(engine, follower, workspace):
    call_id = await workspace.queue()
    early = Listener(follower(call_id))
    listeners = [early]
    for number in range(30):
        await note(engine, call_id, number)
        if number % 5 == 0:
            listeners.append(Listener(follower(call_id)))
    await workspace.set_call(call_id, state="ended", end_reason="canceled", ended_at=datetime.now(UTC))
    async with asyncio.timeout(30):
        await asyncio.gather(*(listener.task for listener in listeners))
    assert [listener.numbers for listener in listeners] == [list(range(30))] * len(listeners)


async def test_whoever_goes_leaves_the_others_listening(engine, follower, workspace):
    call_id = await workspace.queue()
    first, second = Listener(follower(call_id)), Listener(follower(call_id))
    await note(engine, call_id, 0)
    await first.has(0)
    first.task.cancel()
    await note(engine, call_id, 1)
    await second.has(0, 1)
    second.task.cancel()


async def test_a_database_that_is_away_is_told_to_all_who_listen(follower, engine, workspace, monkeypatch):
    call_id = await workspace.queue()
    listeners = [Listener(follower(call_id)) for _ in range(3)]
    await asyncio.sleep(0.1)

    async def fail(*arguments):
        raise OperationalError("select", {}, Exception("gone"))

    monkeypatch.setattr("outdial.db.feed._read", fail)
    await note(engine, call_id, 0)
    async with asyncio.timeout(30):
        ended = await asyncio.gather(*(listener.task for listener in listeners), return_exceptions=True)
    assert {type(error) for error in ended} == {OperationalError}


async def test_a_listener_that_takes_nothing_is_cut_off(engine, follower, workspace, monkeypatch):
    monkeypatch.setattr("outdial.db.feed.MAX_UNTOLD", 2)
    call_id = await workspace.queue()
    await note(engine, call_id, 0)
    stuck, listening = follower(call_id), Listener(follower(call_id))
    await anext(stuck)
    for number in range(1, 6):
        await note(engine, call_id, number)
        await listening.has(*range(number + 1))
    async with asyncio.timeout(30):
        assert [happened async for happened in stuck] == []
    listening.task.cancel()
