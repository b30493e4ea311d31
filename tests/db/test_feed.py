import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete

from outdial.calls.events import add_event
from outdial.db.feed import LATE, Event, _Place, events_after, follow
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

        def follower(call_id, **place):
            return follow(engine, notifications, call_id, **place)

        yield follower


async def test_a_call_is_followed_from_any_event_to_its_end(engine, follower, workspace):
    call_id = await workspace.queue()
    async with engine.begin() as conn:
        for number in range(3):
            await add_event(conn, call_id, "note", {"number": number})
    async with engine.connect() as conn:
        first = (await events_after(conn, call_id, 0))[0]
    told = []
    async with asyncio.timeout(10):
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
    async with asyncio.timeout(5):
        assert [happened async for happened in follower(call_id)] == []
