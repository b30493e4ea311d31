"""What an agent has to disclose in each call, and on what basis people are called. A sentence of the workspace's,
beside the agent's source: whether it was heard whole is told of each call."""

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import TypedDict

from outdial.db.tables import agents
from outdial.refusals import NotFound
from outdial.workspaces.audit import Actor, record

MAX_CHARS = 500
COUNTED_DAYS = 30


class DisclosureView(TypedDict):
    """`disclosure`: the sentence that callees are to hear; null: none. `consent`: on what basis people are called, in
    your words. Of the last 30 days' conversations that had a sentence to disclose (`calls`), `heard` are those in which
    it was heard whole."""

    agent_id: str
    agent_name: str
    disclosure: str | None
    consent: str | None
    calls: int
    heard: int


async def list_disclosures(conn: AsyncConnection, workspace_id: str) -> list[DisclosureView]:
    """Of every agent, by name."""
    query = select(agents).where(agents.c.workspace_id == workspace_id).order_by(func.lower(agents.c.name), agents.c.id)
    rows = (await conn.execute(query)).all()
    counted = {row.agent_id: row for row in await conn.execute(_COUNT, {"workspace": workspace_id})}
    return [
        DisclosureView(
            agent_id=row.id,
            agent_name=row.name,
            disclosure=row.disclosure,
            consent=row.consent,
            calls=counted[row.id].calls if row.id in counted else 0,
            heard=counted[row.id].heard if row.id in counted else 0,
        )
        for row in rows
    ]


async def get_disclosure(conn: AsyncConnection, workspace_id: str, agent_id: str) -> DisclosureView:
    """Raises NotFound."""
    for view in await list_disclosures(conn, workspace_id):
        if view["agent_id"] == agent_id:
            return view
    raise NotFound("agent_not_found", "There is no such agent.")


async def disclosure_of(conn: AsyncConnection, workspace_id: str, agent_id: str) -> str | None:
    """The sentence alone; None: none. Raises NotFound."""
    query = select(agents.c.disclosure).where(agents.c.workspace_id == workspace_id, agents.c.id == agent_id)
    row = (await conn.execute(query)).one_or_none()
    if row is None:
        raise NotFound("agent_not_found", "There is no such agent.")
    disclosure: str | None = row.disclosure
    return disclosure


async def set_disclosure(
    engine: AsyncEngine, workspace_id: str, agent_id: str, *, disclosure: str | None, consent: str | None, by: Actor
) -> DisclosureView:
    """Of calls that are answered from now on. Raises NotFound."""
    async with engine.begin() as conn:
        before = await get_disclosure(conn, workspace_id, agent_id)
        changed = {"disclosure": disclosure, "consent": consent}
        await conn.execute(update(agents).where(agents.c.id == agent_id).values(changed))
        name = before["agent_name"]
        details = {**changed, "before": {name: before[name] for name in changed}}  # type: ignore[literal-required]
        await record(
            conn, workspace_id, by, "agent.disclosure_changed", subject_id=agent_id, subject_name=name, details=details
        )
        return await get_disclosure(conn, workspace_id, agent_id)


# By the index of an agent's ended calls, of the last days alone.
_COUNT = text(f"""
    SELECT agents.id AS agent_id, counted.calls, counted.heard FROM agents CROSS JOIN LATERAL (
        SELECT count(*) AS calls, count(*) FILTER (WHERE calls.disclosure ->> 'heard_at_ms' IS NOT NULL) AS heard
        FROM calls WHERE calls.agent_id = agents.id AND calls.state = 'ended' AND calls.disclosure IS NOT NULL
            AND calls.created_at > now() - interval '{COUNTED_DAYS} days'
    ) AS counted
    WHERE agents.workspace_id = :workspace
""")  # noqa: S608 - put together of constants
