"""The pool of lines that a workspace's outbound and inbound calls share. Nobody else writes the table `pools`."""

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.db.notify import notify
from outdial.db.tables import pools
from outdial.refusals import Invalid


async def open_pool(conn: AsyncConnection, workspace_id: str, lines: int) -> None:
    """A new workspace's, none of it in use."""
    await conn.execute(insert(pools).values(workspace_id=workspace_id, lines=lines))


async def resize(
    conn: AsyncConnection, workspace_id: str, *, lines: int | None = None, reserved_inbound: int | None = None
) -> bool:
    """Change what is given, leave the rest; False where there is no such pool. Fewer lines than are in use end no call.

    Raises Invalid for more reserved lines than there are.
    """
    pool = pools.c.workspace_id == workspace_id
    query = select(pools.c.lines, pools.c.reserved_inbound).where(pool).with_for_update()
    before = (await conn.execute(query)).one_or_none()
    if before is None:
        return False
    size = before.lines if lines is None else lines
    reserved = before.reserved_inbound if reserved_inbound is None else reserved_inbound
    if not 0 <= reserved <= size:
        raise Invalid("reserved_inbound", f"must be between 0 and the number of lines ({size})")
    if lines is not None or reserved_inbound is not None:
        await conn.execute(update(pools).where(pool).values(lines=size, reserved_inbound=reserved))
        await notify(conn, "outdial_queue", workspace_id)  # new lines, new calls
    return True


def free_outbound(lines: int, reserved_inbound: int, used_outbound: int, used_inbound: int) -> int:
    """Lines an outbound call may take now."""
    return max(0, min(lines - used_outbound - used_inbound, lines - reserved_inbound - used_outbound))


def free_inbound(lines: int, used_outbound: int, used_inbound: int) -> int:
    """Lines an inbound call may take now: any, also those reserved for inbound calls."""
    return max(0, lines - used_outbound - used_inbound)
