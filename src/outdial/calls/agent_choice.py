"""Who talks on a call that asks for another agent, or another version, than its number has."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.agents.store import resolve
from outdial.calls.request import AgentChoice
from outdial.db.tables import agents
from outdial.ids import is_id
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
    if choice.id is not None and not await _is_of(conn, workspace_id, choice.id):
        raise Invalid("agent.id", "is no agent of this workspace")
    try:
        version, _ = await resolve(conn, agent_id, choice.version)
    except NotFound:
        raise Invalid("agent.version", f"is {choice.version}, and this agent has no such version") from None
    return agent_id, version


async def _is_of(conn: AsyncConnection, workspace_id: str, agent_id: str) -> bool:
    if not is_id(agent_id, "agent"):
        return False
    query = select(agents.c.id).where(agents.c.id == agent_id, agents.c.workspace_id == workspace_id)
    return await conn.scalar(query) is not None
