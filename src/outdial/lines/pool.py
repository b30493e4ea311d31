"""The pool of lines that a workspace's outbound and inbound calls share. The only writer of `pools`.

The pool is a counter row that changes in the transaction that changes a call: counting calls without a lock admits
too many. It is the last row that a transaction locks, and whoever meets it locked waits for a moment only (`patience`):
somebody may have it for long, and everybody who waits has a connection in hand that other workspaces' calls want.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CTE,
    Boolean,
    ColumnElement,
    Integer,
    RowMapping,
    Select,
    Text,
    bindparam,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.db.engine import is_lock_timeout, lock_timeout
from outdial.db.notify import notify
from outdial.db.tables import pools
from outdial.refusals import Invalid
from outdial.telephony.state import CallDirection


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A workspace's lines and how many of them are in use, as of `now` on the database's clock."""

    workspace_id: str
    lines: int
    reserved_inbound: int
    used_outbound: int
    used_inbound: int
    now: datetime

    @property
    def free_outbound(self) -> int:
        """Lines an outbound call may take."""
        return free_outbound(self.lines, self.reserved_inbound, self.used_outbound, self.used_inbound)

    @property
    def free_inbound(self) -> int:
        """Lines an inbound call may take."""
        return free_inbound(self.lines, self.used_outbound, self.used_inbound)


def free_outbound(lines: int, reserved_inbound: int, used_outbound: int, used_inbound: int) -> int:
    """Lines an outbound call may take now."""
    return max(0, min(lines - used_outbound - used_inbound, lines - reserved_inbound - used_outbound))


def free_inbound(lines: int, used_outbound: int, used_inbound: int) -> int:
    """Lines an inbound call may take now: any, also those reserved for inbound calls."""
    return max(0, lines - used_outbound - used_inbound)


async def open_pool(conn: AsyncConnection, workspace_id: str, lines: int) -> None:
    """The pool of a new workspace."""
    await conn.execute(insert(pools).values(workspace_id=workspace_id, lines=lines))


# -- waiting for the row -----------------------------------------------------------------------------------------

PATIENCE_MS = 1000
FEW = 8              # at once in this process; the others are three times as impatient
TRY_AGAIN_S = 1.0    # one in so many seconds, where the row is stuck: the others don't wait at all

_stuck: dict[str, float] = {}     # workspaces whose row somebody has for long; when to wait for it again
_at_it: dict[str, int] = {}       # statements under way that change the row


@contextmanager
def patience(workspace_id: str) -> Iterator[int]:
    """For how many ms a statement may wait for the row of this workspace; the statement runs within.

    What fails by that (`db.engine.is_lock_timeout`) is tried again as where the database was away. Else the ends of one
    workspace's calls would take every connection of this process, while somebody has its row.
    """
    at_it = _at_it.get(workspace_id, 0)
    patience_ms = PATIENCE_MS if at_it < FEW else PATIENCE_MS // 3
    if (again_at := _stuck.get(workspace_id)) is not None:
        if time.monotonic() < again_at:
            patience_ms = 1
        else:
            _stuck[workspace_id] = time.monotonic() + TRY_AGAIN_S
    _at_it[workspace_id] = at_it + 1
    try:
        yield patience_ms
    except OperationalError as error:
        if is_lock_timeout(error) and patience_ms == PATIENCE_MS:
            _stuck[workspace_id] = time.monotonic() + TRY_AGAIN_S
        raise
    else:
        _stuck.pop(workspace_id, None)
    finally:
        _at_it[workspace_id] -= 1
        if not _at_it[workspace_id]:
            del _at_it[workspace_id]


async def lock_pool(conn: AsyncConnection, workspace_id: str) -> Pool | None:
    """A workspace's pool, locked for the rest of the transaction; None when there is no such workspace. Nothing is
    locked after it. Raises what `patience` says."""
    with patience(workspace_id) as patience_ms:
        values = {"workspace": workspace_id, "line_patience_ms": patience_ms}
        row = (await conn.execute(_LOCK, values)).mappings().one_or_none()
    return None if row is None else pool_of(row)


async def read_pool(conn: AsyncConnection, workspace_id: str) -> Pool | None:
    """A workspace's pool as it is, or was a moment ago: it may change at any time."""
    row = (await conn.execute(_READ, {"workspace": workspace_id})).mappings().one_or_none()
    return None if row is None else pool_of(row)


def pool_of(row: RowMapping) -> Pool:
    """The record of a row that has the columns of `pools` and `now`."""
    return Pool(
        workspace_id=row["workspace_id"],
        lines=row["lines"],
        reserved_inbound=row["reserved_inbound"],
        used_outbound=row["used_outbound"],
        used_inbound=row["used_inbound"],
        now=row["now"],
    )


def reading_pool(*more: ColumnElement[Any]) -> Select[Any]:
    """The query behind `read_pool` (parameter `workspace`), with more columns that are to be read along with it."""
    now = func.clock_timestamp().label("now")
    return select(pools, now, *more).where(pools.c.workspace_id == bindparam("workspace"))


def _waits() -> ColumnElement[bool]:
    """Part of a statement that locks the row: how long it waits for it (parameter `line_patience_ms`)."""
    return lock_timeout(bindparam("line_patience_ms", type_=Integer))


_READ = reading_pool()
_LOCK = reading_pool().where(_waits()).with_for_update(key_share=True)


# -- changed -----------------------------------------------------------------------------------------------------


async def resize(
    conn: AsyncConnection, workspace_id: str, *, lines: int | None = None, reserved_inbound: int | None = None
) -> bool:
    """Change what is given, leave the rest; False where there is no such pool. Fewer lines than are in use end no call.

    Raises Invalid for more reserved lines than there are.
    """
    pool = await lock_pool(conn, workspace_id)
    if pool is None:
        return False
    size = pool.lines if lines is None else lines
    reserved = pool.reserved_inbound if reserved_inbound is None else reserved_inbound
    if not 0 <= reserved <= size:
        raise Invalid("reserved_inbound", f"must be between 0 and the number of lines ({size})")
    if lines is not None or reserved_inbound is not None:
        sizes = {"lines": size, "reserved_inbound": reserved}
        await conn.execute(update(pools).where(pools.c.workspace_id == workspace_id).values(sizes))
        await notify(conn, "outdial_queue", workspace_id)  # new lines, new calls
    return True


async def take_inbound(conn: AsyncConnection, workspace_id: str) -> bool:
    """One line for a call that comes in; False where none is free. Raises what `patience` says."""
    with patience(workspace_id) as patience_ms:
        values = {"line_workspace": workspace_id, "line_patience_ms": patience_ms}
        return bool((await conn.execute(_TAKE_INBOUND, values)).rowcount)


_TAKE_INBOUND = (
    update(pools)
    .where(
        pools.c.workspace_id == bindparam("line_workspace", type_=Text),
        pools.c.used_outbound + pools.c.used_inbound < pools.c.lines,
        _waits(),
    )
    .values({pools.c.used_inbound: pools.c.used_inbound + 1})
)


def taking_outbound(wanted: str) -> str:
    """Parts of the claim's one statement: a line for each of as many calls as the query `wanted` counts, and as lines
    are free (parameter `workspace`). One row `pool` with `taken` and `free`, how many were free before; none where
    nothing was wanted. The row is locked once `wanted` is known, so that nothing else is locked after it."""
    return f"""
    pool AS (
        SELECT least(({wanted}), {_FREE_OUTBOUND}) AS taken, {_FREE_OUTBOUND} AS free
        FROM pools WHERE workspace_id = :workspace AND ({wanted}) > 0
        FOR NO KEY UPDATE
    ), lines AS (
        UPDATE pools SET used_outbound = used_outbound + pool.taken
        FROM pool WHERE pools.workspace_id = :workspace AND pool.taken > 0
    )"""  # noqa: S608 - put together of constants


_FREE_OUTBOUND = "greatest(0, least(lines - used_outbound - used_inbound, lines - reserved_inbound - used_outbound))"


def giving_back() -> CTE:
    """Part of the statement that ends a call or its attempt: one row with `was_full`, whether no outbound call could
    have been dialled before; no row where nothing was given back.

    Parameters: those of `given_back`. Who has seen the pool full and waits for a line is woken by whoever gives
    the next one back. Changes of the row come one after another, and each sees the one before: the first that makes a
    line free finds the pool full. What somebody has seen was committed, and this wasn't yet, so its notification
    comes later than their look.
    """
    this_outbound = (bindparam("line_direction", type_=Text) == CallDirection.OUTBOUND).cast(Integer)
    pool, total = pools.c, pools.c.used_outbound + pools.c.used_inbound
    freed = (
        update(pools)
        .where(
            bindparam("line_held", type_=Boolean),
            pool.workspace_id == bindparam("line_workspace", type_=Text),
            _waits(),
        )
        .values(
            used_outbound=func.greatest(pool.used_outbound - this_outbound, 0),
            used_inbound=func.greatest(pool.used_inbound - (1 - this_outbound), 0),
        )
    )
    # RETURNING tells how it is now; before, one more was in use.
    was_full = or_(total + 1 >= pool.lines, pool.used_outbound + this_outbound >= pool.lines - pool.reserved_inbound)
    return freed.returning(was_full.label("was_full")).cte("line_given_back")


@contextmanager
def given_back(workspace_id: str, direction: CallDirection, *, held: bool) -> Iterator[dict[str, Any]]:
    """The parameters of `giving_back`; the statement runs within. `held`: whether there is a line to give back.
    Raises what `patience` says."""
    values = {"line_workspace": workspace_id, "line_held": held, "line_direction": direction}
    if not held:
        yield values | {"line_patience_ms": PATIENCE_MS}
        return
    with patience(workspace_id) as patience_ms:
        yield values | {"line_patience_ms": patience_ms}


async def correct(conn: AsyncConnection, workspace_id: str, *, used_outbound: int, used_inbound: int) -> None:
    """Set the counters to what the audit has counted. The pool is locked."""
    used = {"used_outbound": used_outbound, "used_inbound": used_inbound}
    await conn.execute(update(pools).where(pools.c.workspace_id == workspace_id).values(used))
