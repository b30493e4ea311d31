"""Jobs done by one process or several, with what happens to them when a process or the database ends."""

import asyncio
import gc
import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

import outdial.jobs.runner as runner_module
from outdial.draining import Drain
from outdial.jobs.job import Job, add_job
from outdial.jobs.runner import JobRunner
from outdial.repeating import Pauses, repeat
from workspace import logged, until

AT_ONCE = Pauses(first_s=0.1, longest_s=0.1, tries=3)


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch):
    monkeypatch.setattr(runner_module, "POLL_S", 0.1)
    monkeypatch.setattr(runner_module, "FINISH_S", 0.3)
    monkeypatch.setattr(runner_module, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(runner_module, "AGAIN", Pauses(first_s=0.1, longest_s=0.2))


@pytest.fixture
def start(engine, database_url):
    """Start a runner of some jobs, as a process does; it ends with the block."""

    @asynccontextmanager
    async def start(*jobs: Job, drain: Drain | None = None) -> AsyncIterator[JobRunner]:
        runner = JobRunner(engine, database_url, jobs, drain=drain or Drain())
        running = asyncio.create_task(runner.run())
        try:
            yield runner
        finally:
            await runner.aclose()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    return start


async def stored(engine):
    async with engine.connect() as conn:
        return [
            (row.task_name, row.status, row.attempts)
            for row in await conn.execute(text("SELECT * FROM procrastinate_jobs ORDER BY id"))
        ]


async def added(engine, job, **arguments):
    async with engine.begin() as conn:
        await add_job(conn, job, **arguments)


async def test_a_job_is_done_with_its_arguments_and_forgotten(engine, start):
    done = []

    async def run(**arguments):
        done.append(arguments)

    job = Job(name="deliver", run=run)
    async with start(job):
        await added(engine, job, delivery_id=7)

        async def is_done():
            return done == [{"delivery_id": 7}] and await stored(engine) == []

        await until(is_done)


async def test_a_repeated_job_is_done_once_each_time_by_two_processes(engine, start, database_url):
    """Every second here; two processes add it, and each time is one job."""
    done, last = Counter(), [0]

    def by(process):
        async def run():
            done[process] += 1
            await asyncio.sleep(0.05)

        return Job(name="repeated", run=run, every="* * * * * *")

    async with start(by("first")), start(by("second")):
        began_at = asyncio.get_running_loop().time()
        await asyncio.sleep(4.2)
        took_s = asyncio.get_running_loop().time() - began_at
        last[0] = done.total()
    assert 3 <= last[0] <= took_s + 2  # one for each second and the one before, not two
    async with engine.connect() as conn:
        ticks = await conn.scalar(text("SELECT count(*) FROM procrastinate_periodic_defers"))
    assert ticks == 1  # of earlier ones nothing is left


async def test_a_job_that_fails_is_tried_again_and_then_given_up(engine, start, caplog):
    tries = []

    async def run():
        tries.append(1)
        raise ValueError("broken")

    job = Job(name="broken", run=run, pauses=Pauses(first_s=0.1, longest_s=0.1, tries=2))
    async with start(job):
        await added(engine, job)

        async def is_given_up():
            return await stored(engine) == [("broken", "failed", 2)]

        await until(is_given_up)
    assert len(tries) == 2
    ours = [record for record in caplog.records if record.name.startswith("outdial")]
    assert [(record.getMessage(), record.failures) for record in ours] == [
        ("Job failed; trying again", 1),
        ("Job failed", 2),
    ]


async def test_a_repeated_job_that_fails_waits_for_its_next_time(engine, start):
    async def run():
        raise ValueError("broken")

    job = Job(name="repeated", run=run, every="0 0 1 1 *")
    async with start(job):
        await added(engine, job)

        async def has_failed():
            return await stored(engine) == [("repeated", "failed", 1)]

        await until(has_failed)


async def test_a_draining_process_begins_no_job_and_leaves_the_one_that_runs_to_others(engine, start):
    begun, ended = asyncio.Event(), []

    async def run():
        begun.set()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("cut short")

    job, drain = Job(name="long", run=run), Drain()
    async with start(job, drain=drain):
        await added(engine, job)
        await asyncio.wait_for(begun.wait(), 60)
        drain.begin()

        async def is_left():
            return await stored(engine) == [("long", "todo", 1)]

        await until(is_left)
        assert ended == ["cut short"]
        begun.clear()
        await added(engine, job)
        await asyncio.sleep(0.4)  # several times what it takes otherwise
        assert not begun.is_set()
    assert await stored(engine) == [("long", "todo", 1), ("long", "todo", 0)]


async def test_a_job_that_runs_when_its_process_drains_comes_to_its_end_if_it_is_quick(engine, start):
    begun, done = asyncio.Event(), []

    async def run():
        begun.set()
        await asyncio.sleep(0.1)
        done.append(1)

    job, drain = Job(name="quick", run=run), Drain()
    async with start(job, drain=drain):
        await added(engine, job)
        await asyncio.wait_for(begun.wait(), 60)
        drain.begin()

        async def is_done():
            return done == [1] and await stored(engine) == []

        await until(is_done)


async def test_jobs_nobody_here_knows_are_left_to_a_process_that_does(engine, start):
    known = Job(name="known", run=lambda: asyncio.sleep(0))
    async with start(known):
        await added(engine, Job(name="of_a_newer_version", run=known.run))
        await added(engine, known)

        async def is_done():
            return await stored(engine) == [("of_a_newer_version", "todo", 0)]

        await until(is_done)


async def test_the_runner_outlives_its_connections(engine, start, database_url, caplog):
    done = []

    async def run():
        done.append(1)

    job = Job(name="deliver", run=run)
    async with start(job):
        for times in range(1, 4):
            with_our_own = Pauses(first_s=0.05, longest_s=0.05, tries=40)  # they were ended, too
            await repeat(lambda: added(engine, job), on=DBAPIError, pauses=with_our_own)

            async def is_done(times=times):
                return len(done) == times

            await until(is_done)
            with psycopg.connect(database_url, autocommit=True) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
    ours = [record for record in caplog.records if record.name.startswith("outdial") and record.exc_info]
    assert ours == []


async def test_the_runner_outlives_a_database_that_is_away(engine, postgres, database_url, caplog):
    """Its address refuses connections for a while: as during a restart."""
    done = asyncio.Event()

    async def run():
        done.set()

    job, drain = Job(name="deliver", run=run), Drain()
    await added(engine, job)
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute("ALTER DATABASE migrated ALLOW_CONNECTIONS false")
        try:
            runner = JobRunner(engine, database_url, [job], drain=drain)
            running = asyncio.create_task(runner.run())
            await asyncio.sleep(1.5)
            assert not running.done()
        finally:
            connection.execute("ALTER DATABASE migrated ALLOW_CONNECTIONS true")
    await asyncio.wait_for(done.wait(), 60)
    await runner.aclose()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    told = [record.getMessage() for record in caplog.records if record.name == "outdial.jobs.runner"]
    assert told.count("Job worker lost the database; starting again") <= 1
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR and "outdial" in record.name]


async def test_a_job_whose_end_the_database_does_not_hear_is_told_and_done_again(
    engine, start, database_url, caplog, monkeypatch
):
    """The database goes while the job runs: procrastinate can't mark it, and whoever looks later puts it back."""
    gc.collect()  # what tests before this one have left behind is told now, and not of this one
    caplog.clear()
    monkeypatch.setattr(runner_module, "PUT_BACK_EVERY_S", 0.3)
    begun = []

    async def run():
        begun.append(1)
        if len(begun) == 1:
            with psycopg.connect(database_url, autocommit=True) as connection:
                connection.execute("ALTER TABLE procrastinate_jobs RENAME TO procrastinate_away")

    job = Job(name="deliver", run=run)
    await added(engine, job)
    async with start(job):
        await until(lambda: logged(caplog, "Job ended and is not marked so"))
        async with engine.begin() as conn:
            await conn.execute(text("ALTER TABLE procrastinate_away RENAME TO procrastinate_jobs"))

        async def is_done():
            return len(begun) >= 2 and await stored(engine) == []

        await until(is_done, within_s=60)  # another worker has to begin, which takes its time on a busy computer
    gc.collect()
    assert [record.message for record in caplog.records if record.name == "asyncio"] == []


async def test_a_job_of_whose_end_alone_the_database_does_not_hear_is_done_again(engine, start, caplog, monkeypatch):
    """Who works lives on, so the job would count as running for as long as the process does."""
    monkeypatch.setattr(runner_module, "PUT_BACK_EVERY_S", 0.3)
    begun = []

    async def run():
        begun.append(1)

    job = Job(name="deliver", run=run)
    await added(engine, job)
    async with engine.begin() as conn:
        unheard = "BEGIN RAISE EXCEPTION 'not now'; END"
        await conn.execute(text(f"CREATE FUNCTION unheard() RETURNS trigger LANGUAGE plpgsql AS $${unheard}$$"))
        await conn.execute(
            text("CREATE TRIGGER unheard BEFORE DELETE ON procrastinate_jobs FOR EACH ROW EXECUTE FUNCTION unheard()")
        )
    async with start(job):
        await until(lambda: logged(caplog, "Job ended and is not marked so"), within_s=30)
        async with engine.begin() as conn:
            await conn.execute(text("DROP TRIGGER unheard ON procrastinate_jobs"))

        async def is_done():
            return len(begun) >= 2 and await stored(engine) == []

        await until(is_done, within_s=60)


async def test_the_next_worker_begins_when_the_one_before_has_let_go_of_its_database(engine, start, monkeypatch):
    """Of one that is silent it does so late."""
    monkeypatch.setattr(runner_module, "PATIENCE_S", 0.1)
    told: list[str] = []

    async def work(runner: JobRunner) -> None:
        told.append("began")
        runner._unmarked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if told == ["began"]:
                await asyncio.sleep(1.0)
                told.append("let go")
            raise

    monkeypatch.setattr(JobRunner, "_work", work)
    async with start(Job(name="deliver", run=_nothing)):

        async def has_begun_again() -> bool:
            return len(told) >= 3

        await until(has_begun_again)
    assert told[:3] == ["began", "let go", "began"]


async def _nothing() -> None:
    pass


async def test_what_a_dead_process_had_begun_is_done_by_another(engine, start):
    done = []

    async def run():
        done.append(1)

    job = Job(name="deliver", run=run)
    await added(engine, job)
    async with engine.begin() as conn:  # as a process that was killed leaves it
        await conn.execute(text("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 day')"))
        await conn.execute(
            text("UPDATE procrastinate_jobs SET status = 'doing', worker_id = (SELECT id FROM procrastinate_workers)")
        )
    async with start(job):

        async def is_done():
            return done == [1] and await stored(engine) == []

        await until(is_done)
