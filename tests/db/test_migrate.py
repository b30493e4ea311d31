import asyncio
from pathlib import Path

from sqlalchemy import text

import outdial.db.migrate as migrate
from outdial.db.engine import create_engine


async def test_the_migrations_make_exactly_the_tables_of_this_version(engine):
    assert await migrate.differences(engine) == []
    assert await migrate.is_current(engine)


async def test_two_processes_may_migrate_at_the_same_time(empty_database_url):
    engines = [create_engine(empty_database_url) for _ in range(3)]
    assert not await migrate.is_current(engines[0])
    await asyncio.gather(*(migrate.upgrade(engine) for engine in engines))
    assert await migrate.is_current(engines[0])
    for engine in engines:
        await engine.dispose()


async def test_going_back_to_base_leaves_no_table_of_ours(engine):
    await migrate.downgrade(engine, "base")
    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
        assert {row.tablename for row in rows} <= {"alembic_version"}
    await migrate.upgrade(engine)
    assert await migrate.differences(engine) == []


def test_the_migrations_are_part_of_the_package():
    package = Path(migrate.__file__).parent
    assert (package / "migrations" / "env.py").is_file()
    assert migrate.heads() == ("0009",)
