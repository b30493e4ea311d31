"""The pool of lines that a workspace's outbound and inbound calls share. The only writer of `pools`.

The pool is a counter row that changes in the transaction that changes a call: counting calls without a lock admits
too many.
"""

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
from sqlalchemy.ext.asyncio import AsyncConnection

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


async def lock_pool(conn: AsyncConnection, workspace_id: str) -> Pool | None:
    """A workspace's pool, locked for the rest of the transaction; None when there is no such workspace."""
    row = (await conn.execute(_LOCK, {"workspace": workspace_id})).mappings().one_or_none()
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


def locked_pool(*more: ColumnElement[Any]) -> Select[Any]:
    """The query behind `lock_pool` (parameter `workspace`), with more columns that are to be read along with it."""
    now = func.clock_timestamp().label("now")
    query = select(pools, now, *more).where(pools.c.workspace_id == bindparam("workspace"))
    return query.with_for_update(key_share=True)


_LOCK = locked_pool()


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


async def take_inbound(conn: AsyncConnection, workspace_id: str) -> None:
    """One line for a call that comes in. The pool is locked, and a line is free."""
    taken = {pools.c.used_inbound: pools.c.used_inbound + 1}
    await conn.execute(update(pools).where(pools.c.workspace_id == workspace_id).values(taken))


# Part of the claim's one statement: a line for each of `:lines_taken` outbound calls. The pool is locked.
TAKE_OUTBOUND = "UPDATE pools SET used_outbound = used_outbound + :lines_taken WHERE workspace_id = :workspace"


def giving_back() -> CTE:
    """Part of the statement that ends a call or its attempt: one row with `was_full`, whether no outbound call could
    have been dialled before; no row where nothing was given back.

    Parameters: `line_workspace`, `line_held` (whether there is a line to give back) and `line_direction`. Who found no
    line free had the pool locked, as we have, so whoever gives the next one back sees that the pool was full.
    """
    this_outbound = (bindparam("line_direction", type_=Text) == CallDirection.OUTBOUND).cast(Integer)
    pool, total = pools.c, pools.c.used_outbound + pools.c.used_inbound
    freed = (
        update(pools)
        .where(bindparam("line_held", type_=Boolean), pool.workspace_id == bindparam("line_workspace", type_=Text))
        .values(
            used_outbound=func.greatest(pool.used_outbound - this_outbound, 0),
            used_inbound=func.greatest(pool.used_inbound - (1 - this_outbound), 0),
        )
    )
    # RETURNING tells how it is now; before, one more was in use.
    was_full = or_(total + 1 >= pool.lines, pool.used_outbound + this_outbound >= pool.lines - pool.reserved_inbound)
    return freed.returning(was_full.label("was_full")).cte("line_given_back")


async def correct(conn: AsyncConnection, workspace_id: str, *, used_outbound: int, used_inbound: int) -> None:
    """Set the counters to what the audit has counted. The pool is locked."""
    used = {"used_outbound": used_outbound, "used_inbound": used_inbound}
    await conn.execute(update(pools).where(pools.c.workspace_id == workspace_id).values(used))
