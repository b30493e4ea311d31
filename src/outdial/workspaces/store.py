"""Workspaces and their pool of lines, which outbound and inbound calls share."""

from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import TypedDict

from outdial.db.tables import calls, pools, workspaces
from outdial.ids import new_id
from outdial.instants import to_json
from outdial.lines.pool import free_inbound, free_outbound
from outdial.refusals import Invalid, NotFound
from outdial.telephony.state import CallState
from outdial.workspaces.audit import Actor, record
from outdial.workspaces.plans import LINES, MAX_LINES, Plan


class PoolView(TypedDict):
    """`free_outbound` leaves out the lines reserved for inbound calls; `queued` waits for a line."""

    lines: int
    reserved_inbound: int
    used_outbound: int
    used_inbound: int
    free_outbound: int
    free_inbound: int
    queued: int


class WorkspaceView(TypedDict):
    id: str
    name: str
    plan: Plan
    pool: PoolView
    created_at: str


async def create_workspace(
    engine: AsyncEngine, *, name: str, plan: Plan = Plan.STARTER, lines: int | None = None
) -> WorkspaceView:
    """A workspace and its pool. `lines` overrides the plan's number (and makes the plan `custom`)."""
    async with engine.begin() as conn:
        workspace_id = await insert_workspace(conn, name=name, plan=plan, lines=lines)
        return await get_workspace(conn, workspace_id)


async def insert_workspace(
    conn: AsyncConnection, *, name: str, plan: Plan = Plan.STARTER, lines: int | None = None
) -> str:
    """`create_workspace` as part of a transaction; returns the id."""
    plan, size = _size(plan, lines)
    workspace_id = new_id("ws")
    await conn.execute(insert(workspaces).values(id=workspace_id, name=name, plan=plan))
    await conn.execute(insert(pools).values(workspace_id=workspace_id, lines=size))
    return workspace_id


async def change_plan(
    engine: AsyncEngine,
    workspace_id: str,
    *,
    plan: Plan | None = None,
    lines: int | None = None,
    reserved_inbound: int | None = None,
    by: Actor,
) -> WorkspaceView:
    """Change what is given, leave the rest. Fewer lines than are in use end no call; new ones wait."""
    async with engine.begin() as conn:
        pool = (
            await conn.execute(select(pools).where(pools.c.workspace_id == workspace_id).with_for_update())
        ).one_or_none()
        if pool is None:
            raise _unknown()
        changes: dict[str, Any] = {}
        if plan is not None or lines is not None:
            chosen, changes["lines"] = _size(plan or Plan.CUSTOM, lines)
            await conn.execute(update(workspaces).where(workspaces.c.id == workspace_id).values(plan=chosen))
        if reserved_inbound is not None:
            changes["reserved_inbound"] = reserved_inbound
        size = changes.get("lines", pool.lines)
        if not 0 <= changes.get("reserved_inbound", pool.reserved_inbound) <= size:
            raise Invalid("reserved_inbound", f"must be between 0 and the number of lines ({size})")
        if changes:
            await conn.execute(update(pools).where(pools.c.workspace_id == workspace_id).values(changes))
            await conn.execute(select(func.pg_notify("outdial_queue", workspace_id)))  # new lines, new calls
        changed = await get_workspace(conn, workspace_id)
        if changes:
            await record(
                conn,
                workspace_id,
                by,
                "plan.changed",
                subject_id=workspace_id,
                subject_name=changed["name"],
                details={"plan": changed["plan"], **changes},
            )
        return changed


async def get_workspace(conn: AsyncConnection, workspace_id: str) -> WorkspaceView:
    row = (
        await conn.execute(
            select(
                workspaces,
                pools.c.lines,
                pools.c.reserved_inbound,
                pools.c.used_outbound,
                pools.c.used_inbound,
                select(func.count())
                .where(calls.c.workspace_id == workspaces.c.id, calls.c.state == CallState.QUEUED)
                .scalar_subquery()
                .label("queued"),
            )
            .join(pools, pools.c.workspace_id == workspaces.c.id)
            .where(workspaces.c.id == workspace_id)
        )
    ).one_or_none()
    if row is None:
        raise _unknown()
    return WorkspaceView(
        id=row.id,
        name=row.name,
        plan=Plan(row.plan),
        pool=PoolView(
            lines=row.lines,
            reserved_inbound=row.reserved_inbound,
            used_outbound=row.used_outbound,
            used_inbound=row.used_inbound,
            free_outbound=free_outbound(row.lines, row.reserved_inbound, row.used_outbound, row.used_inbound),
            free_inbound=free_inbound(row.lines, row.used_outbound, row.used_inbound),
            queued=row.queued,
        ),
        created_at=to_json(row.created_at),
    )


async def list_workspaces(conn: AsyncConnection) -> list[WorkspaceView]:
    ids = (await conn.scalars(select(workspaces.c.id).order_by(workspaces.c.created_at, workspaces.c.id))).all()
    return [await get_workspace(conn, workspace_id) for workspace_id in ids]


def _size(plan: Plan, lines: int | None) -> tuple[Plan, int]:
    if lines is None:
        if plan is Plan.CUSTOM:
            raise Invalid("lines", "is required for the plan custom")
        return plan, LINES[plan]
    if not 0 <= lines <= MAX_LINES:
        raise Invalid("lines", f"must be between 0 and {MAX_LINES}")
    return (plan if LINES.get(plan) == lines else Plan.CUSTOM), lines


def _unknown() -> NotFound:
    return NotFound("workspace_not_found", "There is no such workspace.")
