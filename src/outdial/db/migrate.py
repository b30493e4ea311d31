"""Bring a database to the tables this version of Outdial needs (Alembic; the steps are in `migrations/versions`)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.db.engine import create_engine, put_away
from outdial.db.job_tables import PREFIX
from outdial.db.tables import metadata

LOCK_KEY = 0x6F757464_69616C01  # "outdial", 1: held while somebody changes the schema
SCRIPTS = Path(__file__).parent / "migrations"


class SchemaError(RuntimeError):
    """This database can't be brought to the tables of this version; the message says why and what to do."""


async def upgrade(engine: AsyncEngine, revision: str = "head") -> None:
    """Run what is missing, in one transaction; processes that start at once wait for each other.

    Raises SchemaError for a database of a newer Outdial, and where the role may not change tables.
    """
    try:
        await _run(engine, lambda config: command.upgrade(config, revision))
    except ProgrammingError as error:
        if not isinstance(error.orig, psycopg.errors.InsufficientPrivilege):
            raise
        raise SchemaError(_may_not(engine, error.orig)) from error


async def upgrade_at(url: str) -> None:
    """The same, by a connection of its own to PostgreSQL itself."""
    engine = create_engine(url)
    try:
        await upgrade(engine)
    finally:
        await put_away(engine)


async def downgrade(engine: AsyncEngine, revision: str) -> None:
    """Go back to `revision` ("base": no tables at all). Drops data."""
    await _run(engine, lambda config: command.downgrade(config, revision))


async def remake(conn: AsyncConnection, revision: str) -> None:
    """In the transaction of `conn`: all tables as they were at `revision`, and empty but for what making them puts
    there. What there was is dropped. Raises SchemaError for a database of a newer Outdial."""

    def run(connection: Connection) -> None:
        if unknown := _unknown_revisions(connection):
            raise SchemaError(_newer(unknown))
        config = _config(connection)
        command.downgrade(config, "base")
        command.upgrade(config, revision)

    await conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
    await conn.run_sync(run)


def knows_revision(revision: str) -> bool:
    """Whether this version has a step to it."""
    return revision in {script.revision for script in ScriptDirectory(str(SCRIPTS)).walk_revisions()}


async def is_current(engine: AsyncEngine) -> bool:
    """Whether the schema is the one this version needs. Changes nothing."""

    async with engine.connect() as connection:
        return await connection.run_sync(_is_at_heads)


async def is_empty(engine: AsyncEngine) -> bool:
    """Whether Outdial has never made its tables here. Changes nothing."""
    async with engine.connect() as connection:
        return await connection.run_sync(lambda sync: not MigrationContext.configure(sync).get_current_heads())


async def check_current(engine: AsyncEngine) -> None:
    """Raises SchemaError, saying what to do, for a database that isn't at this version's schema. Changes nothing."""
    if await is_current(engine):
        return
    if await is_newer(engine):
        async with engine.connect() as connection:
            raise SchemaError(await connection.run_sync(lambda sync: _newer(_unknown_revisions(sync))))
    if await is_empty(engine):
        raise SchemaError("this database is empty; outdial serve makes its tables, at its first start with it")
    raise SchemaError("this database is of an older Outdial; start outdial serve: it brings the tables up to date")


async def is_newer(engine: AsyncEngine) -> bool:
    """Whether the schema is of a newer Outdial than this one. Changes nothing."""
    async with engine.connect() as connection:
        return bool(await connection.run_sync(_unknown_revisions))


async def differences(engine: AsyncEngine) -> list[Any]:
    """How the database differs from `db.tables`, as Alembic's autogenerate sees it; [] when it doesn't."""

    def compare(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True, "include_name": _is_ours}
        )
        return list(compare_metadata(context, metadata))

    async with engine.connect() as connection:
        return await connection.run_sync(compare)


def heads() -> tuple[str, ...]:
    """The revision this version needs."""
    return tuple(ScriptDirectory(str(SCRIPTS)).get_heads())


def _is_at_heads(connection: Connection) -> bool:
    return set(MigrationContext.configure(connection).get_current_heads()) == set(heads())


def _is_ours(name: str | None, kind: str, parents: Any) -> bool:
    """Not the tables of procrastinate: `db.job_tables` has them made."""
    return not (kind == "table" and name is not None and name.startswith(PREFIX))


async def _run(engine: AsyncEngine, step: Callable[[Config], None]) -> None:
    def run(connection: Connection) -> None:
        if unknown := _unknown_revisions(connection):
            raise SchemaError(_newer(unknown))
        step(_config(connection))

    async with engine.begin() as connection:
        # A migration may take longer than a statement of daily life, and so may the wait for another's.
        await connection.execute(text("SET LOCAL statement_timeout = 0"))
        await connection.execute(text("SET LOCAL lock_timeout = 0"))
        await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '60s'"))  # its steps are read
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
        if not await connection.run_sync(_is_at_heads):
            await connection.execute(_LOCK_TABLES)
            await connection.execute(text("SET LOCAL lock_timeout = 0"))
        await connection.run_sync(run)


# What a step changes is locked with all else, before anything is changed, and nothing is waited for with something in
# hand: who works on the database meanwhile (the version before, until it is replaced) takes these locks in orders of
# its own, and one of the two would be ended as in a deadlock. A fifth of a second is less than PostgreSQL waits before
# it looks for one. Where somebody reads for a minute and more, the steps take what they need one after the other.
_LOCK_TABLES = text("""
    DO $$
    DECLARE
        tables text;
    BEGIN
        SELECT string_agg(format('%I', relname), ', ' ORDER BY relname <> 'calls', relname) INTO tables
        FROM pg_class
        WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND relname = ANY('{{TABLES}}');
        FOR attempt IN 1..300 LOOP
            EXIT WHEN tables IS NULL;
            BEGIN
                PERFORM set_config('lock_timeout', '200ms', true);
                EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', tables);
                RETURN;
            EXCEPTION WHEN lock_not_available THEN
                NULL;
            END;
            PERFORM pg_sleep(0.1 + random() / 10);  -- meanwhile those go on who wait for what we had
        END LOOP;
    END $$
""".replace("{TABLES}", ",".join(metadata.tables)))


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _unknown_revisions(connection: Connection) -> set[str]:
    known = {script.revision for script in ScriptDirectory(str(SCRIPTS)).walk_revisions()}
    return set(MigrationContext.configure(connection).get_current_heads()) - known


def _newer(unknown: set[str]) -> str:
    return (
        f"this database is of a newer Outdial: its tables are at {', '.join(sorted(unknown))}, and this version knows "
        f"them up to {', '.join(heads())}; run the newer Outdial, or set OUTDIAL_DATABASE_URL to another database"
    )


def _may_not(engine: AsyncEngine, refused: psycopg.Error) -> str:
    role, reason = engine.url.username or "the role", str(refused).splitlines()[0]
    return (
        f"the database doesn't let {role} change tables ({reason}); as its owner: "
        f"GRANT CREATE, USAGE ON SCHEMA public TO {engine.url.username or '<role>'}; where the tables are another "
        "role's, set OUTDIAL_DATABASE_URL to that role"
    )
