"""A streaming standby is asked for what people read, while it is near enough; and never instead of the primary."""

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr
from sqlalchemy import text

from outdial.api.app import create_api
from outdial.api.services import Services
from outdial.cli.check_database import replica as doctor_s_replica
from outdial.db.engine import create_engine, put_away
from outdial.db.migrate import upgrade
from outdial.db.notify import Notifications
from outdial.db.replica import Replica, Standing
from outdial.history.reading import AS_OF, History
from outdial.lines.workspace_pools import create_workspace
from outdial.recordings.recordings import Recordings
from outdial.settings import Settings
from outdial.workspaces.api_keys import create_api_key
from outdial.workspaces.audit import COMMAND_LINE
from outdial.workspaces.secrets import SecretBox
from own_postgres import OwnPostgres
from workspace import until

MAX_LAG_S = 1.5


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[OwnPostgres, OwnPostgres]]:
    """A primary, and a standby that it doesn't wait for."""
    with tempfile.TemporaryDirectory(prefix="outdial-test-") as folder:
        Path(folder).chmod(0o755)
        primary = OwnPostgres(Path(folder) / "primary")
        primary.start()
        try:
            standby = primary.standby(Path(folder) / "standby", synchronous=False)
            try:
                yield primary, standby
            finally:
                standby.stop()
        finally:
            primary.stop()


@pytest.fixture
async def primary(servers):
    engine = create_engine(servers[0].url("outdial"))
    await upgrade(engine)
    yield engine
    await put_away(engine)


@asynccontextmanager
async def replica_at(url: str, primary, *, max_lag_s: float = MAX_LAG_S) -> AsyncIterator[Replica]:
    """Not watched: tests look."""
    replica = Replica(url, primary, max_lag_s=max_lag_s)
    try:
        yield replica
    finally:
        await replica.aclose()


@pytest.fixture
async def replica(servers, primary):
    async with replica_at(servers[1].url("outdial"), primary) as replica:
        yield replica


async def in_use(replica: Replica) -> None:
    async def is_in_use() -> bool:
        return await replica.look() is Standing.IN_USE

    await until(is_in_use)


def tell(server: OwnPostgres, statement: str) -> None:
    with psycopg.connect(server.url("outdial"), autocommit=True) as connection:
        connection.execute(statement)


def follow(standby: OwnPostgres, primary: str) -> None:
    """`primary`: as the standby's own setting says it; nothing: it hears of nobody."""
    with psycopg.connect(standby.url("outdial"), autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER SYSTEM SET primary_conninfo = {}").format(sql.Literal(primary)))
        connection.execute("SELECT pg_reload_conf()")


async def where(conn) -> str:
    return "replica" if await conn.scalar(text("SELECT pg_is_in_recovery()")) else "primary"


@asynccontextmanager
async def held_back(standby: OwnPostgres) -> AsyncIterator[None]:
    """It hears everything, and replays nothing."""
    await asyncio.to_thread(tell, standby, "SELECT pg_wal_replay_pause()")
    try:
        yield
    finally:
        await asyncio.to_thread(tell, standby, "SELECT pg_wal_replay_resume()")


async def test_history_is_read_at_the_replica_and_says_up_to_when_it_is_whole(primary, replica):
    before = datetime.now(UTC)
    assert (await History(primary=primary, replica=replica).read(where)).value == "primary", "nobody has looked yet"
    await in_use(replica)
    read = await History(primary=primary, replica=replica).read(where)
    assert read.value == "replica"
    assert before - timedelta(seconds=1) < read.as_of <= datetime.now(UTC)
    assert read.headers == {AS_OF: read.as_of.isoformat().replace("+00:00", "Z")}
    fresh = await History(primary=primary, replica=replica).read(where, fresh=True)
    assert (fresh.value, fresh.headers) == ("primary", {})


async def test_all_that_was_committed_before_is_in_what_a_replica_tells_as_of_then(servers, primary, replica):
    async with primary.begin() as conn:
        await conn.execute(text("CREATE TABLE IF NOT EXISTS marks (at timestamptz DEFAULT clock_timestamp())"))
    await in_use(replica)

    async def newest(conn) -> datetime | None:
        return await conn.scalar(text("SELECT max(at) FROM marks"))

    history = History(primary=primary, replica=replica)
    for _ in range(20):
        async with primary.begin() as conn:
            committed = await conn.scalar(text("INSERT INTO marks DEFAULT VALUES RETURNING at"))
        await replica.look()
        read = await history.read(newest)
        if read.as_of is not None and read.as_of > committed:
            assert read.value == committed
    async with primary.begin() as conn:
        await conn.execute(text("DROP TABLE marks"))


async def test_a_replica_that_is_late_is_not_asked_until_it_has_caught_up(servers, primary, replica, caplog):
    caplog.set_level(logging.INFO)
    history = History(primary=primary, replica=replica)
    await in_use(replica)
    async with held_back(servers[1]):
        tell(servers[0], "CREATE TABLE late ()")

        async def is_late() -> bool:
            return await replica.look() is Standing.LATE

        await until(is_late)
        assert replica.lag_s > MAX_LAG_S
        assert replica.as_of is None
        assert (await history.read(where)).value == "primary"
        for _ in range(3):
            await replica.look()
    tell(servers[0], "DROP TABLE late")
    await in_use(replica)
    assert (await history.read(where)).value == "replica"
    told = [record.message for record in caplog.records if record.name == "outdial.db.replica"]
    assert told == [
        "Replica in use",
        "Replica not used: lists and figures are read from the primary",
        "Replica in use",
    ]


async def test_a_replica_is_believed_by_what_the_primary_says_even_where_it_hears_nothing_and_thinks_it_is_up_to_date(
    servers, primary, replica
):
    """Cut off, a standby has replayed all that it ever received."""
    await in_use(replica)
    with psycopg.connect(servers[1].url("outdial"), autocommit=True) as connection:
        [follows] = connection.execute("SHOW primary_conninfo").fetchone()
    follow(servers[1], "")
    try:
        tell(servers[0], "CREATE TABLE unheard ()")

        async def is_late() -> bool:
            return await replica.look() is Standing.LATE

        await until(is_late)
    finally:
        follow(servers[1], follows)
        tell(servers[0], "DROP TABLE unheard")
    await in_use(replica)


async def test_a_read_that_the_replica_has_to_end_is_the_primary_s(servers, primary, replica):
    """A replica ends queries that stand in the way of what it replays."""
    await in_use(replica)
    asked = []

    async def cut_off(conn) -> str:
        asked.append(await where(conn))
        if asked == ["replica"]:
            await conn.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        return asked[-1]

    history = History(primary=primary, replica=replica)
    assert (await history.read(cut_off)).value == "primary"
    assert asked == ["replica", "primary"]
    assert (await history.read(where)).value == "primary", "not asked again before somebody has looked"
    await in_use(replica)


async def test_what_is_wrong_with_a_query_is_told_and_asked_nobody_else(primary, replica):
    await in_use(replica)
    asked = []

    async def nonsense(conn) -> None:
        asked.append(await where(conn))
        await conn.execute(text("SELECT no_such_column FROM calls"))

    with pytest.raises(Exception, match="no_such_column"):
        await History(primary=primary, replica=replica).read(nonsense)
    assert asked == ["replica"]


async def test_another_database_and_a_primary_are_no_replicas(servers, primary, database_url, postgres):
    async with replica_at(servers[0].url("outdial"), primary) as itself:
        assert await itself.look() is Standing.NO_STANDBY
    async with replica_at(servers[1].url("postgres"), primary) as other:
        assert await other.look() is Standing.ANOTHER
    async with replica_at(database_url, primary) as elsewhere:
        assert await elsewhere.look() is Standing.ANOTHER
        assert (await History(primary=primary, replica=elsewhere).read(where)).value == "primary"
    async with replica_at("postgresql://nobody@127.0.0.1:1/outdial", primary) as nowhere:
        assert await nowhere.look() is Standing.AWAY


async def test_whoever_waits_for_a_replica_that_is_frozen_is_answered_by_the_primary(servers, primary, replica):
    await in_use(replica)
    history = History(primary=primary, replica=replica)
    with servers[1].frozen():
        waiting = asyncio.create_task(history.read(where))
        await asyncio.sleep(0.1)
        async with asyncio.timeout(20):
            assert await replica.look() is Standing.AWAY
            assert (await waiting).value == "primary"
    await in_use(replica)


async def test_doctor_says_how_far_it_is_behind(servers, primary):
    settings = Settings(
        database_url=SecretStr(servers[0].url("outdial")), replica_database_url=SecretStr(servers[1].url("outdial"))
    )
    found = await doctor_s_replica(primary, settings)
    assert found.status == "ok"
    assert found.found.startswith("at most ")
    other = settings.model_copy(update={"replica_database_url": SecretStr(servers[1].url("postgres"))})
    found = await doctor_s_replica(primary, other)
    assert (found.status, found.found) == ("warn", Standing.ANOTHER.value)


# -- by HTTP ---------------------------------------------------------------------------------------------------


@pytest.fixture
async def client(servers, primary, replica, tmp_path):
    workspace_id = (await create_workspace(primary, name="Clinic", lines=1))["id"]
    key = (await create_api_key(primary, workspace_id, name="Test", by=COMMAND_LINE))["key"]
    async with Notifications(servers[0].url("outdial")) as notifications:
        services = Services(
            engine=primary,
            settings=Settings(data_dir=tmp_path),
            notifications=notifications,
            secret_box=SecretBox("a key for tests"),
            recordings=Recordings(tmp_path),
            replica=replica,
        )
        transport = httpx.ASGITransport(create_api(services))
        headers = {"Authorization": key}
        async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
            yield client


@pytest.mark.parametrize("path", ["/v1/calls", "/v1/calls?words=hello", "/v1/calls.csv", "/v1/overview"])
async def test_lists_and_figures_say_up_to_when_they_are_whole_and_are_of_now_on_request(client, replica, path):
    await in_use(replica)

    async def is_replicated() -> bool:  # the workspace itself
        await replica.look()
        return (await client.get(path)).status_code == 200

    await until(is_replicated)
    answer = await client.get(path)
    assert datetime.fromisoformat(answer.headers[AS_OF]) <= datetime.now(UTC)
    fresh = await client.get(path, headers={"Cache-Control": "no-cache"})
    assert AS_OF not in fresh.headers
    assert (fresh.status_code, fresh.headers["content-type"]) == (200, answer.headers["content-type"])


async def test_an_export_that_does_not_say_how_old_it_is_is_the_primary_s_to_its_end(primary, replica):
    """A replica that is asked meanwhile is behind what was read already."""
    history = History(primary=primary, replica=replica)
    begun, headers = history.begin()
    await in_use(replica)
    assert (headers, (await begun.read(pid)).as_of) == ({}, None)
    begun, headers = history.begin()
    assert headers[AS_OF]
    assert (await begun.read(pid)).as_of is not None
    begun, headers = history.begin(fresh=True)
    assert (headers, (await begun.read(pid)).as_of) == ({}, None)


async def pid(conn):
    return await conn.scalar(text("SELECT pg_backend_pid()"))


@pytest.mark.parametrize("path", ["/v1/phone-numbers", "/v1/workspace", "/v1/agents"])
async def test_what_is_set_up_is_read_where_it_is_written(client, replica, path):
    await in_use(replica)
    assert AS_OF not in (await client.get(path)).headers


async def test_a_look_that_is_ended_in_the_middle_leaves_nothing_at_work(replica, monkeypatch):
    """As when the process stops: nobody closes a connection that isn't back when its engine is put away."""
    monkeypatch.setattr("outdial.db.replica._REPLICA", text("SELECT pg_sleep(60)"))
    pool = replica.engine.sync_engine.pool

    async def is_asking() -> bool:
        return bool(pool.checkedout())

    before = asyncio.all_tasks()
    looking = asyncio.create_task(replica.look())
    await until(is_asking)
    looking.cancel()
    await asyncio.wait({looking})
    await replica.aclose()
    assert asyncio.all_tasks() <= before
