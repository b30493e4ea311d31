import asyncio
import gc
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import procrastinate
import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Integer, bindparam, literal, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import OperationalError

from outdial.db.engine import connection_url, create_engine, cut_connections, lock_timeout, put_away
from outdial.db.session import Session
from own_postgres import OwnPostgres
from pgbouncer import PgBouncer, needs_pgbouncer


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


def test_what_a_cancelled_task_held_is_closed_too(database_url):
    async def main() -> None:
        engine = create_engine(database_url)
        connected = asyncio.Event()

        async def use() -> None:
            async with engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
                connected.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(use())
        await connected.wait()
        task.cancel()
        await put_away(engine)

    asyncio.run(main())
    gc.collect()  # which would warn


async def test_a_limit_that_the_url_sets_holds(database_url):
    idle = "idle_in_transaction_session_timeout"
    url = f"{database_url}&options=-c%20{idle}%3D7s"
    engine = create_engine(url)
    async with engine.connect() as connection:
        assert await connection.scalar(text(f"SHOW {idle}")) == "7s"
    await put_away(engine)
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
    await put_away(engine)


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
        async with asyncio.timeout(30):
            with pytest.raises(OperationalError):
                await waiting
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT 1")) == 1
    await put_away(engine)


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
    await put_away(engine)


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
    await put_away(engine)
    with psycopg.connect(connection_url(url)) as connection:
        for name, value in (IN_20_S | {"tcp_keepalives_idle": "60", "work_mem": "8MB"}).items():
            assert connection.execute(f"SHOW {name}").fetchone() == (value,)


def test_over_a_unix_socket_there_is_nothing_to_ask(database_url):
    with psycopg.connect(connection_url(database_url)) as connection:
        assert connection.execute("SHOW tcp_keepalives_idle").fetchone() == ("0",)


# -- TLS --------------------------------------------------------------------------------------------------------


def _signed_by_itself(folder: Path) -> Path:
    """A certificate for 127.0.0.1, which is its own authority, and beside it its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a database of the tests")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    (folder / "cert.pem").write_bytes(made.public_bytes(pem))
    return folder / "cert.pem"


@pytest.fixture
def encrypted(database_url, readable_folder) -> Iterator[str]:
    """The URL of a server that takes nothing but TLS, by its authority's file. The PostgreSQL that comes along has no
    TLS, so a pooler stands before it, which keeps sessions and takes their options."""
    certificate = _signed_by_itself(readable_folder)
    for path in (certificate, key := readable_folder / "key.pem"):
        path.chmod(0o644)
    tls = f"client_tls_sslmode = require\nclient_tls_cert_file = {certificate}\nclient_tls_key_file = {key}\n"
    server = PgBouncer(readable_folder, database_url, mode="session", ignored="options", more=tls).start()
    yield f"{server.url}?sslmode=verify-full&sslrootcert={certificate}"
    server.stop()


async def _by_pool(url: str) -> bool:
    engine = create_engine(url)
    try:
        async with engine.connect() as connection:
            return await connection.scalar(text("SELECT true"))
    finally:
        await put_away(engine)


async def _by_pool_at_a_pooler(url: str) -> bool:
    engine = create_engine(url, pooled=True)
    try:
        async with engine.connect() as connection:
            return await connection.scalar(text("SELECT true"))
    finally:
        await put_away(engine)


async def _by_session(url: str) -> bool:
    session = await Session.open(url)
    try:
        return (await session.ask("SELECT true"))[0]
    finally:
        await session.close()


async def _by_jobs(url: str) -> bool:
    connector = procrastinate.PsycopgConnector(conninfo=connection_url(url), min_size=0, max_size=1, timeout=1)
    async with procrastinate.App(connector=connector).open_async():
        return (await connector.execute_query_one_async("SELECT true AS answered"))["answered"]


@needs_pgbouncer
@pytest.mark.parametrize("connect", [_by_pool, _by_pool_at_a_pooler, _by_session, _by_jobs])
async def test_every_connection_is_encrypted_and_knows_its_server_by_its_certificate(encrypted, tmp_path, connect):
    refusals = (OperationalError, psycopg.OperationalError, procrastinate.exceptions.ConnectorException)
    assert await connect(encrypted)
    address, _, query = encrypted.partition("?")
    for wrong in (
        f"{address}?sslmode=verify-full&sslrootcert={_signed_by_itself(tmp_path)}",
        f"{address.replace('127.0.0.1', 'localhost')}?{query}",  # not the name in its certificate
        f"{address}?sslmode=disable",
    ):
        with pytest.raises(refusals):
            await connect(wrong)
