"""How Outdial connects to PostgreSQL: one pooled async engine a process, and plain URLs for dedicated connections."""

import asyncio
import os
import re
import select
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import quote
from weakref import WeakKeyDictionary, WeakSet

import msgspec
import psycopg
from psycopg.errors import LockNotAvailable
from sqlalchemy import URL, ColumnElement, Engine, Text, event, func, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    DisconnectionError,
    InterfaceError,
    InternalError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import QueuePool

from outdial.db import committed

DRIVERS = ("postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg_async")

# A pooled connection serves one short transaction at a time, so few carry many calls; two processes with full
# pools and their dedicated connections stay under PostgreSQL's usual limit of 100.
# All of them are kept: one that is opened for a moment of many requests costs more than what it is opened for.
POOL_SIZE = 30
MAX_OVERFLOW = 0

BACK_S, BACK_TRIES = 2.0, 200  # what is at work on a connection when all are to be closed

# The server notices within 20 s that our host has vanished (a power cut, a network that is gone), at its end of each
# of our connections: until then the session holds its locks, the one that proves a worker alive among them. The first
# says when a silent peer is asked; the last, in milliseconds, when one that acknowledges nothing is given up. They mean
# nothing to a server that is reached by a Unix socket: whoever is at its other end can't vanish alone.
VANISHED_HOST_SETTINGS = {
    "tcp_keepalives_idle": "8",
    "tcp_keepalives_interval": "3",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "17000",
}

# Of every session: none of ours keeps locks while it does something else. A process that was frozen loses them.
ANY_SESSION = {"idle_in_transaction_session_timeout": "5s", **VANISHED_HOST_SETTINGS}

# Limits of the server: nothing we send takes long, so what does is stuck and gives its locks back.
SESSION_SETTINGS = {"statement_timeout": "30s", "lock_timeout": "10s", **ANY_SESSION}

# At our end a database host that vanished is noticed within half a minute, also on connections that only listen.
KEEPALIVE = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,  # ms
}


def create_engine(url: str, *, pooled: bool = False) -> AsyncEngine:
    """An engine with its pool for a postgres://, postgresql:// or postgresql+psycopg:// URL.

    `pooled`: it leads to a pooler that gives each transaction another session. Such a pooler knows no prepared
    statements and takes no options at the start; the limits of our sessions are then their role's (`db.pooler`).

    Idle connections are checked by looking at their socket, not by a query (`pool_pre_ping`): it costs a
    microsecond instead of a round trip before every transaction, and tells as well when the server was restarted.
    Raises ValueError when the URL isn't one of PostgreSQL's; nothing connects yet.
    """
    parsed = _parse(url).set(drivername="postgresql+psycopg")
    engine = create_async_engine(
        parsed.difference_update_query(["options"]),
        pool_size=POOL_SIZE,
        max_overflow=MAX_OVERFLOW,
        pool_timeout=10,
        pool_recycle=1800,  # proxies and firewalls forget connections that are older
        pool_use_lifo=True,
        hide_parameters=True,  # values are phone numbers and words of people; exception texts end in logs
        json_serializer=_dump_json,
        json_deserializer=msgspec.json.decode,
        connect_args=_connect_args(parsed) | (_pooled(parsed) if pooled else _own(parsed)),
    )
    event.listen(engine.sync_engine, "checkout", _check_idle_connection)
    connections: WeakSet[psycopg.AsyncConnection] = WeakSet()
    event.listen(engine.sync_engine, "connect", lambda connection, _: connections.add(connection.driver_connection))
    _connections[engine.sync_engine] = connections
    if pooled:
        _behind_pooler.add(engine.sync_engine)
    committed.watch(engine.sync_engine)
    return engine


# Of each engine all that it has opened: whoever waits on them can be told that nothing comes any more.
_connections: WeakKeyDictionary[Engine, WeakSet[psycopg.AsyncConnection]] = WeakKeyDictionary()
_behind_pooler: WeakSet[Engine] = WeakSet()


def is_pooled(engine: AsyncEngine) -> bool:
    """Whether a pooler stands before the database: what it is asked waits there for a database that is away."""
    return engine.sync_engine in _behind_pooler


def cut_connections(engine: AsyncEngine) -> None:
    """Whoever waits for a database that doesn't answer (frozen, or gone behind a proxy) gets an OperationalError now:
    no limit of the server's reaches them, and a task that waits for an answer can't even be cancelled."""
    for connection in tuple(_connections.get(engine.sync_engine, ())):
        cut(connection)


def cut(connection: psycopg.AsyncConnection) -> None:
    """End a connection so that whoever waits for its answer gets an OperationalError at once; what it was asked may
    still be done."""
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.pgconn.socket)) as end:
        end.shutdown(socket.SHUT_RDWR)


async def put_away(engine: AsyncEngine) -> None:
    """Close all its connections, with what is at work on them given a moment (`BACK_S`) to end.

    SQLAlchemy closes the session of a cancelled task in a task of its own, which may have yet to run. Nobody closes a
    connection that isn't back in the pool when that is disposed of, but the garbage collector, some time.
    """
    pool = engine.sync_engine.pool
    assert isinstance(pool, QueuePool)
    for _ in range(BACK_TRIES):
        if not pool.checkedout():
            break
        await asyncio.sleep(BACK_S / BACK_TRIES)
    await engine.dispose()


@asynccontextmanager
async def autocommit(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection for a single statement that changes something: it commits by itself, in one round trip not three."""
    async with engine.connect() as conn:
        yield await conn.execution_options(isolation_level="AUTOCOMMIT")


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection to read with: every statement is a transaction of its own.

    Use it instead of `engine.connect()`, which begins a transaction and rolls it back: two round trips more, and at a
    rollback psycopg forgets what it has prepared on that connection, so PostgreSQL would plan everything anew.
    """
    async with engine.connect() as conn:
        yield await conn.execution_options(isolation_level="AUTOCOMMIT")


def is_away(error: Exception) -> bool:
    """Whether an error is the database's trouble (it is gone, frozen, restarting, a standby, out of order) and not what
    it was asked for: the same may be asked again later."""
    if isinstance(error, OperationalError | InterfaceError | InternalError | PoolTimeoutError):
        return True
    if isinstance(error, ConnectionError | TimeoutError | socket.gaierror):  # and not the disk's errors
        return True
    return isinstance(error, DBAPIError) and error.connection_invalidated


def lock_timeout(limit_ms: ColumnElement[int]) -> ColumnElement[bool]:
    """Part of a WHERE, always true: from here on to its end the transaction waits so long for a lock. It takes no round
    trip of its own, and holds for the statement that it is part of, too."""
    return func.set_config("lock_timeout", limit_ms.cast(Text), True, type_=Text()).is_not(None)


def without_flush() -> ColumnElement[bool]:
    """Part of a WHERE, always true: the commit of the transaction doesn't wait for the disk. Only where what a crash of
    the database server may lose of it, the last half second, is done again by itself: nobody is told of it by a
    transaction that does wait before it is as safe as that one."""
    return func.set_config("synchronous_commit", "off", True, type_=Text()).is_not(None)


def is_lock_timeout(error: Exception) -> bool:
    """Whether a statement failed because somebody else has a row or a lock for too long."""
    return isinstance(error, OperationalError) and isinstance(error.orig, LockNotAvailable)


def why(error: Exception) -> str:
    """In a word, for the log of a try that is followed by others: an outage would fill it with tracebacks."""
    return type(getattr(error, "orig", None) or error).__name__


def connection_url(url: str, *, pooled: bool = False) -> str:
    """The URL as libpq takes it, for a connection of its own outside the pool (LISTEN, session locks).

    The pool's timeouts of statements and locks don't apply to it; keepalives do. `pooled`: as for an engine.
    """
    parsed = _parse(url).set(drivername="postgresql")
    defaults = {name: str(value) for name, value in _connect_args(parsed).items()}
    if not pooled:
        defaults["options"] = _options(parsed, ANY_SESSION)
    address, mark, query = parsed.update_query_dict(defaults).render_as_string(hide_password=False).partition("?")
    return address + mark + query.replace("+", "%20")  # to libpq a plus is no space


def _parse(url: str) -> URL:
    try:
        parsed = _hosts_in_query(make_url(_hosts_apart(url)))
    except (ArgumentError, ValueError):
        raise ValueError("not a database URL; expected postgresql://user:password@host:5432/database") from None
    if parsed.drivername not in DRIVERS:
        raise ValueError(f"Outdial needs PostgreSQL (postgresql://…), not {parsed.drivername}")
    return parsed


def _hosts_apart(url: str) -> str:
    """libpq's way to write several hosts (`//user@a:5432,b:5432/…`), which SQLAlchemy can't read: as parameters."""
    parts = _SEVERAL.fullmatch(url)
    if parts is None:
        return url
    start, hosts, path, query = parts.groups()
    listed = "&".join(f"host={quote(host)}" for host in hosts.split(","))
    return f"{start}{path or '/'}?{listed}{'&' if query else ''}{query or ''}"


def _hosts_in_query(url: URL) -> URL:
    """SQLAlchemy's way to write hosts (`?host=a:5432&host=b:5432`) in the one that libpq takes, too."""
    given = url.query.get("host", ())
    places = (given,) if isinstance(given, str) else given
    if "port" in url.query or not any(_PLACE.fullmatch(place) for place in places):
        return url.update_query_dict({"host": ",".join(places)}) if len(places) > 1 else url
    pairs = [match.groups() if (match := _PLACE.fullmatch(place)) else (place, "") for place in places]
    hosts, ports = ([str(part).strip("[]") for part in parts] for parts in zip(*pairs, strict=True))
    return url.update_query_dict({"host": ",".join(hosts), "port": ",".join(ports)})


_SEVERAL = re.compile(r"([^:]+://(?:[^/?]*@)?)([^/?@,]+,[^/?@]+)(/[^?]*)?(?:\?(.*))?")
_PLACE = re.compile(r"([\w.-]+|\[[\da-fA-F:.]+\]):(\d+)")


def _connect_args(url: URL) -> dict[str, Any]:
    """Our connection parameters, except those the URL sets itself."""
    ours: dict[str, Any] = {"application_name": "outdial", "connect_timeout": 5, **KEEPALIVE}
    return {name: value for name, value in ours.items() if name not in url.query}


def _own(url: URL) -> dict[str, Any]:
    return {"options": _options(url, SESSION_SETTINGS)}


def _pooled(url: URL) -> dict[str, Any]:
    """The URL's own options go on to the pooler: whoever writes them there knows that it takes them."""
    given = _options(url, {})
    return {"prepare_threshold": None} | ({"options": given} if given else {})


def _options(url: URL, settings: Mapping[str, str]) -> str:
    """These settings, then those of the URL, which hold."""
    given = url.query.get("options", ())
    ours = [f"-c {name}={value}" for name, value in settings.items()]
    return " ".join([*ours, *([given] if isinstance(given, str) else given)])


_EXPONENT = re.compile(rb"[0-9]e[0-9]")


def _dump_json(value: object) -> str:
    """JSON for JSONB, which keeps numbers as decimals: 1e19 would come back as an integer of as many digits, and not
    always the same number. With a point it stays a float."""
    text = msgspec.json.encode(value)
    if _EXPONENT.search(text):  # a text may look like it, too
        text = msgspec.json.encode(_with_points(value))
    return text.decode()


def _with_points(value: object) -> object:
    match value:
        case float() if abs(value) >= 1e16:  # from here on floats are whole numbers
            return msgspec.Raw(f"{value:.1f}".encode())
        case Mapping():
            return {name: _with_points(item) for name, item in value.items()}
        case list() | tuple():
            return [_with_points(item) for item in value]
    return value


def _check_idle_connection(connection: Any, record: object, proxy: object) -> None:
    """Replace a pooled connection whose socket has something to read: an idle one only hears of its own end."""
    libpq = connection.driver_connection.pgconn
    poll = select.poll()
    poll.register(libpq.socket, select.POLLIN)
    if not poll.poll(0):
        return
    try:
        libpq.consume_input()  # a harmless notice is read and the connection kept
        closed = bool(poll.poll(0))
    except Exception as error:  # psycopg.OperationalError: the server has gone
        raise DisconnectionError("the server closed this idle connection") from error
    if closed:
        raise DisconnectionError("the server closed this idle connection")
