"""What dead processes had begun goes back, once, whoever finds it."""

import asyncio
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from outdial.jobs.job import Job, add_job
from outdial.jobs.put_back import MOST_TIMES, put_back


async def nothing() -> None: ...


ONCE = Job(name="once", run=nothing)
REPEATED = Job(name="repeated", run=nothing, every="0 * * * *")


@pytest.fixture
def begun(engine):
    """A job that a process has begun. `heard_s`: how long ago it was heard of; None: its row is gone."""

    async def begun(job: Job, *, heard_s: float | None, attempts: int = 0) -> None:
        async with engine.begin() as conn:
            await add_job(conn, job)
            worker_id = await conn.scalar(
                text(
                    "INSERT INTO procrastinate_workers (last_heartbeat)"
                    " VALUES (now() - make_interval(secs => :secs)) RETURNING id"
                ),
                {"secs": heard_s or 0.0},
            )
            await conn.execute(
                text(
                    "UPDATE procrastinate_jobs SET status = 'doing', worker_id = :worker, attempts = :attempts"
                    " WHERE status = 'todo'"
                ),
                {"worker": worker_id, "attempts": attempts},
            )
            if heard_s is None:
                await conn.execute(text("DELETE FROM procrastinate_workers"))

    return begun


async def stored(engine):
    query = text("SELECT status::text, attempts, worker_id IS NULL AS free FROM procrastinate_jobs ORDER BY id")
    async with engine.connect() as conn:
        return [tuple(row) for row in await conn.execute(query)]


@pytest.mark.parametrize("heard_s", [31, None])
async def test_a_job_of_a_dead_process_goes_back(engine, begun, heard_s, caplog):
    await begun(ONCE, heard_s=heard_s)
    assert await put_back(engine) == 1
    assert await stored(engine) == [("todo", 1, True)]
    assert caplog.messages == ["Job of a dead process put back"]


async def test_a_job_of_a_process_that_lives_is_left_to_it(engine, begun):
    await begun(ONCE, heard_s=20)
    assert await put_back(engine) == 0
    assert await stored(engine) == [("doing", 0, False)]


async def test_many_find_it_and_one_puts_it_back(engine, begun):
    for _ in range(5):
        await begun(ONCE, heard_s=60)
    assert sum(await asyncio.gather(*(put_back(engine) for _ in range(4)))) == 5
    assert await stored(engine) == [("todo", 1, True)] * 5


async def test_a_job_that_ends_its_process_each_time_is_given_up(engine, begun, caplog):
    await begun(ONCE, heard_s=60, attempts=MOST_TIMES - 1)
    assert await put_back(engine) == 1
    assert await stored(engine) == [("failed", MOST_TIMES, True)]
    assert caplog.messages == ["Job of a dead process given up"]


async def test_a_repeated_job_whose_next_time_waits_makes_way_for_it(engine, begun):
    """Both can't wait: going back would fail again and again, and its lock would keep the other from ever running."""
    await begun(REPEATED, heard_s=60)
    async with engine.begin() as conn:
        assert await add_job(conn, REPEATED)
    assert await put_back(engine) == 1
    assert await stored(engine) == [("failed", 1, True), ("todo", 0, True)]


async def test_a_killed_process_leaves_its_job_to_the_others(engine, database_url):
    async with engine.begin() as conn:
        await add_job(conn, ONCE)
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(Path(__file__).parent / "dying.py"), database_url, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), 60) == b"begun\n"
        assert await put_back(engine) == 0
    finally:
        process.kill()
        await process.wait()
    assert [row[0] for row in await stored(engine)] == ["doing"]
    assert await put_back(engine, stalled_s=0) == 1  # 30 s later
    assert await stored(engine) == [("todo", 1, True)]
