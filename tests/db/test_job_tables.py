"""The tables of procrastinate, made by its own SQL."""

import hashlib

import pytest
from sqlalchemy import text

import outdial.db.migrate as migrate
from outdial.db import job_tables
from outdial.db.engine import create_engine, put_away


def test_the_installed_version_is_the_one_whose_tables_are_known():
    """Another version may be installed only together with its digest, and a migration that brings stored ones up."""
    assert hashlib.sha256(job_tables.known_schema().encode()).hexdigest() == job_tables.SCHEMA


def test_another_versions_tables_are_never_made(monkeypatch):
    monkeypatch.setattr(job_tables, "SCHEMA", "0" * 64)
    with pytest.raises(job_tables.UnknownJobTables, match="requirements/run"):
        job_tables.known_schema()


async def test_steps_of_a_later_version_are_run_once(engine, monkeypatch, tmp_path):
    known = job_tables.steps()
    step = tmp_path / "99.00.00_01_pre_more.sql"
    step.write_text("CREATE TABLE procrastinate_more (word text DEFAULT ':colon'::text)")
    monkeypatch.setattr(job_tables, "steps", lambda: [*known, step])
    async with engine.connect() as conn:
        for _ in range(2):
            await conn.run_sync(job_tables.bring_up_to_date)
        await conn.execute(text("INSERT INTO procrastinate_more DEFAULT VALUES"))
        assert await conn.scalar(text("SELECT word FROM procrastinate_more")) == ":colon"
        await conn.rollback()


async def test_tables_that_were_just_made_need_no_step(engine):
    async with engine.connect() as conn:
        await conn.run_sync(job_tables.bring_up_to_date)  # any of them would fail: what it makes is there
        await conn.rollback()


async def test_another_programs_jobs_are_left_alone(empty_database_url):
    engine = create_engine(empty_database_url)
    async with engine.begin() as conn:
        await conn.execute(text("CREATE TABLE procrastinate_jobs (id bigint)"))
    with pytest.raises(job_tables.JobTablesTaken, match="a database of its own"):
        await migrate.upgrade(engine)
    await put_away(engine)


async def test_a_role_that_may_make_our_tables_needs_no_other_right(empty_database_url):
    """CREATE in the schema, not in the database: all that 0.1 needed."""
    admin = create_engine(empty_database_url)
    async with admin.begin() as conn:
        await conn.execute(text("CREATE SCHEMA ours"))
        await conn.execute(text("CREATE ROLE restricted LOGIN"))
        await conn.execute(text("GRANT CREATE, USAGE ON SCHEMA ours TO restricted"))
        await conn.execute(text("ALTER ROLE restricted SET search_path = ours"))
    engine = create_engine(admin.url.set(username="restricted").render_as_string(hide_password=False))
    try:
        await migrate.upgrade(engine)
        async with engine.connect() as conn:
            assert await conn.scalar(text("SELECT to_regclass('ours.procrastinate_jobs') IS NOT NULL"))
        await migrate.downgrade(engine, "0010")
        async with engine.connect() as conn:
            left = text("SELECT count(*) FROM pg_class WHERE relname ^@ 'procrastinate_'")
            assert await conn.scalar(left) == 0
    finally:
        await put_away(engine)
        async with admin.begin() as conn:
            await conn.execute(text("DROP OWNED BY restricted CASCADE"))
            await conn.execute(text("DROP ROLE restricted"))
        await put_away(admin)
