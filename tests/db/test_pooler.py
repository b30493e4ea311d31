"""What holds behind a real PgBouncer, and what a process says that can't work behind it."""

import asyncio

import psycopg
import pytest
from pydantic import SecretStr, ValidationError
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from outdial.calls.workers import Worker
from outdial.db.engine import ANY_SESSION, SESSION_SETTINGS, create_engine, is_away, put_away, reading
from outdial.db.migrate import is_current, upgrade_at
from outdial.db.notify import Notifications, notify
from outdial.db.pooler import Way, WrongDatabaseUrl, check_urls, limit_sessions, missing_limits, way
from outdial.db.running import running_url
from outdial.db.tables import attempts
from outdial.dispatch.dispatcher import Dispatcher
from outdial.draining import Drain
from outdial.jobs.job import Job, add_job
from outdial.jobs.runner import JobRunner
from outdial.settings import Settings
from outdial.telephony.state import CallState, EndReason
from pgbouncer import PgBouncer, forget_limits, needs_pgbouncer
from workspace import Agents, until

pytestmark = needs_pgbouncer


@pytest.fixture
def pooler(readable_folder, database_url):
    started = []

    def start(url: str = database_url, **settings) -> PgBouncer:
        started.append(PgBouncer(readable_folder / str(len(started)), url, **settings).start())
        return started[-1]

    yield start
    for each in started:
        each.stop()
    forget_limits(database_url)


def settings_of(url, direct=None):
    return Settings(database_url=SecretStr(url), direct_database_url=None if direct is None else SecretStr(direct))


@pytest.fixture
async def engine(pooler):
    """Behind one, as a process has it; so is all that the fixtures make with it."""
    url = pooler().url
    await limit_sessions(url)
    engine = create_engine(url, pooled=True)
    yield engine
    await put_away(engine)


async def test_it_is_seen_where_a_url_leads(pooler, database_url):
    assert await way(database_url) is Way.DIRECT
    for settings, found in [
        ({}, Way.TRANSACTION_POOLER),
        ({"size": 1}, Way.TRANSACTION_POOLER),
        ({"mode": "statement"}, Way.TRANSACTION_POOLER),
        ({"mode": "session"}, Way.SESSION_POOLER),
    ]:
        assert await way(pooler(**settings).url) is found, settings


async def test_a_pooler_alone_is_refused_with_what_to_set(pooler, database_url):
    for settings in ({}, {"ignored": "options"}):
        with pytest.raises(WrongDatabaseUrl, match=r"OUTDIAL_DATABASE_URL .* transaction mode.*set OUTDIAL_DIRECT_"):
            await check_urls(settings_of(pooler(**settings).url))
    with pytest.raises(WrongDatabaseUrl, match=r"takes no options .*set OUTDIAL_DIRECT_DATABASE_URL"):
        await check_urls(settings_of(pooler(mode="session").url))
    await check_urls(settings_of(pooler(mode="session", ignored="options").url))
    await check_urls(settings_of(database_url))


async def test_the_direct_url_has_to_lead_to_the_same_database_itself(pooler, database_url, postgres):
    url = pooler().url
    await check_urls(settings_of(url, database_url))
    with pytest.raises(WrongDatabaseUrl, match=r"OUTDIAL_DIRECT_DATABASE_URL .* has to lead to PostgreSQL itself"):
        await check_urls(settings_of(url, url))
    with pytest.raises(WrongDatabaseUrl, match="different databases"):
        await check_urls(settings_of(url, postgres.url("postgres")))


async def test_commands_go_directly(pooler, database_url):
    async with running_url(settings_of(pooler().url, database_url)) as url:
        assert url == database_url


def test_a_direct_url_goes_with_a_poolers():
    with pytest.raises(ValidationError, match="OUTDIAL_DATABASE_URL"):
        Settings(direct_database_url=SecretStr("postgresql://db.example/outdial"))


async def test_the_limits_of_sessions_hold_behind_it_from_the_first_transaction_on(pooler, database_url):
    url = pooler().url
    assert set(await missing_limits(url)) == set(SESSION_SETTINGS)
    await limit_sessions(url)
    engine = create_engine(url, pooled=True)
    async with reading(engine) as conn:
        for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            assert await conn.scalar(text(f"SHOW {name}")) == SESSION_SETTINGS[name]
    await put_away(engine)
    assert await missing_limits(url) == {}
    with psycopg.connect(database_url) as other:
        assert other.execute("SHOW lock_timeout").fetchone() == (SESSION_SETTINGS["lock_timeout"],)


async def test_a_limit_that_somebody_set_for_the_role_stays(pooler, database_url):
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("ALTER ROLE postgres IN DATABASE migrated SET statement_timeout = '7s'")
    url = pooler().url
    await limit_sessions(url)
    await limit_sessions(url)
    with psycopg.connect(url, prepare_threshold=None, autocommit=True) as connection:
        assert connection.execute("SHOW statement_timeout").fetchone() == ("7s",)
        assert connection.execute("SHOW lock_timeout").fetchone() == ("10s",)


async def test_who_does_nothing_in_a_transaction_loses_its_locks_behind_it_too(pooler, database_url):
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("ALTER ROLE postgres IN DATABASE migrated SET idle_in_transaction_session_timeout = '100ms'")
    engine = create_engine(pooler().url, pooled=True)
    async with engine.connect() as conn:
        await conn.execute(text("SELECT 1"))
        await asyncio.sleep(0.5)
        with pytest.raises(DBAPIError) as ended:
            await conn.execute(text("SELECT 1"))
    assert is_away(ended.value)
    async with reading(engine) as conn:
        assert await conn.scalar(text("SELECT 1")) == 1
    await put_away(engine)


async def test_any_session_may_answer_the_same_statement_again_and_again(engine):
    """With statements prepared, another session would not know them, or know another one by their name."""

    query = text("SELECT CAST(:number AS int), pg_sleep(0.002)")

    async def ask(number):
        for _ in range(25):
            async with reading(engine) as conn:
                assert (await conn.execute(query, {"number": number})).first()[0] == number

    await asyncio.gather(*(ask(number) for number in range(8)))


async def test_calls_are_dialled_and_ended_through_it(workspace, worker, database_url):
    """The dispatcher is woken directly; everything else goes through the pooler, with five sessions."""
    placed = [await workspace.queue() for _ in range(8)]
    async with Notifications(database_url) as notifications:
        dispatcher = Dispatcher(
            workspace.engine,
            workspace.settings,
            notifications,
            workspace.open_carrier,
            Agents(),
            owner=worker.id,
            lock=worker,
        )
        running = asyncio.create_task(dispatcher.run())
        try:
            for turn in (5, 3):  # as many as there are lines, then the others
                dialed = await _dialed(workspace, turn)
                await asyncio.gather(*(workspace.hears(at, CallState.ENDED, EndReason.BUSY) for at in dialed))
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    assert [(await workspace.call(call_id)).end_reason for call_id in placed] == ["busy"] * 8
    assert (await workspace.pool()).used_outbound == 0
    assert len(workspace.carrier.dialed) == 8


async def _dialed(workspace, many):
    """Attempts that a carrier has taken and that haven't ended, once there are so many."""
    query = select(attempts.c.id).where(attempts.c.state == "dialing", attempts.c.carrier_call_id.is_not(None))
    found = []

    async def are_there():
        async with workspace.engine.connect() as conn:
            found[:] = (await conn.scalars(query)).all()
        return len(found) == many

    await until(are_there)
    return found


async def test_who_listens_directly_is_woken_by_who_writes_through_it(engine, database_url):
    heard = []
    async with Notifications(database_url) as notifications:
        notifications.subscribe("outdial_queue", heard.append)
        await until(_async(lambda: heard == [""]))
        async with engine.begin() as conn:
            await notify(conn, "outdial_queue", "ws_1")
        await until(_async(lambda: heard == ["", "ws_1"]))


async def test_a_job_added_through_it_is_done(engine, database_url):
    done = []

    async def run(**arguments):
        done.append(arguments)

    job = Job(name="deliver", run=run)
    runner = JobRunner(engine, database_url, [job], drain=Drain())
    running = asyncio.create_task(runner.run())
    try:
        for number in range(8):  # more often than psycopg asks before it would prepare
            async with engine.begin() as conn:
                await add_job(conn, job, number=number)
        await until(_async(lambda: len(done) == 8))
    finally:
        await runner.aclose()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_tables_are_made_directly_and_seen_through_it(pooler, empty_database_url):
    pool = pooler(empty_database_url)
    engine = create_engine(pool.url, pooled=True)
    assert not await is_current(engine)
    await upgrade_at(empty_database_url)
    assert await is_current(engine)
    await put_away(engine)
    pool.stop()


async def test_a_worker_keeps_its_lock_while_the_pooler_restarts(pooler, database_url):
    pool = pooler()
    engine = create_engine(pool.url, pooled=True)
    async with Worker(engine, database_url) as worker:
        watching = asyncio.create_task(worker.watch(every_s=0.02))
        async with reading(engine) as conn:
            await conn.scalar(text("SELECT 1"))
        await asyncio.to_thread(pool.restart)
        async with reading(engine) as conn:  # the connection that was cut is replaced unnoticed
            assert await conn.scalar(text("SELECT 1")) == 1
        assert worker.holds_lock
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    await put_away(engine)


def test_limits_of_dedicated_connections_are_among_those_of_the_pool():
    assert SESSION_SETTINGS.items() >= ANY_SESSION.items()


def _async(condition):
    async def check():
        return condition()

    return check
