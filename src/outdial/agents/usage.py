"""How much agents are used, for those who look after many."""

from datetime import timedelta

from sqlalchemy import func, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.db.tables import agents, calls

RECENT = timedelta(hours=24)
COUNTED = 10_000  # calls of an agent that are counted; more are "10,000+"


async def recent_calls(conn: AsyncConnection, workspace_id: str) -> dict[str, int]:
    """Calls of each agent in the last 24 hours, by its id; at most COUNTED + 1 each."""
    some = (
        select(calls.c.id)
        .where(calls.c.agent_id == agents.c.id, calls.c.created_at >= func.now() - RECENT)
        .limit(COUNTED + 1)
        .correlate(agents)
        .subquery()
        .lateral()
    )
    counted = select(func.count().label("calls")).select_from(some).correlate(agents).subquery().lateral()
    query = select(agents.c.id, counted.c.calls).join(counted, true()).where(agents.c.workspace_id == workspace_id)
    return {row.id: row.calls for row in await conn.execute(query)}
