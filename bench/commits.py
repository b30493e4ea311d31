"""How many transactions a second one PostgreSQL commits that tell somebody (NOTIFY), and how many that tell nobody.

PostgreSQL lets those that tell somebody commit one after the other, so that all listeners hear of them in one order:
each holds a lock of the whole server while its commit is written to the disk. Nearly all of ours tell somebody.
"""

import asyncio
import time

import psycopg
import uvloop
from psycopg.abc import Query
from psycopg_pool import AsyncConnectionPool

from bench.figures import Figure, Result
from bench.options import Options
from bench.scene import fresh_database

SESSIONS = (1, 8, 32)
SECONDS = 4.0
STATEMENTS: dict[str, Query] = {
    "tells nobody": "INSERT INTO written (what) VALUES (repeat('x', 200))",
    "tells somebody": "WITH one AS (INSERT INTO written (what) VALUES (repeat('x', 200)) RETURNING 1)"
    " SELECT pg_notify('outdial_bench', '') FROM one",
}


def commits(options: Options) -> Result:
    with fresh_database() as (_, postgres):
        url = postgres.start()
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE written (id bigint GENERATED ALWAYS AS IDENTITY, what text)")
        rows = [
            {"sessions": sessions}
            | {what: uvloop.run(_rate(url, sessions, each, options)) for what, each in STATEMENTS.items()}
            for sessions in options.pick(SESSIONS, (2,))
        ]
    return Result(
        name="commits",
        title="Commits a second of one PostgreSQL",
        figures=[
            Figure(name=f"most, of what {what}", value=float(max(row[what] for row in rows)), unit="commits/s")
            for what in STATEMENTS
        ],
        rows=rows,
        notes=["One row of 200 bytes each, each a transaction of its own. Commits wait for the disk."],
    )


async def _rate(url: str, sessions: int, statement: Query, options: Options) -> int:
    done = 0
    async with AsyncConnectionPool(url, min_size=sessions, max_size=sessions, kwargs={"autocommit": True}) as pool:
        await pool.wait()
        until = time.monotonic() + options.listen_s(SECONDS)

        async def write() -> None:
            nonlocal done
            async with pool.connection() as connection:
                while time.monotonic() < until:
                    await connection.execute(statement)
                    done += 1

        began = time.monotonic()
        await asyncio.gather(*(write() for _ in range(sessions)))
    return round(done / (time.monotonic() - began))
