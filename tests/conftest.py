"""Fixtures every test may use: an embedded PostgreSQL for the session, and a migrated database, empty for each test."""

import asyncio
import gc
import itertools
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import psycopg
import pytest
from sqlalchemy import delete, insert
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from asking import Asking
from fake_carrier import FakeCarrier
from outdial.calls.claim import Claim
from outdial.calls.workers import Worker
from outdial.db.embedded import EmbeddedPostgres
from outdial.db.engine import create_engine, put_away
from outdial.db.migrate import upgrade
from outdial.db.notify import Notifications
from outdial.db.tables import secret_keys
from outdial.dispatch.sweep import Sweep
from outdial.lines.workspace_pools import add_workspace
from outdial.settings import Settings
from seats import insert_worker
from tenants import insert_everywhere
from workspace import Workspace, insert_account

# The first text Hypothesis makes on a fresh machine costs two seconds, for its table of all characters.
hypothesis.settings.register_profile(
    "outdial", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("outdial")

# Servers leave files for their user's commands there, and commands look for them: neither at whoever runs the tests.
_state = tempfile.TemporaryDirectory(prefix="outdial-test-state-")
os.environ["XDG_STATE_HOME"] = _state.name

TEMPLATE = "template_migrated"
MIGRATED = "migrated"
_functions_of_ours: set[str] = set()  # those that the migrations make
_kept: list[psycopg.Connection] = []  # one at most
_first: list[Any] = []  # the dialect of the first engine, and what it has compiled
_names = (f"test_{number}" for number in itertools.count(1))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Next to nothing that is made meanwhile is garbage, and looking for it takes longer the more there is."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """All that was collected stays to the end. To look through it for garbage each time takes half a second."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    import side_by_side  # only where there is an xdist

    return side_by_side.processes()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    import side_by_side

    return side_by_side.scheduler(config, log)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A server with one migrated database. Loses data in a power failure, which is fine here."""
    # Not pytest's folder: that is closed to other users, and for root PostgreSQL runs as one.
    with tempfile.TemporaryDirectory(prefix="outdial-test-") as folder:
        Path(folder).chmod(0o755)
        server = EmbeddedPostgres(Path(folder), settings={"fsync": "off", "synchronous_commit": "off"})
        server.start()
        try:
            _execute(server, f"CREATE DATABASE {TEMPLATE}")
            asyncio.run(_migrate(server.url(TEMPLATE)))
            with psycopg.connect(server.url(TEMPLATE)) as connection:
                _functions_of_ours.update(_functions(connection))
            _execute(server, f"CREATE DATABASE {MIGRATED} TEMPLATE {TEMPLATE}")
            yield server
        finally:
            while _kept:
                _kept.pop().close()
            server.stop()


@pytest.fixture
def readable_folder() -> Iterator[Path]:
    """A folder that other users can read."""
    with tempfile.TemporaryDirectory(prefix="outdial-test-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def empty_database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    name = next(_names)
    _execute(postgres, f"CREATE DATABASE {name}")
    yield postgres.url(name)
    _execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


# Truncating gives a table new files, which costs far more than the few rows that most tests leave. What the planner
# knows is forgotten as it is by that: a table it knows nothing of counts as ten pages, so no more may be left of one
# (https://www.postgresql.org/docs/18/functions-admin.html). Triggers and foreign keys have nothing to say here.
EMPTY_ALL = """
DO $$
DECLARE
    one record;
BEGIN
    SET LOCAL session_replication_role = replica;
    FOR one IN
        SELECT oid::regclass AS name, relname, reltuples, pg_relation_size(oid) AS bytes FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
    LOOP
        IF one.bytes > 10 * 8192 THEN
            EXECUTE format('TRUNCATE %s CASCADE', one.name);
        ELSIF one.bytes > 0 THEN
            EXECUTE format('DELETE FROM %s', one.name);
        END IF;
        IF one.reltuples >= 0 THEN
            PERFORM pg_clear_relation_stats('public', one.relname::text);
        END IF;
    END LOOP;
    PERFORM setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
    FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL;
END $$
"""


@pytest.fixture
def database_url(postgres: EmbeddedPostgres) -> str:
    """A database with all tables and no rows. Emptied between tests, which takes a fraction of making a new one."""
    url = postgres.url(MIGRATED)
    try:
        _empty(_kept_connection(url))
    except psycopg.OperationalError:  # a test has ended it
        _kept.pop().close()
        _empty(_kept_connection(url))
    return url


def _kept_connection(url: str) -> psycopg.Connection:
    """One for all tests: to open one, and for that to learn about the tables, takes longer than to empty them."""
    if not _kept:
        _kept.append(psycopg.connect(url, autocommit=True))
    return _kept[0]


def _empty(connection: psycopg.Connection) -> None:
    connection.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"  # waits for their end: they hold locks
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    for name in _functions(connection) - _functions_of_ours:  # tests make tables fail by some, and by triggers
        connection.execute(f"DROP FUNCTION {name} CASCADE")
    connection.execute(EMPTY_ALL)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """Of its own for each test, but for the statements that those before it have compiled: compiling them is half of
    what a short test would do."""
    engine = create_engine(database_url)
    if _first:
        engine.sync_engine.dialect, engine.sync_engine._compiled_cache = _first
    yield engine
    if not _first and engine.sync_engine.dialect.server_version_info:
        _first[:] = engine.sync_engine.dialect, engine.sync_engine._compiled_cache
    await put_away(engine)
    # What is left open is closed as garbage, in another test, which then fails for it.
    assert not _checked_out(engine), "tasks of this test still use the database"


def _checked_out(engine: AsyncEngine) -> int:
    pool = engine.sync_engine.pool
    assert isinstance(pool, QueuePool)
    return pool.checkedout()


def _functions(connection: psycopg.Connection) -> set[str]:
    query = "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
    return {name for (name,) in connection.execute(query)}


def _execute(postgres: EmbeddedPostgres, statement: str) -> None:
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(statement)


async def _migrate(url: str) -> None:
    engine = create_engine(url)
    await upgrade(engine)
    await put_away(engine)


# -- a workspace that calls through a carrier in memory --------------------------------------------------------


# To look into the environment and for a file takes as long as a short test: once is enough.
_settings = Settings(public_url="https://voice.example")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return _settings.model_copy(update={"data_dir": tmp_path})


@pytest.fixture
def carrier() -> FakeCarrier:
    return FakeCarrier()


MakeWorkspace = Callable[..., Awaitable[Workspace]]


@pytest.fixture
async def make_workspace(
    engine: AsyncEngine, settings: Settings, carrier: FakeCarrier
) -> AsyncIterator[MakeWorkspace]:
    made: list[Workspace] = []

    async def make(*, lines: int = 5, calls_per_second: float = 1000.0) -> Workspace:
        async with engine.begin() as conn:
            id_ = await add_workspace(conn, name="Clinic", lines=lines)
            await insert_everywhere(conn, id_)
            account_id, number_id = await insert_account(conn, id_, calls_per_second=calls_per_second)
            # The accounts here have no credentials that could say whose key it is.
            await conn.execute(delete(secret_keys))
            await conn.execute(insert(secret_keys).values(canary=None))
            if not made:
                await insert_worker(conn, stream_url=settings.stream_base_url)
        workspace = Workspace(engine, settings, carrier, id_)
        workspace.account_id, workspace.number_id = account_id, number_id
        made.append(workspace)
        return workspace

    yield make
    for workspace in made[:1]:
        await workspace.recount()


@pytest.fixture
async def workspace(make_workspace: MakeWorkspace) -> Workspace:
    return await make_workspace()


@pytest.fixture
async def asking(workspace: Workspace, claim: Claim) -> AsyncIterator[Asking]:
    """A warm transfer of the test's own `claim`: somebody is being asked."""
    asking = Asking(workspace, claim)
    yield asking
    await asking.aclose()


@pytest.fixture
def sweep(workspace: Workspace, database_url: str) -> Sweep:
    """One that is asked to sweep; it listens to nothing."""
    return Sweep(
        workspace.engine,
        workspace.settings,
        Notifications(database_url),
        workspace.open_carrier,
        owner="worker_sweep",
    )


@pytest.fixture
async def worker(workspace: Workspace, database_url: str) -> AsyncIterator[Worker]:
    """A worker that lives."""
    async with Worker(workspace.engine, database_url) as worker:
        yield worker
