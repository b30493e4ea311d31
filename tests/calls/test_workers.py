import asyncio
import signal
import sys
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import psycopg
import pytest
from sqlalchemy import delete, select, text
from sqlalchemy.exc import OperationalError

from outdial.calls import workers as workers_module
from outdial.calls.workers import Worker, WorkerLost, forget_dead_workers, is_dead
from outdial.db.engine import create_engine, put_away, reading
from outdial.db.tables import workers
from workspace import END_LOCK_HOLDERS, until

# Takes a line, has the carrier dial, and is killed before it can write down what the carrier said.
DIES = """
import asyncio, sys
from outdial.calls.claim import claim_due_calls
from outdial.calls.workers import Worker
from outdial.db.engine import create_engine

async def main(url, workspace_id):
    engine = create_engine(url)
    async with Worker(engine, url) as worker:
        admitted = await claim_due_calls(engine, workspace_id, owner=worker.id, lease_s=0.2)
        print(worker.id, *(claim.attempt_id for claim in admitted.claims), flush=True)
        await asyncio.sleep(60)

asyncio.run(main(*sys.argv[1:]))
"""


async def dead(engine, worker_id):
    async with engine.begin() as conn:
        return await is_dead(conn, worker_id)


async def known(engine):
    async with engine.connect() as conn:
        return set((await conn.execute(select(workers.c.id))).scalars())


async def test_a_worker_is_alive_while_it_runs_and_dead_after(engine, database_url):
    async with Worker(engine, database_url) as worker:
        assert not await dead(engine, worker.id)
        async with Worker(engine, database_url) as other:
            assert other.id != worker.id
    await until(lambda: dead(engine, worker.id))  # the server drops the lock when it notices the closed connection


async def test_asking_whether_a_worker_is_dead_does_not_take_its_lock(engine, database_url):
    async with Worker(engine, database_url) as worker:
        pass
    await until(lambda: dead(engine, worker.id))
    for _ in range(2):
        assert await dead(engine, worker.id)


@pytest.mark.parametrize("worker_id", [None, "worker_unknown"])
async def test_nobody_is_dead(engine, worker_id):
    assert await dead(engine, worker_id)


@asynccontextmanager
async def watched(worker):
    watching = asyncio.create_task(worker.watch(every_s=0.02))
    try:
        yield watching
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def lose_lock(engine):
    async with engine.begin() as conn:
        await conn.execute(text(END_LOCK_HOLDERS))


async def test_nobody_waits_in_a_pooler_for_a_database_that_is_away(engine, database_url):
    """It lets them wait for two minutes, and no limit of the server's reaches them there."""
    pooled = create_engine(database_url, pooled=True)
    async with Worker(pooled, database_url) as worker, watched(worker):
        worker._url = "postgresql://postgres@127.0.0.1:1/nowhere"
        async with reading(pooled) as conn:
            waiting = asyncio.create_task(conn.scalar(text("SELECT pg_sleep(25)")))
            await asyncio.sleep(0.1)
            async with engine.begin() as other:
                await other.execute(text(END_LOCK_HOLDERS))
            with pytest.raises(OperationalError):
                await asyncio.wait_for(waiting, 30)
    await put_away(pooled)


async def test_a_lock_that_was_lost_with_its_connection_is_taken_anew_under_the_same_name(engine, database_url):
    regained = asyncio.Event()
    async with Worker(engine, database_url) as worker, watched(worker) as watching:
        assert worker.holds_lock
        name = worker.id
        worker.when_regained(regained.set)
        await lose_lock(engine)
        async with asyncio.timeout(30):
            await regained.wait()
        assert (worker.holds_lock, worker.id) == (True, name)
        assert not await dead(engine, worker.id)
        assert not watching.done()


async def test_a_worker_that_was_forgotten_meanwhile_is_known_again(engine, database_url):
    regained = asyncio.Event()
    async with Worker(engine, database_url) as worker:
        worker.when_regained(regained.set)
        await lose_lock(engine)
        await until(lambda: dead(engine, worker.id))
        await forget_dead_workers(engine)
        assert await known(engine) == set()
        async with watched(worker), asyncio.timeout(30):
            await regained.wait()
            assert await known(engine) == {worker.id}
            assert not await dead(engine, worker.id)


async def test_who_looks_at_the_lock_meanwhile_keeps_nobody_from_taking_it_anew(engine, database_url):
    regained = asyncio.Event()
    async with Worker(engine, database_url) as worker:
        worker.when_regained(regained.set)
        await lose_lock(engine)
        await until(lambda: dead(engine, worker.id))
        async with engine.begin() as conn:
            assert await is_dead(conn, worker.id)
            async with watched(worker):
                await asyncio.sleep(0.5)
                assert not regained.is_set()
                assert not worker.holds_lock
                await conn.commit()
                async with asyncio.timeout(30):
                    await regained.wait()


async def test_the_old_session_of_a_worker_is_ended_where_the_server_has_not_noticed(engine, database_url):
    """A host that vanished and came back, or a proxy in between: its first session holds the lock still."""
    async with Worker(engine, database_url) as worker:
        old = worker._session
        worker._session = None
        assert not await worker._take()
        async with asyncio.timeout(30):
            while not await worker._take():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        with pytest.raises(psycopg.OperationalError):
            await old.ask("SELECT 1")


async def test_a_worker_whose_lock_another_holds_gives_up(engine, database_url, monkeypatch):
    monkeypatch.setattr(workers_module, "HELD_ELSEWHERE_S", 0.2)
    async with Worker(engine, database_url) as worker:
        await lose_lock(engine)
        await until(lambda: dead(engine, worker.id))
        async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as other:
            await other.execute("SELECT pg_advisory_lock(%s)", (worker._lock_key,))
            async with watched(worker) as watching, asyncio.timeout(30):
                with pytest.raises(WorkerLost, match="another process holds the lock"):
                    await watching


async def test_a_worker_does_not_go_on_in_another_database(engine, database_url, empty_database_url):
    async with Worker(engine, database_url) as worker:
        worker._url = empty_database_url
        await lose_lock(engine)
        async with watched(worker) as watching, asyncio.timeout(30):
            with pytest.raises(WorkerLost, match="another database: it has no tables"):
                await watching


async def test_nor_in_one_that_has_tables_and_does_not_know_it(engine, database_url):
    async with Worker(engine, database_url) as worker:
        worker._database = "another/1"
        async with engine.begin() as conn:
            await conn.execute(delete(workers))
        await lose_lock(engine)
        async with watched(worker) as watching, asyncio.timeout(30):
            with pytest.raises(WorkerLost, match="doesn't know this process"):
                await watching


async def test_a_dial_waits_for_the_lock_as_long_as_its_claim_holds(engine, database_url):
    async with Worker(engine, database_url) as worker:
        assert await worker.holds_lock_before(time.time() + 60)
        await worker._let_go()
        assert not worker.holds_lock
        assert not await worker.holds_lock_before(time.time() + 0.2)
        waiting = asyncio.create_task(worker.holds_lock_before(time.time() + 60))
        async with asyncio.timeout(30):
            while not await worker._take():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            assert await waiting


async def test_nobody_takes_over_right_after_an_outage(engine, database_url):
    regained = asyncio.Event()
    async with Worker(engine, database_url) as worker, watched(worker):
        worker.when_regained(regained.set)
        await asyncio.sleep(0.3)
        assert worker.is_steady_for(0.2)
        await lose_lock(engine)
        async with asyncio.timeout(30):
            await regained.wait()
        assert not worker.is_steady_for(0.2)
        async with asyncio.timeout(30):
            while not worker.is_steady_for(0.2):  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def test_a_worker_that_can_not_reach_the_database_does_not_start(engine):
    with pytest.raises(psycopg.OperationalError):
        async with Worker(engine, "postgresql://nobody@127.0.0.1:9/nowhere"):
            pass


async def test_dead_workers_that_own_nothing_are_forgotten(workspace, database_url):
    async with Worker(workspace.engine, database_url) as gone:
        pass
    async with Worker(workspace.engine, database_url) as owner:
        claim = await workspace.dialed(owner=owner.id)
    async with Worker(workspace.engine, database_url) as alive:
        await forget_dead_workers(workspace.engine)
        assert await known(workspace.engine) == {owner.id, alive.id, "worker_seats"}
    assert gone.id not in await known(workspace.engine)
    await workspace.set_attempt(claim.attempt_id, owner=None)

    async def forgotten():  # the server may take a moment to end a session that was closed
        await forget_dead_workers(workspace.engine)
        return await known(workspace.engine) == {"worker_seats"}

    await until(forgotten)


async def process(workspace, database_url):
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-c", DIES, database_url, workspace.id, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(30):
        worker_id, *attempt_ids = (await running.stdout.readline()).decode().split()
    return running, worker_id, attempt_ids


async def test_after_kill_9_every_call_is_found_or_queued_again_and_nobody_is_dialled_twice(
    workspace, sweep, database_url
):
    for number in range(4):
        await workspace.queue(to=f"+1555123000{number}")
    running, worker_id, attempt_ids = await process(workspace, database_url)
    assert len(attempt_ids) == 4
    placed = attempt_ids[:2]  # of these the carrier had heard before the process died
    for attempt_id in placed:
        call = await workspace.call((await workspace.attempt(attempt_id)).call_id)
        workspace.carrier.place(f"CA_{attempt_id}", to=call.to, from_=call.from_)
    await asyncio.sleep(0.3)  # the lease has expired; the process lives

    await sweep.sweep()
    assert {(await workspace.attempt(each)).owner for each in attempt_ids} == {worker_id}

    running.send_signal(signal.SIGSTOP)  # frozen is not dead
    await sweep.sweep()
    assert {(await workspace.attempt(each)).owner for each in attempt_ids} == {worker_id}

    running.send_signal(signal.SIGKILL)
    await running.wait()
    async with asyncio.timeout(30):
        while not await dead(workspace.engine, worker_id):  # noqa: ASYNC110 - the server has to notice
            await asyncio.sleep(0.02)
    for attempt_id in attempt_ids:
        await workspace.set_attempt(attempt_id, check_at=datetime(2026, 1, 1, tzinfo=UTC))
    workspace.settings = sweep._look_ups._settings = workspace.settings.model_copy(update={"settle_s": 0})
    await sweep.sweep()  # takes over, and asks the carrier
    for attempt_id in attempt_ids:
        await workspace.set_attempt(attempt_id, check_at=datetime(2026, 1, 1, tzinfo=UTC))
    await sweep.sweep()
    states = {each: await workspace.attempt(each) for each in attempt_ids}
    assert {each: states[each].carrier_call_id for each in placed} == {each: f"CA_{each}" for each in placed}
    assert {states[each].error["code"] for each in attempt_ids[2:]} == {"never_placed"}
    again = {claim.call_id for claim in await workspace.claim()}
    assert again == {states[each].call_id for each in attempt_ids[2:]}
