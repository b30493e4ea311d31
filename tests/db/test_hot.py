"""Statements that run straight through psycopg: what comes back, what goes wrong, what becomes of the connection."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import pytest
from sqlalchemy import (
    Boolean,
    DateTime,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    Text,
    bindparam,
    event,
    func,
    literal,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DataError, IntegrityError, NoResultFound, NotSupportedError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.db import hot
from outdial.db.committed import once_committed
from outdial.db.engine import create_engine, put_away
from outdial.db.hot import Hot
from outdial.db.tables import workspaces


class Word(StrEnum):
    YES = "yes"


AT = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
VALUES: dict[str, tuple[Any, Any]] = {
    "word": (Text, Word.YES),
    "nothing": (Text, None),
    "number": (Integer, 7),
    "large": (Integer, 70_000),
    "at": (DateTime(timezone=True), AT),
    "apart": (Interval, timedelta(seconds=3)),
    "price": (Numeric, None),
    "is_so": (Boolean, True),
    "token": (LargeBinary, b"\x00\xff"),
    "data": (JSONB, {"a": [1, 2.5, "100 %"]}),
    "null": (JSONB(none_as_null=True), None),
}
EVERY = select(*(bindparam(f"new_{name}", type_=type_).cast(type_).label(name) for name, (type_, _) in VALUES.items()))
GIVEN = {f"new_{name}": value for name, (_, value) in VALUES.items()}

BACKEND = Hot(select(func.pg_backend_pid().label("pid")))
PREPARED = Hot(text("SELECT count(*) AS prepared FROM pg_prepared_statements WHERE statement LIKE '%mark of it%'"))
MARKED = Hot(select(bindparam("value", type_=Text).label("value"), literal("mark of it")))
SLEEP = Hot(text("SELECT pg_sleep(:seconds)"))
ADD = Hot(
    workspaces.insert()
    .values(id=bindparam("new_id"), name=bindparam("new_name"), plan="free")
    .returning(workspaces.c.id)
)
FOUND = Hot(select(workspaces.c.id, workspaces.c.name).where(workspaces.c.id == bindparam("the_id", type_=Text)))


async def run(engine: AsyncEngine, statement: Hot, values: dict[str, Any], *, in_transaction: bool) -> None:
    if not in_transaction:
        await hot.alone(engine, statement, values)
        return
    async with hot.begin(engine) as conn:
        await hot.execute(conn, statement, values)


async def add_and_fail(engine: AsyncEngine, told: list[str]) -> None:
    async with hot.begin(engine) as conn:
        await hot.execute(conn, ADD, {"new_id": "ws_1", "new_name": "One"})
        once_committed(conn, lambda: told.append("lost"))
        raise ZeroDivisionError


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(database_url)
    yield engine
    await put_away(engine)


async def test_values_and_rows_are_those_of_sqlalchemy(engine: AsyncEngine) -> None:
    async with hot.begin(engine) as conn:
        expected = (await conn.execute(EVERY, GIVEN)).mappings().one()
        for _ in range(2):  # prepared, too
            assert (await hot.execute(conn, Hot(EVERY), GIVEN)).mappings().one() == expected
    assert (await hot.alone(engine, Hot(EVERY), GIVEN)).mappings().one() == expected
    assert expected["data"] == VALUES["data"][1]


async def test_columns_are_found_by_themselves_and_by_name(engine: AsyncEngine) -> None:
    assert (await hot.alone(engine, ADD, {"new_id": "ws_1", "new_name": "One"})).scalar_one() == "ws_1"
    row = (await hot.alone(engine, FOUND, {"the_id": "ws_1"})).one()
    assert (row.name, row._mapping[workspaces.c.name]) == ("One", "One")
    with pytest.raises(NoResultFound):
        (await hot.alone(engine, FOUND, {"the_id": "ws_2"})).one()


async def test_a_value_that_is_missing_is_no_null(engine: AsyncEngine) -> None:
    with pytest.raises(KeyError):
        await hot.alone(engine, FOUND, {})


async def test_a_transaction_is_rolled_back_by_an_error(engine: AsyncEngine) -> None:
    told: list[str] = []
    with pytest.raises(ZeroDivisionError):
        await add_and_fail(engine, told)
    assert (await hot.alone(engine, FOUND, {"the_id": "ws_1"})).one_or_none() is None
    async with hot.begin(engine) as conn:
        await hot.execute(conn, ADD, {"new_id": "ws_1", "new_name": "One"})
        once_committed(conn, lambda: told.append("kept"))
        assert told == []
    assert told == ["kept"]
    assert (await hot.alone(engine, FOUND, {"the_id": "ws_1"})).one_or_none() is not None


async def test_errors_are_those_of_sqlalchemy_and_keep_values_to_themselves(engine: AsyncEngine) -> None:
    pid = (await hot.alone(engine, BACKEND, {})).scalar_one()
    one = {"new_id": "ws_1", "new_name": "A secret name"}
    await hot.alone(engine, ADD, one)
    with pytest.raises(IntegrityError) as twice:
        await hot.alone(engine, ADD, one)
    assert "A secret name" not in str(twice.value)
    with pytest.raises(IntegrityError):
        await run(engine, ADD, one, in_transaction=True)
    with pytest.raises(DataError):
        await hot.alone(engine, FOUND, {"the_id": "a\0b"})
    assert (await hot.alone(engine, BACKEND, {})).scalar_one() == pid  # the connection was kept, in order


@pytest.mark.parametrize("in_transaction", [False, True])
async def test_a_connection_that_broke_is_replaced(engine: AsyncEngine, *, in_transaction: bool) -> None:
    ended = Hot(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    with pytest.raises(OperationalError) as broken:
        await run(engine, ended, {}, in_transaction=in_transaction)
    assert broken.value.connection_invalidated
    assert (await hot.alone(engine, BACKEND, {})).scalar_one()


async def test_a_statement_whose_result_was_changed_is_prepared_anew(engine: AsyncEngine) -> None:
    counted = Hot(text("SELECT * FROM counted"))
    async with engine.begin() as conn:
        await conn.execute(text("CREATE TABLE counted AS SELECT 1 AS number"))
    assert (await hot.alone(engine, counted, {})).scalar_one() == 1
    other = create_engine(engine.url.render_as_string(hide_password=False))
    async with other.begin() as conn:
        await conn.execute(text("ALTER TABLE counted ALTER number TYPE text"))
    await put_away(other)
    with pytest.raises(NotSupportedError) as changed:
        await hot.alone(engine, counted, {})
    assert changed.value.connection_invalidated
    assert (await hot.alone(engine, counted, {})).scalar_one() == "1"
    async with engine.begin() as conn:
        await conn.execute(text("DROP TABLE counted"))


@pytest.mark.parametrize("in_transaction", [False, True])
async def test_who_is_cancelled_leaves_no_connection_behind(engine: AsyncEngine, *, in_transaction: bool) -> None:
    pid = (await hot.alone(engine, BACKEND, {})).scalar_one()
    sleeping = asyncio.create_task(run(engine, SLEEP, {"seconds": 20}, in_transaction=in_transaction))
    await asyncio.sleep(0.1)
    sleeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeping
    assert engine.sync_engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    assert (await hot.alone(engine, BACKEND, {})).scalar_one() != pid


@pytest.mark.parametrize("pooled", [False, True])
async def test_statements_are_prepared_at_once_but_for_a_pooler(database_url: str, *, pooled: bool) -> None:
    engine = create_engine(database_url, pooled=pooled)
    for value in ("a", "b", None):
        assert (await hot.alone(engine, MARKED, {"value": value})).first()[0] == value  # type: ignore[index]
    prepared = (await hot.alone(engine, PREPARED, {})).scalar_one()
    assert (prepared == 0) is pooled
    await put_away(engine)


async def test_who_listens_for_statements_hears_of_them(engine: AsyncEngine) -> None:
    heard: list[str] = []
    note = lambda *args: heard.append(args[2])  # noqa: E731
    event.listen(engine.sync_engine, "before_cursor_execute", note)
    assert (await hot.alone(engine, BACKEND, {})).scalar_one()
    async with hot.begin(engine) as conn:
        assert (await hot.execute(conn, BACKEND, {})).scalar_one()
    assert len(heard) == 2
    event.remove(engine.sync_engine, "before_cursor_execute", note)


def test_values_that_would_be_written_out_are_refused(engine: AsyncEngine) -> None:
    several = Hot(select(workspaces.c.id).where(workspaces.c.id.in_(["ws_1", "ws_2"])))
    with pytest.raises(ValueError, match="written out"):
        several.compiled(engine.sync_engine.dialect)
