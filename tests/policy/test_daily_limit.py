"""How many calls a day: counted exactly, also by many processes at once."""

import asyncio

import pytest
from sqlalchemy import func, select, text

from outdial.calls.enqueue import create_call
from outdial.calls.request import OutboundRequest
from outdial.db.engine import create_engine, put_away
from outdial.db.tables import audit_log, calls, counted_calls
from outdial.lines.workspace_pools import create_workspace
from outdial.policy.daily_limit import _COUNT_AGAIN, change_daily_limit, get_daily_limit
from outdial.refusals import LimitReached, NotFound
from outdial.settings import Settings
from outdial.workspaces.audit import COMMAND_LINE
from rows_read import rows_read
from tenants import make_tenant


@pytest.fixture
async def tenant(engine):
    return await make_tenant(engine)


@pytest.fixture
def place(engine, tenant):
    async def place(*, through=engine, key=None, **fields):
        return await create_call(
            through,
            Settings(),
            workspace_id=tenant.workspace_id,
            number_id=tenant.number_id,
            request=OutboundRequest(to="+15551234567", **fields),
            idempotency_key=key,
        )

    return place


@pytest.fixture
def limit(engine, tenant):
    async def limit(calls_a_day):
        return await change_daily_limit(engine, tenant.workspace_id, calls_a_day, by=COMMAND_LINE)

    return limit


async def used(engine, tenant):
    async with engine.connect() as conn:
        return (await get_daily_limit(conn, tenant.workspace_id))["used"]


async def test_a_new_workspace_has_two_thousand_calls_a_day(engine):
    workspace_id = (await create_workspace(engine, name="New"))["id"]
    async with engine.connect() as conn:
        view = await get_daily_limit(conn, workspace_id)
    assert (view["calls"], view["used"]) == (2000, 0)
    assert view["resets_at"].endswith("T00:00:00Z")


async def test_the_last_call_of_a_day_is_placed_and_the_next_refused(place, limit):
    await limit(2)
    await place()
    await place()
    with pytest.raises(LimitReached) as refused:
        await place()
    assert refused.value.code == "daily_limit"
    assert 0 < refused.value.retry_after_s <= 24 * 3600


async def test_of_a_crowd_in_several_processes_exactly_as_many_are_placed(engine, database_url, tenant, place, limit):
    await limit(17)
    others = [create_engine(database_url) for _ in range(3)]
    crowd = [place(through=through) for through in (engine, *others) for _ in range(15)]
    results = await asyncio.gather(*crowd, return_exceptions=True)
    assert {type(result) for result in results if isinstance(result, Exception)} == {LimitReached}
    async with engine.connect() as conn:
        assert await conn.scalar(select(func.count()).select_from(calls)) == 17
    assert await used(engine, tenant) == 17
    for other in others:
        await put_away(other)


async def test_a_request_that_is_repeated_counts_once_and_one_that_is_refused_not_at_all(engine, tenant, place, limit):
    await limit(2)
    await place(key="a")
    assert (await place(key="a")).replayed
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE pools SET lines = 0"))
    with pytest.raises(LimitReached) as refused:
        await place(on_limit="reject")
    assert refused.value.code == "pool_full"
    assert await used(engine, tenant) == 1
    await place(key="b")
    assert (await place(key="a")).replayed  # also where nothing more is placed today


async def test_a_new_day_begins_with_none(engine, tenant, place, limit):
    await limit(1)
    await place()
    async with engine.begin() as conn:
        await conn.execute(counted_calls.update().values(day=counted_calls.c.day - 1))
    await place()
    with pytest.raises(LimitReached):
        await place()


async def test_a_limit_holds_at_once_for_what_was_placed_before_it(engine, tenant, place, limit):
    await limit(None)
    for _ in range(3):
        await place()
    async with engine.connect() as conn:
        assert await conn.scalar(select(func.count()).select_from(counted_calls)) == 0
    assert (await limit(3))["used"] == 3
    with pytest.raises(LimitReached):
        await place()
    await limit(4)
    await place()
    await limit(0)
    with pytest.raises(LimitReached):
        await place()


async def test_no_calls_at_all_is_a_limit_too(place, limit):
    await limit(0)
    with pytest.raises(LimitReached):
        await place()


async def test_who_changed_it_is_in_the_audit_log(engine, tenant, limit):
    await limit(5)
    await limit(5)
    await limit(None)
    async with engine.connect() as conn:
        entries = select(audit_log.c.details).where(audit_log.c.act == "daily_limit.changed").order_by(audit_log.c.id)
        assert list(await conn.scalars(entries)) == [
            {"calls": 5, "before": 2000},
            {"calls": None, "before": 5},
        ]
    with pytest.raises(NotFound):
        await change_daily_limit(engine, "ws_none", 5, by=COMMAND_LINE)


async def test_a_first_limit_counts_today_without_reading_all_calls(engine, tenant, limit):
    await limit(None)
    same = {"workspace": tenant.workspace_id, "number": tenant.number_id}
    made = [
        {"state": state, "many": many, "direction": direction, "age": age}
        for age in ("0 h", "25 h")
        for state, direction, many in (
            ("queued", "outbound", 3000),
            ("ended", "outbound", 4000),
            ("in_progress", "outbound", 3),
            ("ended", "inbound", 50),
        )
    ]
    async with engine.begin() as conn:
        for some in made:
            await conn.execute(_MADE, same | some)
        await conn.execute(_DIALLED)
        await conn.execute(_TRANSFERRED, {"age": "0 h", "many": 7})
        await conn.execute(_TRANSFERRED, {"age": "25 h", "many": 2000})
    async with engine.connect() as conn:
        conn = await conn.execution_options(isolation_level="AUTOCOMMIT")
        await conn.execute(text("VACUUM ANALYZE calls, call_counts, transfers"))

    read = await rows_read(engine, lambda conn: conn.execute(_COUNT_AGAIN, {"workspace": tenant.workspace_id}))
    assert read["calls"] < 100, read
    assert read["call_counts"] < 100, read
    assert (await limit(10_000))["used"] == 3000 + 4000 + 3 + 7


_MADE = text("""
    INSERT INTO calls (id, workspace_id, number_id, direction, state, end_reason, "from", "to", ring_timeout_s,
        max_duration_s, created_at)
    SELECT gen_random_uuid()::text, :workspace, :number, :direction, CAST(:state AS text),
        CASE CAST(:state AS text) WHEN 'ended' THEN 'completed' END, '+15551230002', '+15551230001', 30, 600,
        now() - CAST(:age AS interval)
    FROM generate_series(1, CAST(:many AS integer))
""")
_DIALLED = text("""
    INSERT INTO attempts (id, call_id, number, carrier, state, stream_token_hash)
    SELECT 'att_1', id, 1, 'twilio', 'in_progress', '' FROM calls WHERE state = 'in_progress' LIMIT 1
""")
_TRANSFERRED = text("""
    INSERT INTO transfers (call_id, attempt_id, "to", at)
    SELECT call_id, id, '+15551230009', now() - CAST(:age AS interval)
    FROM attempts, generate_series(1, CAST(:many AS integer))
""")
