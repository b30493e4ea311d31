"""What a stored version asks for after its calls, with its models open."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.agents.after.definition import After
from outdial.agents.kinds import parse_agent
from outdial.agents.llm.metering import Metered
from outdial.agents.llm.vendors import ModelServers
from outdial.agents.spend_meters import SpendMeter
from outdial.db.engine import reading
from outdial.db.tables import agent_versions, agents


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyAfter:
    """`models` count for the workspace, whose id is here, too."""

    workspace_id: str
    after: After
    models: Sequence[Metered]


async def ready_after(
    engine: AsyncEngine, servers: ModelServers, meter: Callable[[str], SpendMeter], agent_id: str, version: int
) -> ReadyAfter:
    """Raises LookupError where there is no such version or it asks for nothing, ScriptError when it can't be read."""
    versions = agent_versions.c
    query = (
        select(versions.kind, versions.source, agents.c.workspace_id)
        .join(agents, agents.c.id == versions.agent_id)
        .where(versions.agent_id == agent_id, versions.version == version)
    )
    async with reading(engine) as conn:
        found = (await conn.execute(query)).one_or_none()
    if found is None:
        raise LookupError("agent version not found")
    # Takes a while, and loads what reaches models; calls may be talking in this process.
    return await asyncio.to_thread(_ready, found.kind, found.source, servers, meter(found.workspace_id))


def _ready(kind: str, source: str, servers: ModelServers, meter: SpendMeter) -> ReadyAfter:
    after = parse_agent(source, kind).after
    if after is None:
        raise LookupError("agent version asks for no wrap-up")
    models = [Metered(model, meter) for model in servers.open(after.models)]
    return ReadyAfter(workspace_id=meter.workspace_id, after=after, models=models)
