"""The statements of every call, run straight through psycopg on the connection that SQLAlchemy holds.

A statement is still written with SQLAlchemy, and compiled once, with what its types make of values. What is left out is
what SQLAlchemy does at each execution, which takes several times as long as the statement itself. PostgreSQL parses
and plans one the first time that a connection sees it. A pooler between, which knows no prepared statements, makes that
every time.

Errors are SQLAlchemy's, and a connection that broke, or on which a statement was cancelled, is thrown away as by
SQLAlchemy. Whoever listens for statements (`before_cursor_execute`) hears of them: then SQLAlchemy executes.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, cast
from weakref import WeakKeyDictionary

import psycopg
from sqlalchemy import ClauseElement, ColumnElement, Connection, Dialect, Engine, Executable, Result
from sqlalchemy.engine import IteratorResult
from sqlalchemy.engine.result import SimpleResultMetaData
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.util import greenlet_spawn

from outdial.db.engine import autocommit

Values = Mapping[str, Any]


class Hot:
    """A statement with a name for each of its parameters; none of them is a list that is written out (`IN`)."""

    def __init__(self, statement: Executable) -> None:
        self.statement = statement
        self._compiled: WeakKeyDictionary[Dialect, _Compiled] = WeakKeyDictionary()

    def compiled(self, dialect: Dialect) -> "_Compiled":
        found = self._compiled.get(dialect)
        if found is None:
            found = self._compiled[dialect] = _compile(self.statement, dialect)
        return found


async def execute(conn: AsyncConnection, hot: Hot, values: Values) -> Result[Any]:
    """As `conn.execute`, in a transaction that has begun. `values`: of every parameter that has none of its own.

    The result has all of its rows, and no `rowcount`.
    """
    sync = conn.sync_connection
    if sync is None or sync.invalidated or not sync.in_transaction() or sync.dispatch.before_cursor_execute:
        return await conn.execute(hot.statement, values)
    compiled = hot.compiled(sync.dialect)
    fairy = sync.connection
    try:
        return await compiled.run(cast(Any, fairy.driver_connection), values)
    except psycopg.Error as error:
        is_over = _is_over(sync.dialect, error, fairy)
        if is_over:
            await conn.invalidate(error)
        raise _translated(error, compiled, sync.dialect, is_over=is_over) from error
    except BaseException as error:
        if not isinstance(error, Exception):  # cancelled: nobody knows how far it came
            await conn.invalidate(error)
        raise


async def alone(engine: AsyncEngine, hot: Hot, values: Values) -> Result[Any]:
    """The statement as a transaction of its own: it commits by itself, in one round trip."""
    sync = engine.sync_engine
    if sync.dispatch.before_cursor_execute:
        async with autocommit(engine) as conn:
            return (await conn.execute(hot.statement, values)).freeze()()
    compiled = hot.compiled(sync.dialect)
    fairy = await greenlet_spawn(sync.raw_connection)
    try:
        return await _alone(fairy, compiled, values)
    except psycopg.Error as error:
        is_over = _is_over(sync.dialect, error, fairy)
        if is_over:
            await greenlet_spawn(fairy.invalidate, error)
        raise _translated(error, compiled, sync.dialect, is_over=is_over) from error
    except BaseException as error:
        await greenlet_spawn(fairy.invalidate, error)
        raise
    finally:
        await greenlet_spawn(fairy.close)


async def _alone(fairy: PoolProxiedConnection, compiled: "_Compiled", values: Values) -> Result[Any]:
    driver: psycopg.AsyncConnection[Any] = cast(Any, fairy.driver_connection)
    await driver.set_autocommit(True)
    try:
        return await compiled.run(driver, values)
    finally:
        if driver.pgconn.transaction_status == _IDLE:  # else it is broken
            await driver.set_autocommit(False)


@asynccontextmanager
async def begin(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """As `engine.begin()`, with fewer changes of tasks between."""
    sync = await greenlet_spawn(_begun, engine.sync_engine)
    try:
        yield AsyncConnection(engine, sync)
    except BaseException:
        closing = asyncio.ensure_future(greenlet_spawn(sync.close))
        with suppress(asyncio.CancelledError):
            await asyncio.shield(closing)
        raise
    await greenlet_spawn(_commit_and_close, sync)


def _begun(engine: Engine) -> Connection:
    sync = engine.connect()
    sync.begin()
    return sync


def _commit_and_close(sync: Connection) -> None:
    try:
        sync.commit()
    finally:
        sync.close()


def _is_over(dialect: Dialect, error: psycopg.Error, fairy: PoolProxiedConnection) -> bool:
    if isinstance(error, psycopg.errors.FeatureNotSupported):
        return True  # a migration has changed what the statement gives: what is prepared here is good for nothing
    return dialect.is_disconnect(cast(Any, error), cast(Any, fairy.dbapi_connection), None)


def _translated(error: psycopg.Error, compiled: "_Compiled", dialect: Dialect, *, is_over: bool) -> BaseException:
    return DBAPIError.instance(
        compiled.text,
        None,
        error,
        psycopg.Error,
        hide_parameters=True,
        connection_invalidated=is_over,
        dialect=dialect,
    )


# -- compiled ----------------------------------------------------------------------------------------------------

Process = Callable[[Any], Any]


class _Compiled:
    """For one dialect. `text` has its parameters as $1, $2, …; `given`: place, name and what its type makes of a value
    for each of those that the statement doesn't bring."""

    def __init__(
        self,
        text: str,
        *,
        parameters: Sequence[Any],
        given: Sequence[tuple[int, str, Process | None]],
        columns: Sequence[ColumnElement[Any]],
        dialect: Dialect,
    ) -> None:
        self.text = text
        self._query = text.encode()
        self._parameters = list(parameters)
        self._given = given
        self._columns = columns
        self._dialect = dialect
        self._rows: SimpleResultMetaData | None = None
        self._processed: Sequence[tuple[int, Process]] = ()

    async def run(self, driver: psycopg.AsyncConnection[Any], values: Values) -> Result[Any]:
        parameters = self._parameters.copy()
        for place, name, process in self._given:
            parameters[place] = values[name] if process is None else process(values[name])
        cursor = psycopg.AsyncRawCursor(driver)
        await cursor.execute(self._query, parameters, prepare=True)
        if cursor.description is None:
            return IteratorResult(_NO_ROWS, iter(()))
        if self._rows is None:
            self._rows = self._describe(cursor.description)
        rows = await cursor.fetchall()
        return IteratorResult(self._rows, iter([self._row(row) for row in rows] if self._processed else rows))

    def _describe(self, described: Sequence[psycopg.Column]) -> SimpleResultMetaData:
        """By what the first result says of itself: SQLAlchemy's types look at PostgreSQL's."""
        if not self._columns:
            return SimpleResultMetaData([each.name for each in described])
        self._processed = [
            (place, process)
            for place, (column, each) in enumerate(zip(self._columns, described, strict=True))
            if (process := column.type.dialect_impl(self._dialect).result_processor(self._dialect, each.type_code))
        ]
        names = [str(column.key) for column in self._columns]
        return SimpleResultMetaData(names, extra=[(column,) for column in self._columns])

    def _row(self, row: Sequence[Any]) -> tuple[Any, ...]:
        values = list(row)
        for place, process in self._processed:
            values[place] = process(values[place])
        return tuple(values)


def _compile(statement: Executable, dialect: Dialect) -> _Compiled:
    compiled = cast(ClauseElement, statement).compile(dialect=dialect)
    assert isinstance(compiled, SQLCompiler)
    if compiled.literal_execute_params or compiled.post_compile_params:
        raise ValueError("a statement with values that are written out can't be run so")
    places: dict[str, int] = {}

    def numbered(match: re.Match[str]) -> str:
        name = match.group(1)
        return "%" if name is None else f"${places.setdefault(name, len(places)) + 1}"

    text = _PARAMETER.sub(numbered, compiled.string)
    parameters: list[Any] = [None] * len(places)
    given: list[tuple[int, str, Process | None]] = []
    for name, place in places.items():
        bind = compiled.binds[name]
        process = bind.type.dialect_impl(dialect).bind_processor(dialect)
        if bind.required:
            given.append((place, name, process))
        else:
            parameters[place] = bind.effective_value if process is None else process(bind.effective_value)
    columns = list(getattr(statement, "exported_columns", ()))
    return _Compiled(text, parameters=parameters, given=given, columns=columns, dialect=dialect)


_PARAMETER = re.compile(r"%\((\w+)\)s|%%")
_NO_ROWS = SimpleResultMetaData([])
_IDLE = psycopg.pq.TransactionStatus.IDLE
