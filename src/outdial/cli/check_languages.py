"""What `outdial doctor` says of agents in use whose language nobody speaks or understands. `look` asks the database,
the rest is pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.agents.in_use import version_in_use
from outdial.agents.kinds import parse_agent
from outdial.agents.script.model import ScriptError
from outdial.agents.speech_languages import lacking
from outdial.cli.findings import Finding, Status
from outdial.db.tables import agent_versions, agents, numbers

MOST = 500  # agents that are looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Mute:
    """An agent that lacks `parts` ("voice", "recognition") in its language."""

    name: str
    language: str
    parts: Sequence[str]


async def look(conn: AsyncConnection) -> list[Mute]:
    """Of the agents that answer a number, the version that does; of the others that are published, that one."""
    answering = (
        select(numbers.c.agent_id, version_in_use.label("version"))
        .join(agents, agents.c.id == numbers.c.agent_id)
        .where(numbers.c.agent_id.is_not(None))
    )
    published = select(agents.c.id, agents.c.published_version).where(agents.c.published_version.is_not(None))
    used = answering.union(published).subquery()
    query = (
        select(agents.c.name, agent_versions.c.kind, agent_versions.c.source)
        .join(used, used.c.agent_id == agents.c.id)
        .join(agent_versions, (agent_versions.c.agent_id == agents.c.id) & (agent_versions.c.version == used.c.version))
        .order_by(agents.c.name, agents.c.id)
        .limit(MOST)
    )
    found = [_mute(row.name, row.source, row.kind) for row in await conn.execute(query)]
    return list(dict.fromkeys(one for one in found if one is not None))


def _mute(name: str, source: str, kind: str) -> Mute | None:
    try:
        agent = parse_agent(source, kind)
    except ScriptError:
        return None  # its calls say so
    parts = tuple(lacking(agent.speech, agent.language))
    return Mute(name=name, language=agent.language, parts=parts) if parts else None


def judge(mute: Sequence[Mute]) -> Iterator[Finding]:
    for one in mute:
        lacks = " and no ".join(one.parts)
        yield Finding(
            subject="Language",
            status=Status.WARN,
            found=f"{one.name[:60]}: no {lacks} for {one.language}",
            todo="Give the agent a vendor's, as docs/speech.md says. Who speaks what: Settings, Speech.",
        )
