"""A database session of its own, outside the pool (LISTEN, a worker's lock), that nobody waits for without end."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import psycopg
from psycopg.sql import Composed

from outdial.db.engine import connection_url, cut

PATIENCE_S = 12  # with a statement: a database that stands still for ten seconds comes back


class Silent(psycopg.OperationalError):
    """The database takes what it is asked and doesn't answer."""


class Session:
    """One connection, made by `open`."""

    def __init__(self, connection: psycopg.AsyncConnection) -> None:
        self.connection = connection

    @classmethod
    async def open(cls, url: str, *, pooled: bool = False) -> "Session":
        """Raises psycopg.Error; each host of the URL is tried for a few seconds. `pooled`: at a pooler, where
        statements may meet another session each."""
        address, prepared_after = connection_url(url, pooled=pooled), None if pooled else 5
        return cls(
            await psycopg.AsyncConnection.connect(address, autocommit=True, prepare_threshold=prepared_after)
        )

    async def ask(self, statement: str | Composed, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row of what is answered. Raises psycopg.Error: Silent where nothing is.

        The patience is counted in seconds in which this process ran: one that was frozen itself finds the answer.
        """
        asking = asyncio.create_task(self._ask(statement, parameters))
        try:
            for _ in range(PATIENCE_S):
                if (await asyncio.wait({asking}, timeout=1.0))[0]:
                    return asking.result()
            raise Silent("the database doesn't answer")
        finally:
            if not asking.done():  # cancelled, or out of patience; the query itself can't be
                cut(self.connection)
                await asyncio.wait({asking}, timeout=1.0)
                asking.cancel()

    async def _ask(self, statement: str | Composed, parameters: Sequence[Any]) -> tuple[Any, ...] | None:
        cursor = await self.connection.execute(statement, parameters)
        return await cursor.fetchone() if cursor.description else None

    async def close(self) -> None:
        """At once, whatever the database does."""
        cut(self.connection)
        with suppress(psycopg.Error):
            await self.connection.close()
