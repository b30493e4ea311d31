"""Old rows go, a few at a time; what is needed, or new, or in somebody's hands stays."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import DateTime, event, select, text

from outdial.db.clearing import Clearing, clear, count
from outdial.db.tables import idempotency_keys, refused_callbacks, retention_runs, sign_in_failures

NOW = datetime.now(UTC)
BY_CONDITION = Clearing(table=retention_runs, since=retention_runs.c.finished_at)
IN_ORDER = replace(BY_CONDITION, in_order=retention_runs.c.id)
both = pytest.mark.parametrize("clearing", [BY_CONDITION, IN_ORDER], ids=["by condition", "in order"])


@pytest.fixture
def add(engine):
    """Rows, each so many days old."""

    async def add(*days: float) -> None:
        async with engine.begin() as conn:
            for age in days:
                at = NOW - timedelta(days=age)
                await conn.execute(
                    retention_runs.insert().values(started_at=at, finished_at=at, removed={"days": age})
                )

    return add


async def left(engine):
    async with engine.connect() as conn:
        removed = (await conn.scalars(select(retention_runs.c.removed).order_by(retention_runs.c.id))).all()
    return [each["days"] for each in removed]


@both
async def test_what_is_older_goes_and_nothing_else(engine, add, clearing):
    await add(5, 4, 3, 2.5, 1, 0)
    before = NOW - timedelta(days=2)
    async with engine.connect() as conn:
        assert await count(conn, clearing, before) == 4
    assert await clear(engine, clearing, before) == 4
    assert await left(engine) == [1, 0]
    assert await clear(engine, clearing, before) == 0


@both
async def test_it_goes_in_batches_each_a_transaction_of_its_own(engine, add, clearing):
    await add(*[3] * 25)
    committed, deleted = [], []
    event.listen(engine.sync_engine, "commit", lambda conn: committed.append(1))

    @event.listens_for(engine.sync_engine, "after_cursor_execute")
    def _(conn, cursor, statement, *rest):
        if statement.startswith("DELETE"):
            deleted.append(cursor.rowcount)

    assert await clear(engine, clearing, NOW - timedelta(days=2), batch=10, pause_s=0) == 25
    assert deleted == [10, 10, 5]
    assert len(committed) == 3


@both
async def test_others_have_their_turn_between_two_batches(engine, add, clearing):
    await add(*[3] * 5)
    loop = asyncio.get_running_loop()
    began_at = loop.time()
    await clear(engine, clearing, NOW - timedelta(days=2), batch=1, pause_s=0.05)
    assert loop.time() - began_at >= 0.25


@both
async def test_a_row_that_somebody_has_locked_is_not_waited_for(engine, add, clearing):
    await add(3, 3, 3)
    async with engine.begin() as conn:
        await conn.execute(select(retention_runs).where(retention_runs.c.id == 2).with_for_update())
        async with asyncio.timeout(5):
            assert await clear(engine, clearing, NOW - timedelta(days=2), batch=2, pause_s=0) == 2
    assert await clear(engine, clearing, NOW - timedelta(days=2)) == 1


@both
async def test_what_is_still_needed_stays_and_is_passed_by(engine, add, clearing):
    await add(*[3] * 6)
    needed = retention_runs.c.id.in_([1, 2, 5])
    clearing = replace(clearing, over=~needed)
    assert await clear(engine, clearing, NOW - timedelta(days=2), batch=2, pause_s=0) == 3
    async with engine.connect() as conn:
        assert (await conn.scalars(select(retention_runs.c.id).order_by(retention_runs.c.id))).all() == [1, 2, 5]


async def test_in_order_the_new_rows_are_not_walked_through(engine, add):
    await add(*[3] * 4, *[0] * 40)
    looked = []

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def _(conn, cursor, statement, *rest):
        looked.append(statement.split()[0])

    assert await clear(engine, IN_ORDER, NOW - timedelta(days=2), batch=4, pause_s=0) == 4
    assert looked.count("SELECT") == 2  # what goes, and the first batch of what doesn't


async def test_two_at_once_delete_each_row_once(engine, add):
    await add(*[3] * 60)
    before = NOW - timedelta(days=2)
    gone = await asyncio.gather(*(clear(engine, IN_ORDER, before, batch=7, pause_s=0) for _ in range(3)))
    assert sum(gone) == 60


@pytest.mark.parametrize("table", [idempotency_keys, refused_callbacks, sign_in_failures], ids=lambda table: table.name)
async def test_tables_without_a_growing_id_are_cleared_too(engine, table):
    since = next(column for column in table.c if isinstance(column.type, DateTime))
    assert await clear(engine, Clearing(table=table, since=since), NOW) == 0


async def test_keys_are_found_by_their_index(engine):
    async with engine.begin() as conn:
        await conn.execute(text("SET LOCAL enable_seqscan = off"))
        plan = "\n".join(
            (
                await conn.scalars(
                    text("EXPLAIN SELECT 1 FROM idempotency_keys WHERE created_at < now() - interval '30 days' LIMIT 9")
                )
            ).all()
        )
    assert "ix_idempotency_keys_created_at" in plan
