"""The workspace itself: its name and its plan. What it may do at once is its pool of lines (`lines/`)."""

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.db.tables import workspaces
from outdial.ids import new_id
from outdial.workspaces.plans import Plan


async def insert_workspace(conn: AsyncConnection, *, name: str, plan: Plan) -> str:
    """The id of a new workspace, which has no lines yet."""
    workspace_id = new_id("ws")
    await conn.execute(insert(workspaces).values(id=workspace_id, name=name, plan=plan))
    return workspace_id


async def set_plan(conn: AsyncConnection, workspace_id: str, plan: Plan) -> None:
    await conn.execute(update(workspaces).where(workspaces.c.id == workspace_id).values(plan=plan))


async def workspace_name(conn: AsyncConnection, workspace_id: str) -> str:
    query = select(workspaces.c.name).where(workspaces.c.id == workspace_id)
    name: str = (await conn.execute(query)).scalar_one()
    return name
