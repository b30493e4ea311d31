"""The queue and the day in numbers, exact and without counting."""

from datetime import UTC, datetime, timedelta
from zoneinfo import available_timezones

import pytest
from sqlalchemy import insert

from long_queue import LENGTH, make_long_queue
from outdial.calls.counts import fold_counts
from outdial.db.engine import reading
from outdial.db.tables import calls
from outdial.history.counted import groups_since, queued
from outdial.history.overview import get_overview
from outdial.history.periods import Days, last_days
from outdial.ids import new_id
from outdial.instants import start_of_day
from rows_read import rows_read
from tenants import make_tenant


@pytest.fixture
async def tenant(engine):
    return await make_tenant(engine)


@pytest.fixture
def wait(engine, tenant):
    async def wait(*due_at: datetime) -> None:
        same = {
            "workspace_id": tenant.workspace_id,
            "number_id": tenant.number_id,
            "direction": "outbound",
            "state": "queued",
            "from_": "+15551230002",
            "to": "+15551230001",
            "ring_timeout_s": 30,
            "max_duration_s": 600,
        }
        async with engine.begin() as conn:
            await conn.execute(insert(calls), [same | {"id": new_id("call"), "due_at": at} for at in due_at])

    return wait


async def queue_of(engine, tenant):
    async with reading(engine) as conn:
        return await queued(conn, tenant.workspace_id)


async def test_a_call_is_due_from_its_instant_on_and_not_from_its_minute(wait, engine, tenant):
    now = datetime.now(UTC)
    later = [timedelta(seconds=after) for after in (30, 90, 86_400)]
    await wait(now - timedelta(seconds=1), now - timedelta(minutes=3), now, *(now + each for each in later))
    seen = await queue_of(engine, tenant)
    assert (seen.waiting, seen.scheduled) == (3, 3)
    assert seen.oldest_due_at == now - timedelta(minutes=3)


async def test_there_may_be_no_queue(engine, tenant):
    seen = await queue_of(engine, tenant)
    assert (seen.waiting, seen.scheduled, seen.oldest_due_at) == (0, 0, None)


async def test_only_calls_made_since_are_counted(wait, engine, tenant):
    await wait(datetime.now(UTC))
    async with reading(engine) as conn:
        tomorrow = start_of_day("UTC", now=datetime.now(UTC)) + timedelta(days=1)
        assert await groups_since(conn, tenant.workspace_id, tomorrow) == []
        (group,) = await groups_since(conn, tenant.workspace_id, tomorrow - timedelta(days=2))
    assert (group.calls, group.is_dialled) == (1, False)


async def test_an_overview_reads_few_calls_however_many_there_are(engine):
    """As their counts were written, and folded."""
    tenant = await make_long_queue(engine)
    await reads_few(engine, tenant)
    await fold_counts(engine)
    await reads_few(engine, tenant)


async def reads_few(engine, tenant):
    seen = {}

    async def look(conn):
        week = last_days(Days.WEEK, "UTC", now=datetime.now(UTC))
        seen.update(await get_overview(conn, tenant.workspace_id, week))

    read = await rows_read(engine, look)
    assert seen["queue"]["waiting"] == LENGTH
    assert seen["period"]["outbound"] + seen["period"]["inbound"] == 2 * LENGTH
    assert seen["latency"] == {"median_ms": 500, "turns": 200}
    assert read["calls"] < 500, read
    assert read["turns"] < 500, read
    assert read["call_counts"] < 5000, read


def test_every_midnight_is_on_a_quarter_of_an_hour():
    """Counts are kept by quarters."""
    for day in (datetime(2026, 1, 15, 12, tzinfo=UTC), datetime(2026, 7, 15, 12, tzinfo=UTC)):
        for zone in available_timezones():
            since = start_of_day(zone, now=day)
            assert (since.minute % 15, since.second) == (0, 0), zone
