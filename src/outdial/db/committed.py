"""What is told once a transaction has been committed, and never where it was rolled back."""

from collections.abc import Callable

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.pool import ConnectionPoolEntry

_KEY = "told once committed"

Tell = Callable[[], object]


def once_committed(conn: AsyncConnection, tell: Tell) -> None:
    """`tell` must not fail. It is called when the connection goes back to its pool: after the commit."""
    conn.sync_connection.info.setdefault(_KEY, []).append(tell)  # type: ignore[union-attr]


def watch(engine: Engine) -> None:
    """Once for an engine."""

    def forget(connection: Connection) -> None:
        if not connection.invalidated:  # else it is forgotten with the connection
            connection.info.pop(_KEY, None)

    def tell(connection: DBAPIConnection | None, entry: ConnectionPoolEntry) -> None:
        told: list[Tell] = entry.info.pop(_KEY, [])
        if connection is not None:  # None: it broke
            for each in told:
                each()

    event.listen(engine, "rollback", forget)
    event.listen(engine, "checkin", tell)
