"""Told once committed, and never otherwise."""

import contextlib

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from outdial.db.committed import once_committed
from outdial.db.engine import reading


async def test_it_is_told_after_the_commit_and_once(engine):
    told = []
    async with engine.begin() as conn:
        once_committed(conn, lambda: told.append("a"))
        await conn.execute(text("SELECT 1"))
        once_committed(conn, lambda: told.append("b"))
        assert told == []
    assert told == ["a", "b"]
    async with engine.begin() as conn:  # the same connection, used again
        await conn.execute(text("SELECT 1"))
    async with reading(engine) as conn:
        await conn.execute(text("SELECT 1"))
    assert told == ["a", "b"]


async def test_what_is_rolled_back_is_not_told(engine):
    told = []
    with contextlib.suppress(ZeroDivisionError):
        async with engine.begin() as conn:
            once_committed(conn, lambda: told.append("raised"))
            await conn.execute(text("SELECT 1"))
            raise ZeroDivisionError
    async with engine.connect() as conn:
        await conn.execute(text("SELECT 1"))
        once_committed(conn, lambda: told.append("left"))
    async with engine.begin() as conn:
        await conn.execute(text("SELECT 1"))
    assert told == []


async def test_nothing_is_told_where_the_connection_breaks(engine):
    told = []
    with contextlib.suppress(DBAPIError):
        async with engine.begin() as conn:
            once_committed(conn, lambda: told.append("broken"))
            await conn.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    async with engine.begin() as conn:
        await conn.execute(text("SELECT 1"))
    assert told == []
