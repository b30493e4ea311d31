"""Who talks on a call that asks for another agent, or another version, than its number has."""

from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.agents.store import is_agent_of, resolve
from outdial.calls.request import AgentChoice
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
