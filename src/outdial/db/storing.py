"""Whether the database stores what must not be lost: a database can answer every question while it takes nothing in."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

import psycopg
from sqlalchemy import Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.db.engine import is_lock_timeout

REMEMBERED_S = 15.0  # longer than load balancers let pass between two looks; then the next try may show it is over

_refused_at: WeakKeyDictionary[Engine, float] = WeakKeyDictionary()


@asynccontextmanager
async def storing(engine: AsyncEngine) -> AsyncIterator[None]:
    """Around a transaction that stores a call or a callback, for `refuses`."""
    try:
        yield
    except DBAPIError as error:
        # The request's own fault, or that of others who hold a row: the next one may well be stored.
        is_deadlock = isinstance(error.orig, psycopg.errors.DeadlockDetected)
        if not (isinstance(error, DataError | IntegrityError) or is_lock_timeout(error) or is_deadlock):
            _refused_at[engine.sync_engine] = time.monotonic()
        raise


def refuses(engine: AsyncEngine) -> bool:
    """Whether something could not be stored in the last `REMEMBERED_S` seconds (a full disk, a right that is missing).

    No longer: a process that gets no requests because it said so would never learn that it can take them again.
    """
    refused_at = _refused_at.get(engine.sync_engine)
    return refused_at is not None and time.monotonic() - refused_at < REMEMBERED_S
