"""Where agents are in use: which version talks on a number, and how many calls each had lately."""

from datetime import timedelta

from sqlalchemy import ColumnElement, case, func, literal, literal_column, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.db.tables import ENDED, QUEUED, UP, agent_versions, agents, calls, numbers

RECENT = timedelta(hours=24)
COUNTED = 1_000  # calls of an agent that are counted, or a busy day makes the page slow; more are "1,000+"

# Which version talks on a number: in a query of numbers, outer-joined with agents. None: there is no such version.
version_in_use = case(
    (
        numbers.c.agent_version == "draft",
        select(func.max(agent_versions.c.version))
        .where(agent_versions.c.agent_id == numbers.c.agent_id)
        .scalar_subquery(),
    ),
    else_=agents.c.published_version,
)


WITH_MODEL = ("llm", "realtime")  # the kinds that can't talk without one


def needs_model(agent_id: ColumnElement[str], version: ColumnElement[int]) -> ColumnElement[bool]:
    """Part of a query: whether this version of an agent can't talk without a model."""
    this = agent_versions.alias()
    of_kind = this.c.kind.in_([literal_column(f"'{kind}'") for kind in WITH_MODEL])
    return select(this.c.kind).where(this.c.agent_id == agent_id, this.c.version == version, of_kind).exists()


async def talks_with_model(conn: AsyncConnection, agent_id: str, version: int) -> bool:
    return bool(await conn.scalar(select(needs_model(literal(agent_id), literal(version)))))


async def recent_calls(conn: AsyncConnection, workspace_id: str) -> dict[str, int]:
    """Calls of each agent in the last 24 hours, by its id; more than COUNTED where there are more."""
    counted = select((_some(QUEUED) + _some(UP) + _some(ENDED)).label("calls")).subquery().lateral()
    query = select(agents.c.id, counted.c.calls).join(counted, true()).where(agents.c.workspace_id == workspace_id)
    return {row.id: row.calls for row in await conn.execute(query)}


def _some(kind: ColumnElement[bool]) -> ColumnElement[int]:
    some = (
        select(calls.c.id)
        .where(calls.c.agent_id == agents.c.id, kind, calls.c.created_at >= func.now() - RECENT)
        .order_by(calls.c.created_at.desc())  # has the index used: without, all calls are read for each agent
        .limit(COUNTED + 1)
        .correlate(agents)
        .subquery()
    )
    return select(func.count()).select_from(some).correlate(agents).scalar_subquery()
