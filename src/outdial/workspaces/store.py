"""The workspace itself: its name and its plan. What it may do at once is its pool of lines (`lines/`)."""

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.db.retention_tables import retention_rules
from outdial.db.tables import workspaces
from outdial.ids import new_id
from outdial.workspaces.plans import Plan

DAILY_LIMIT_OF_NEW_WORKSPACES = 2000  # calls
# How long a new workspace keeps what its calls brought: days after their end.
RETENTION_OF_NEW_WORKSPACES = {"recordings_days": 90, "transcripts_days": 365, "details_days": 730}


async def insert_workspace(conn: AsyncConnection, *, name: str, plan: Plan) -> str:
    """The id of a new workspace, which has no lines yet."""
    workspace_id = new_id("ws")
    values = {"id": workspace_id, "name": name, "plan": plan, "daily_limit": DAILY_LIMIT_OF_NEW_WORKSPACES}
    await conn.execute(insert(workspaces).values(values))
    rule = {"subject_id": workspace_id, "workspace_id": workspace_id, **RETENTION_OF_NEW_WORKSPACES}
    await conn.execute(insert(retention_rules).values(rule))
    return workspace_id


async def set_plan(conn: AsyncConnection, workspace_id: str, plan: Plan) -> None:
    await conn.execute(update(workspaces).where(workspaces.c.id == workspace_id).values(plan=plan))


async def set_daily_limit(conn: AsyncConnection, workspace_id: str, calls: int | None) -> None:
    await conn.execute(update(workspaces).where(workspaces.c.id == workspace_id).values(daily_limit=calls))


async def workspace_name(conn: AsyncConnection, workspace_id: str) -> str:
    query = select(workspaces.c.name).where(workspaces.c.id == workspace_id)
    name: str = (await conn.execute(query)).scalar_one()
    return name
