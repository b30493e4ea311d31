"""Every row of a database out of one snapshot, and into a database that is just made. PostgreSQL's own COPY does the
work, so any version of PostgreSQL reads what another wrote, and no program of it is needed on this machine."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

PART_BYTES = 4 * 1024 * 1024
REVISION_TABLE = "alembic_version"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A table. `after`: those that its foreign keys lead to."""

    table: str
    columns: Sequence[str]
    after: frozenset[str]


async def take_your_time(conn: AsyncConnection) -> None:
    """Until the transaction's end no limit of daily life holds."""
    for limit in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
        await conn.execute(text(f"SET LOCAL {limit} = 0"))


async def list_rows(conn: AsyncConnection) -> list[Rows]:
    """Every table, each after those that it refers to. Raises ValueError where they refer to each other in a circle."""
    left = [
        Rows(table=row.name, columns=row.columns, after=frozenset(row.after) - {row.name})
        for row in await conn.execute(_TABLES)
        if row.name != REVISION_TABLE
    ]
    ordered: list[Rows] = []
    while left:
        known = {rows.table for rows in ordered}
        ready = [rows for rows in left if rows.after <= known]
        if not ready:
            raise ValueError(f"tables refer to each other in a circle: {', '.join(rows.table for rows in left)}")
        ordered += ready
        left = [rows for rows in left if rows not in ready]
    return ordered


async def copy_out(conn: AsyncConnection, rows: Rows) -> AsyncIterator[bytes]:
    """The rows in parts of a few MB; a part may end within a row."""
    part = bytearray()
    async with (await _driver(conn)).cursor() as cursor, cursor.copy(_copy(rows, "TO STDOUT")) as copy:
        async for data in copy:
            part += data
            if len(part) >= PART_BYTES:
                yield bytes(part)
                part.clear()
    if part:
        yield bytes(part)


class Loading:
    """Rows into a database whose tables are made and still empty: its own triggers don't see them."""

    def __init__(self, conn: AsyncConnection) -> None:
        self._conn = conn
        self._tables: list[str] = []

    async def begin(self) -> None:
        """Nothing is left of what making the tables put there."""
        self._tables = [rows.table for rows in await list_rows(self._conn)]
        await self._run(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(map(sql.Identifier, self._tables))))
        await self._triggers("DISABLE")

    async def copy_in(self, rows: Rows, parts: AsyncIterator[bytes]) -> None:
        driver = await _driver(self._conn)
        async with driver.cursor() as cursor, cursor.copy(_copy(rows, "FROM STDIN")) as copy:
            async for part in parts:
                await copy.write(part)

    async def end(self, sequences: Mapping[str, Sequence[Any]]) -> None:
        for name, (last, is_called) in sequences.items():
            set_to = sql.SQL("SELECT setval({}, {}, {})")
            await self._run(set_to.format(sql.Literal(f'"{name}"'), sql.Literal(last), sql.Literal(is_called)))
        await self._triggers("ENABLE")

    async def _triggers(self, what: str) -> None:
        for table in self._tables:
            await self._run(sql.SQL("ALTER TABLE {} {} TRIGGER USER").format(sql.Identifier(table), sql.SQL(what)))

    async def _run(self, statement: sql.Composed) -> None:
        async with (await _driver(self._conn)).cursor() as cursor:
            await cursor.execute(statement)


async def read_sequences(conn: AsyncConnection) -> Mapping[str, Sequence[Any]]:
    """By name: the last value, and whether it was given. They are ahead of any snapshot, never behind it."""
    found = {}
    async with (await _driver(conn)).cursor() as cursor:
        for name in (await conn.scalars(_SEQUENCES)).all():
            await cursor.execute(sql.SQL("SELECT last_value, is_called FROM {}").format(sql.Identifier(name)))
            found[name] = list(await cursor.fetchone() or ())
    return found


def columns_json(rows: Rows) -> bytes:
    return json.dumps(list(rows.columns)).encode()


def rows_of(table: str, columns: bytes) -> Rows:
    """What `columns_json` was made of."""
    return Rows(table=table, columns=json.loads(columns), after=frozenset())


def _copy(rows: Rows, way: str) -> sql.Composed:
    columns = sql.SQL(", ").join(map(sql.Identifier, rows.columns))
    return sql.SQL("COPY {} ({}) {}").format(sql.Identifier(rows.table), columns, sql.SQL(way))


async def _driver(conn: AsyncConnection) -> "psycopg.AsyncConnection[Any]":
    driver = (await conn.get_raw_connection()).driver_connection
    assert isinstance(driver, psycopg.AsyncConnection)
    return driver


_TABLES = text("""
    SELECT relname AS name,
        ARRAY(
            SELECT attname::text FROM pg_attribute
            WHERE attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum
        ) AS columns,
        ARRAY(
            SELECT other.relname::text FROM pg_constraint JOIN pg_class AS other ON other.oid = confrelid
            WHERE conrelid = pg_class.oid AND contype = 'f'
        ) AS after
    FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace ORDER BY relname
""")
_SEQUENCES = text("""
    SELECT relname FROM pg_class WHERE relkind = 'S' AND relnamespace = current_schema()::regnamespace ORDER BY relname
""")
