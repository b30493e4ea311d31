"""A workspace with its pool of lines: made, changed, shown."""

from typing import Any

from sqlalchemy import Integer, Select, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import TypedDict

from outdial.db.engine import reading
from outdial.db.tables import call_counts, pools, workspaces
from outdial.instants import to_json
from outdial.lines.pool import free_inbound, free_outbound, open_pool, resize
from outdial.policy.pauses import PauseView, pause_views
from outdial.refusals import NotFound
from outdial.workspaces.audit import Actor, record
from outdial.workspaces.plans import Plan, sized
from outdial.workspaces.store import insert_workspace, set_plan


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
    """`pause` is null while calls are dialled."""

    id: str
    name: str
    plan: Plan
    pool: PoolView
    pause: PauseView | None
    created_at: str


async def create_workspace(
    engine: AsyncEngine, *, name: str, plan: Plan = Plan.STARTER, lines: int | None = None
) -> WorkspaceView:
    """A workspace and its pool. `lines` overrides the plan's number (and makes the plan `custom`)."""
    async with engine.begin() as conn:
        return await get_workspace(conn, await add_workspace(conn, name=name, plan=plan, lines=lines))


async def add_workspace(
    conn: AsyncConnection, *, name: str, plan: Plan = Plan.STARTER, lines: int | None = None
) -> str:
    """`create_workspace` as part of a transaction; returns the id."""
    plan, size = sized(plan, lines)
    workspace_id = await insert_workspace(conn, name=name, plan=plan)
    await open_pool(conn, workspace_id, size)
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
    """Change what is given, leave the rest. Fewer lines than are in use end no call; new ones wait.

    Raises NotFound and Invalid.
    """
    changes: dict[str, int] = {}
    chosen: Plan | None = None
    if plan is not None or lines is not None:
        chosen, changes["lines"] = sized(plan or Plan.CUSTOM, lines)
    if reserved_inbound is not None:
        changes["reserved_inbound"] = reserved_inbound
    async with engine.begin() as conn:
        known = (await conn.execute(_NAMED.where(workspaces.c.id == workspace_id))).one_or_none()
        if known is None:
            raise _unknown()
        if chosen is not None:
            await set_plan(conn, workspace_id, chosen)
        if changes:
            details = {"plan": chosen or known.plan, **changes}
            about = {"subject_id": workspace_id, "subject_name": known.name}
            await record(conn, workspace_id, by, "plan.changed", **about, details=details)
        await resize(conn, workspace_id, **changes)  # locks the pool: the last thing that is done
    async with reading(engine) as conn:
        return await get_workspace(conn, workspace_id)


async def get_workspace(conn: AsyncConnection, workspace_id: str) -> WorkspaceView:
    """Raises NotFound."""
    found = await _read(conn, _query().where(workspaces.c.id == workspace_id))
    if not found:
        raise _unknown()
    return found[0]


async def list_workspaces(conn: AsyncConnection) -> list[WorkspaceView]:
    """The oldest first."""
    return await _read(conn, _query().order_by(workspaces.c.created_at, workspaces.c.id))


def _query() -> Select[Any]:
    queued = (
        select(func.coalesce(func.sum(call_counts.c.calls), 0).cast(Integer))
        .where(call_counts.c.workspace_id == workspaces.c.id, call_counts.c.state == literal_column("'queued'"))
        .scalar_subquery()
    )
    return select(
        workspaces,
        pools.c.lines,
        pools.c.reserved_inbound,
        pools.c.used_outbound,
        pools.c.used_inbound,
        queued.label("queued"),
    ).join(pools, pools.c.workspace_id == workspaces.c.id)


async def _read(conn: AsyncConnection, query: Select[Any]) -> list[WorkspaceView]:
    rows = (await conn.execute(query)).all()
    paused = await pause_views(conn, [row.id for row in rows])
    return [
        WorkspaceView(
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
            pause=paused.get(row.id),
            created_at=to_json(row.created_at),
        )
        for row in rows
    ]


_NAMED = select(workspaces.c.name, workspaces.c.plan)


def _unknown() -> NotFound:
    return NotFound("workspace_not_found", "There is no such workspace.")
