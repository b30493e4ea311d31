import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Integer, bindparam, literal, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import OperationalError

from outdial.db.engine import connection_url, create_engine, cut_connections, lock_timeout
from own_postgres import OwnPostgres


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
async def test_every_usual_scheme_is_understood(scheme):
    engine = create_engine(f"{scheme}://user:secret@db.example/outdial")
    assert (engine.dialect.name, engine.dialect.driver) == ("postgresql", "psycopg")


@pytest.mark.parametrize("url", ["mysql://localhost/x", "sqlite://", "nonsense", ""])
def test_other_databases_are_refused_without_repeating_the_url(url):
    with pytest.raises(ValueError, match=r"PostgreSQL|postgresql") as refused:
        create_engine(url)
    assert not url or url not in str(refused.value)


async def test_a_session_has_our_name_and_limits(engine):
    async with engine.connect() as connection:
        for name, value in {
            "application_name": "outdial",
            "statement_timeout": "30s",
            "lock_timeout": "10s",
            "idle_in_transaction_session_timeout": "5s",
        }.items():
            assert await connection.scalar(text(f"SHOW {name}")) == value


async def test_a_limit_that_the_url_sets_holds(database_url):
    idle = "idle_in_transaction_session_timeout"
    url = f"{database_url}&options=-c%20{idle}%3D7s"
    engine = create_engine(url)
    async with engine.connect() as connection:
        assert await connection.scalar(text(f"SHOW {idle}")) == "7s"
    await engine.dispose()
    with psycopg.connect(connection_url(url)) as connection:
        assert connection.execute(f"SHOW {idle}").fetchone() == ("7s",)


def test_a_connection_of_its_own_does_not_keep_locks_idly_either(database_url):
    with psycopg.connect(connection_url(database_url)) as connection:
        assert connection.execute("SHOW idle_in_transaction_session_timeout").fetchone() == ("5s",)


async def test_a_statement_says_how_long_its_transaction_waits_for_locks(engine):
    async with engine.connect() as connection:
        async with connection.begin():
            await connection.execute(select(1).where(lock_timeout(literal(70, Integer))))
            assert await connection.scalar(text("SHOW lock_timeout")) == "70ms"
        assert await connection.scalar(text("SHOW lock_timeout")) == "10s"


async def test_the_options_of_the_url_are_kept(database_url):
    engine = create_engine(f"{database_url}&options=-c%20work_mem%3D8MB&application_name=mine")
    async with engine.connect() as connection:
        assert await connection.scalar(text("SHOW work_mem")) == "8MB"
        assert await connection.scalar(text("SHOW application_name")) == "mine"
        assert await connection.scalar(text("SHOW lock_timeout")) == "10s"
    await engine.dispose()


async def test_json_goes_there_and_back(engine):
    value = {"name": "Zoë", "list": [1, 2.5, None, True], "nested": {"a": []}}
    async with engine.connect() as connection:
        assert await connection.scalar(select(bindparam("value", value, type_=JSONB))) == value


@pytest.mark.parametrize(
    "number",
    [1e15, 1e15 + 0.125, 1e16, -1e16, 1.2345678901234567e18, 1.2345678901234567e19, 1e22, 1e300, 1.7976931348623157e308,
     1e-7, 5e-324, 0.1, 0.0, 2**53 + 1, 2**63 - 1, -(2**63)],
)  # fmt: skip
async def test_a_number_comes_back_as_what_it_was(engine, number):
    value = {"number": number, "looks like one": "call_1e9", "in": [{"a": [number]}]}
    async with engine.connect() as connection:
        back = await connection.scalar(select(bindparam("value", value, type_=JSONB)))
    assert back == value
    assert type(back["number"]) is type(back["in"][0]["a"][0]) is type(number)


async def test_a_pooled_connection_that_the_server_closed_is_replaced_unnoticed(engine, database_url):
    async with engine.connect() as connection:
        first = await connection.scalar(text("SELECT pg_backend_pid()"))
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [first])
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT pg_backend_pid()")) != first


def test_a_dedicated_connection_takes_the_same_url(database_url):
    with psycopg.connect(connection_url(database_url)) as connection:
        assert connection.execute("SHOW application_name").fetchone() == ("outdial",)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:se%40cret@a.example:5433,b.example:5434/calls?target_session_attrs=read-write",
        "postgresql://me:se%40cret@/calls?host=a.example:5433&host=b.example:5434&target_session_attrs=read-write",
        "postgresql://me:se%40cret@/calls?host=a.example,b.example&port=5433,5434&target_session_attrs=read-write",
    ],
)
def test_several_hosts_may_be_written_in_every_usual_way(url):
    dedicated = conninfo_to_dict(connection_url(url))
    engine = create_engine(url)
    _, pooled = engine.dialect.create_connect_args(engine.url)
    for given in (dedicated, pooled):
        names = ("host", "port", "user", "password", "dbname", "target_session_attrs")
        assert [given[name] for name in names] == [
            "a.example,b.example", "5433,5434", "me", "se@cret", "calls", "read-write",
        ]  # fmt: skip


def test_several_hosts_by_address_and_with_the_usual_port():
    assert conninfo_to_dict(connection_url("postgresql://[::1]:5433,[::2]:5434/calls"))["host"] == "::1,::2"
    assert conninfo_to_dict(connection_url("postgresql://a,b/calls"))["host"] == "a,b"


async def test_whoever_waits_for_a_silent_database_can_be_freed(database_url):
    engine = create_engine(database_url)
    async with engine.connect() as connection:
        waiting = asyncio.create_task(connection.execute(text("SELECT pg_sleep(25)")))
        await asyncio.sleep(0.3)
        cut_connections(engine)
        async with asyncio.timeout(10):
            with pytest.raises(OperationalError):
                await waiting
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT 1")) == 1
    await engine.dispose()


# -- a host that has vanished ----------------------------------------------------------------------------------

IN_20_S = {  # the last in ms
    "tcp_keepalives_idle": "8",
    "tcp_keepalives_interval": "3",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "17000",
}


@pytest.fixture(scope="module")
def tcp_url() -> Iterator[str]:
    """A server that listens on TCP: of a Unix socket's keepalives it says 0."""
    with tempfile.TemporaryDirectory(prefix="outdial-test-") as folder:
        Path(folder).chmod(0o755)
        server = OwnPostgres(Path(folder))
        server.start()
        try:
            yield server.url("postgres")
        finally:
            server.stop()


async def test_the_server_asks_after_whoever_is_at_the_other_end_of_a_pooled_session(tcp_url):
    """SHOW asks the kernel what holds for the server's socket."""
    engine = create_engine(tcp_url)
    async with engine.connect() as connection:
        for name, value in IN_20_S.items():
            assert await connection.scalar(text(f"SHOW {name}")) == value
    await engine.dispose()


def test_the_server_asks_after_whoever_holds_a_lock_or_listens(tcp_url):
    with psycopg.connect(connection_url(tcp_url)) as connection:
        for name, value in IN_20_S.items():
            assert connection.execute(f"SHOW {name}").fetchone() == (value,)
        assert connection.execute("SHOW statement_timeout").fetchone() == ("0",)


async def test_the_url_may_say_itself_when_a_host_counts_as_vanished(tcp_url):
    url = f"{tcp_url}?options=-c%20tcp_keepalives_idle%3D60%20-c%20work_mem%3D8MB"
    engine = create_engine(url)
    async with engine.connect() as connection:
        assert await connection.scalar(text("SHOW tcp_keepalives_idle")) == "60"
    await engine.dispose()
    with psycopg.connect(connection_url(url)) as connection:
        for name, value in (IN_20_S | {"tcp_keepalives_idle": "60", "work_mem": "8MB"}).items():
            assert connection.execute(f"SHOW {name}").fetchone() == (value,)


def test_over_a_unix_socket_there_is_nothing_to_ask(database_url):
    with psycopg.connect(connection_url(database_url)) as connection:
        assert connection.execute("SHOW tcp_keepalives_idle").fetchone() == ("0",)
