"""A run clears everything, says how much, and holds up nobody."""

import logging
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, insert, literal_column, select
from sqlalchemy.exc import OperationalError

import outdial.retention.run as run_module
from outdial.db.tables import retention_runs, sign_in_failures
from outdial.retention.kept import kept
from outdial.retention.run import last_run, retention_job, run_retention, would_go


@pytest.fixture
async def old(engine):
    """Three old rows of one table, two of another."""
    async with engine.begin() as conn:
        for number in range(3):
            at = func.now() - timedelta(hours=2 + number)
            await conn.execute(
                insert(sign_in_failures).values(subject=bytes([number]), failures=1, last_at=at, wait_until=at)
            )
        for days in (100, 200):
            at = func.now() - timedelta(days=days)
            await conn.execute(insert(retention_runs).values(started_at=at, finished_at=at, removed={}))


async def test_a_run_clears_all_and_tells_it_in_one_line(engine, settings, old, caplog):
    caplog.set_level(logging.INFO, "outdial")
    would = await would_go(engine, settings)
    removed = await run_retention(engine, settings)
    assert removed == would
    assert {name: number for name, number in removed.items() if number} == {"sign_in_failures": 3, "retention_runs": 2}
    (told,) = [record for record in caplog.records if record.name == "outdial.retention.run"]
    assert (told.getMessage(), told.sign_in_failures, told.callbacks) == ("Retention run finished", 3, 0)
    async with engine.connect() as conn:
        run = await last_run(conn)
    assert run is not None
    assert (run.removed, run.started_at <= run.finished_at) == (removed, True)
    assert sum((await run_retention(engine, settings)).values()) == 0


async def test_to_count_changes_nothing(engine, settings, old):
    counted = await would_go(engine, settings)
    assert sum(counted.values()) == 5
    assert await would_go(engine, settings) == counted
    async with engine.connect() as conn:
        assert await conn.scalar(select(func.count()).select_from(sign_in_failures)) == 3


async def test_what_is_kept_for_ever_is_not_touched(engine, settings):
    settings = settings.model_copy(update={"keep_callbacks_days": 0})
    assert "callbacks" not in await run_retention(engine, settings)
    assert "callbacks" not in await would_go(engine, settings)


async def test_a_table_where_it_fails_keeps_the_others_from_nothing(engine, settings, old, monkeypatch, caplog):
    every = kept(settings)
    broken = replace(every[0], clearing=replace(every[0].clearing, over=literal_column("no_such_column")))
    monkeypatch.setattr(run_module, "kept", lambda settings: [broken, *every[1:]])
    removed = await run_retention(engine, settings)
    assert removed["sign_in_failures"] == 3
    assert broken.name not in removed
    assert [record.table for record in caplog.records if record.levelno == logging.ERROR] == [broken.name]


async def test_without_a_database_it_is_left_for_the_next_time(engine, settings, monkeypatch, caplog):
    async def away(*_: object) -> int:
        raise OperationalError("DELETE", {}, Exception("server closed the connection"))

    monkeypatch.setattr(run_module, "clear", away)
    with pytest.raises(OperationalError):
        await run_retention(engine, settings)
    assert caplog.records == []


async def test_the_job_is_repeated_and_does_a_run(engine, settings, old):
    job = retention_job(engine, settings)
    assert job.every is not None
    await job.run()
    async with engine.connect() as conn:
        assert await last_run(conn) is not None
