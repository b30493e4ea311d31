"""Who talks on a call that asks for another agent, or another version, than its number has; which version did."""

from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.agents.store import is_agent_of, resolve
from outdial.calls.request import AgentChoice
from outdial.db.engine import autocommit, reading
from outdial.db.tables import calls
from outdial.refusals import Conflict, Invalid, NotFound


async def chosen_agent(
    conn: AsyncConnection, workspace_id: str, choice: AgentChoice, *, of_number: str | None
) -> tuple[str, int]:
    """Its id, and the number of the version as of now. `of_number`: the agent that the number has.

    Raises Invalid for an agent or a version that isn't there, Conflict where the number has no agent or nothing is
    published.
    """
    agent_id = choice.id or of_number
    if agent_id is None:
        raise Conflict("number_has_no_agent", "This phone number has no agent; assign one first, or name another.")
    if choice.id is not None and not await is_agent_of(conn, workspace_id, choice.id):
        raise Invalid("agent.id", "is no agent of this workspace")
    try:
        version, _ = await resolve(conn, agent_id, choice.version)
    except NotFound:
        raise Invalid("agent.version", f"is {choice.version}, and this agent has no such version") from None
    return agent_id, version


async def sent_with(engine: AsyncEngine, call_id: str) -> dict[str, Any]:
    """The variables of a call."""
    async with reading(engine) as conn:
        found: dict[str, Any] | None = await conn.scalar(select(calls.c.variables).where(calls.c.id == call_id))
    return found or {}


async def note_version(engine: AsyncEngine, call_id: str, version: int) -> None:
    """Of an agent whose code changed after the call was accepted: the one that talks."""
    async with autocommit(engine) as conn:
        await conn.execute(update(calls).where(calls.c.id == call_id).values(agent_version=version))
