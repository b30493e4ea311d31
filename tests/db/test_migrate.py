import asyncio
import time
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

import outdial.db.migrate as migrate
from outdial.db.engine import create_engine, put_away


async def test_the_migrations_make_exactly_the_tables_of_this_version(engine):
    assert await migrate.differences(engine) == []
    assert await migrate.is_current(engine)


async def test_two_processes_may_migrate_at_the_same_time(empty_database_url):
    engines = [create_engine(empty_database_url) for _ in range(3)]
    assert not await migrate.is_current(engines[0])
    await asyncio.gather(*(migrate.upgrade(engine) for engine in engines))
    assert await migrate.is_current(engines[0])
    for engine in engines:
        await put_away(engine)


@pytest.mark.parametrize("order", [("call_events", "calls"), ("calls", "call_events"), ("do_not_call", "calls")])
async def test_webhooks_come_into_a_database_whose_calls_are_live(empty_database_url, order):
    """Locks as a transcript takes them, a change of state, and a callee who wants no more calls."""
    engine = create_engine(empty_database_url)
    await migrate.upgrade(engine, "0020")
    async with engine.begin() as live:
        await live.execute(text(f"LOCK TABLE {order[0]} IN ROW EXCLUSIVE MODE"))
        upgrading = asyncio.create_task(migrate.upgrade(engine))
        await asyncio.sleep(0.7)
        assert not upgrading.done()
        await live.execute(text(f"LOCK TABLE {order[1]} IN ROW EXCLUSIVE MODE"))
    async with asyncio.timeout(20):
        await upgrading
    assert await migrate.is_current(engine)
    await put_away(engine)


@pytest.mark.parametrize("order", [("agents", "calls"), ("transfers", "workers"), ("calls", "carrier_accounts")])
async def test_who_works_on_the_database_meanwhile_never_stands_in_the_way_of_steps_that_wait_for_them(
    empty_database_url, order
):
    """Whatever they have in hand, they get what they go on to take; the steps wait, and have nothing until then."""
    engine = create_engine(empty_database_url)
    await migrate.upgrade(engine, "0025")
    async with engine.begin() as live:
        await live.execute(text(f"LOCK TABLE {order[0]} IN ACCESS SHARE MODE"))
        upgrading = asyncio.create_task(migrate.upgrade(engine))
        await asyncio.sleep(0.7)
        assert not upgrading.done()
        began = time.monotonic()
        await live.execute(text(f"LOCK TABLE {order[1]} IN ROW EXCLUSIVE MODE"))
        assert time.monotonic() - began < 0.9, "a second later PostgreSQL looks for deadlocks"
    async with asyncio.timeout(20):
        await upgrading
    assert await migrate.is_current(engine)
    await put_away(engine)


async def test_going_back_to_base_leaves_no_table_of_ours(engine):
    await migrate.downgrade(engine, "base")
    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
        assert {row.tablename for row in rows} <= {"alembic_version"}
    await migrate.upgrade(engine)
    assert await migrate.differences(engine) == []


async def test_a_database_of_a_newer_outdial_is_left_as_it_is(engine):
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    try:
        assert await migrate.is_newer(engine)
        with pytest.raises(migrate.SchemaError, match=r"newer Outdial: its tables are at 9999, .* up to \d+;"):
            await migrate.upgrade(engine)
    finally:
        async with engine.begin() as connection:
            head = {"head": migrate.heads()[0]}
            await connection.execute(text("UPDATE alembic_version SET version_num = :head"), head)
    assert not await migrate.is_newer(engine)


async def test_a_role_that_may_make_no_tables_is_told_what_its_owner_can_do(empty_database_url):
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS guest")
        connection.execute("CREATE ROLE guest LOGIN")
    engine = create_engine(make_url(empty_database_url).set(username="guest").render_as_string(hide_password=False))
    with pytest.raises(migrate.SchemaError, match=r"permission denied .* TO guest"):
        await migrate.upgrade(engine)
    await put_away(engine)


def test_the_migrations_are_part_of_the_package():
    package = Path(migrate.__file__).parent
    assert (package / "migrations" / "env.py").is_file()
    assert migrate.heads() == ("0036",)
