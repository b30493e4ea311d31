"""A pooler before PostgreSQL (PgBouncer and its like): whether there is one, and what holds behind it all the same.

In transaction mode each transaction may meet another session. Locks of a session, LISTEN and what a session was told
at its start are lost there, so these go to PostgreSQL itself, by a URL of its own.
"""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum

import psycopg
from psycopg import sql

from outdial.db.engine import SESSION_SETTINGS
from outdial.db.session import Session
from outdial.settings import Settings

logger = logging.getLogger(__name__)

ROUNDS = 3  # others use the pooler, too: once is no proof that two sessions are apart

DATABASE, DIRECT = "OUTDIAL_DATABASE_URL", "OUTDIAL_DIRECT_DATABASE_URL"


class Way(StrEnum):
    """What a URL leads to."""

    DIRECT = "direct"                            # PostgreSQL itself
    SESSION_POOLER = "session_pooler"            # each connection keeps its session
    TRANSACTION_POOLER = "transaction_pooler"    # each transaction has another


class WrongDatabaseUrl(RuntimeError):
    """Outdial can't work with what its URLs lead to; the message says what to set."""


async def way(url: str) -> Way:
    """Where a URL leads. Raises psycopg.Error."""
    async with _session(url) as first:
        before = await _backend(first)
        if before == first.connection.pgconn.backend_pid:  # a pooler makes up a process of its own
            return Way.DIRECT
        async with _session(url) as second:
            for _ in range(ROUNDS):
                try:
                    await second.ask("BEGIN")
                except psycopg.errors.ProtocolViolation:  # a pooler in statement mode allows none
                    return Way.TRANSACTION_POOLER
                beside = await _backend(second)
                await second.ask("ROLLBACK")
                if before in (beside, None) or await _backend(first) != before:
                    return Way.TRANSACTION_POOLER
    return Way.SESSION_POOLER


async def check_urls(settings: Settings) -> None:
    """Raises WrongDatabaseUrl where the operator's URLs don't do, and psycopg.Error where that can't be seen now."""
    assert settings.database_url is not None
    url = settings.database_url.get_secret_value()
    if settings.direct_database_url is None:
        await _check_session(DATABASE, url)
        return
    direct = settings.direct_database_url.get_secret_value()
    await _check_session(DIRECT, direct)
    if await _database(url, pooled=True) != await _database(direct):
        raise WrongDatabaseUrl(f"{DATABASE} and {DIRECT} lead to different databases; they have to be one")


async def _check_session(name: str, url: str) -> None:
    """Raises WrongDatabaseUrl unless what this URL leads to keeps a session, and takes its settings."""
    found = await way(url)
    todo = (
        f"set {DIRECT}=postgresql://… to PostgreSQL itself, too (for locks, notifications, jobs and migrations)"
        if name == DATABASE
        else "it has to lead to PostgreSQL itself"
    )
    if found is Way.TRANSACTION_POOLER:
        raise WrongDatabaseUrl(f"{name} leads to a pooler in transaction mode, which keeps no session; {todo}")
    if found is Way.SESSION_POOLER:
        try:
            await (await Session.open(url)).close()
        except psycopg.OperationalError as error:
            if "startup parameter" not in str(error):
                raise
            raise WrongDatabaseUrl(f"{name} leads to a pooler that takes no options for a session; {todo}") from error


async def missing_limits(url: str, *, pooled: bool = True) -> Mapping[str, str]:
    """The limits of our sessions that don't hold in one that this URL leads to, with what they should be.

    One that somebody has set for the role or the database holds, whatever it is.
    """
    async with _session(url, pooled=pooled) as session:
        return {name: SESSION_SETTINGS[name] for name in (await _limits(session)).missing}


async def limit_sessions(url: str) -> None:
    """Have every session that a pooler opens for us have the limits of ours: they become the role's, in this database.

    A session that the pooler has already keeps its own until it is closed. Raises psycopg.Error.
    """
    async with _session(url) as session:
        found = await _limits(session)
        for name in found.unset:
            change = sql.SQL("ALTER ROLE CURRENT_USER IN DATABASE {} SET {} = {}").format(
                sql.Identifier(found.database), sql.Identifier(name), sql.Literal(SESSION_SETTINGS[name])
            )
            try:
                await session.ask(change)
            except psycopg.errors.InsufficientPrivilege:
                logger.warning("Database limits not set: the role may not", extra={"setting": name})
                return
            except psycopg.errors.InternalError:  # another process does the same just now
                continue
        if found.unset:
            logger.info("Database limits set for the role", extra={"settings": found.unset})
        if found.missing:
            await _renew(session)


async def _renew(session: Session) -> None:
    """End the server's session that we have met: a pooler would give it first to whoever comes next."""
    try:
        await session.ask("SELECT pg_terminate_backend(pg_backend_pid())")
    except psycopg.OperationalError:
        return


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limits:
    """Of a session, by name: those that don't hold in it, and of these the ones that nobody has set yet, neither for
    the role nor for the database."""

    missing: list[str]
    unset: list[str]
    database: str


async def _limits(session: Session) -> _Limits:
    row = await session.ask(_LIMITS, [list(SESSION_SETTINGS)])
    assert row is not None
    return _Limits(missing=row[0], unset=row[1], database=row[2])


async def _backend(session: Session) -> int | None:
    row = await session.ask("SELECT pg_backend_pid()")
    return None if row is None else row[0]


async def _database(url: str, *, pooled: bool = False) -> str | None:
    async with _session(url, pooled=pooled) as session:
        row = await session.ask(_DATABASE)
        return None if row is None else row[0]


@asynccontextmanager
async def _session(url: str, *, pooled: bool = True) -> AsyncIterator[Session]:
    session = await Session.open(url, pooled=pooled)
    try:
        yield session
    finally:
        await session.close()


# A setting by the start of the connection ("client") is ours where the URL leads to PostgreSQL itself.
_LIMITS = """
    SELECT
        coalesce(array_agg(name) FILTER (WHERE NOT holds), '{}'),
        coalesce(array_agg(name) FILTER (WHERE NOT holds AND NOT is_set), '{}'),
        current_database()::text
    FROM (
        SELECT name, source IN ('database', 'user', 'database user', 'client') AS holds, EXISTS (
            SELECT FROM pg_db_role_setting AS kept, unnest(kept.setconfig) AS one
            WHERE kept.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
                AND kept.setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = current_user))
                AND split_part(one, '=', 1) = name) AS is_set
        FROM pg_settings WHERE name = ANY(%s)
    ) AS setting
"""

_DATABASE = """
    SELECT (SELECT system_identifier FROM pg_control_system())::text
        || '/' || (SELECT oid FROM pg_database WHERE datname = current_database())::text
"""
