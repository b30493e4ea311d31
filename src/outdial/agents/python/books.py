"""The server's python agents in the books: each workspace that has one has an agent, and a version for each state of
its code that calls may have talked with. The version that is published is the one that this server runs.
"""

import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import Text, func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.agents.python.description import located
from outdial.agents.python.loading import Found
from outdial.conversation.opening import Greet
from outdial.db.engine import reading
from outdial.db.tables import agent_versions, agents, workspaces
from outdial.ids import new_id
from outdial.workspaces.audit import COMMAND_LINE, record

logger = logging.getLogger(__name__)

KIND = "python"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Version:
    """To be in the books: what is found now. A fault's is published only where nothing else is. `kept`: it is run, but
    what its file has by now is broken."""

    name: str
    file: str
    source: str
    greet: Greet
    sound: bool
    kept: bool = False
    workspaces: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    id: str
    name: str
    published_version: int | None
    published: str | None
    newest: str


async def workspaces_there(engine: AsyncEngine) -> frozenset[str]:
    async with reading(engine) as conn:
        return frozenset((await conn.execute(select(workspaces.c.id))).scalars())


async def keep(
    engine: AsyncEngine, found: Found, workspace_ids: Collection[str], *, kept: Collection[str] = ()
) -> None:
    """Have the books of these workspaces say what there is. Nothing is written where they do already. `kept`: the names
    of agents that are run as they were, since their file is broken by now."""
    there = list(_versions(found, kept))
    async with reading(engine) as conn:
        known = await _known(conn, workspace_ids)
    for workspace_id in workspace_ids:
        if any(_is_new(known.get(workspace_id, []), one, workspace_id) for one in there):
            await _write(engine, workspace_id, there)


async def version_of(engine: AsyncEngine, agent_id: str, source: str) -> int | None:
    """The version of an agent that has this description."""
    query = select(func.max(agent_versions.c.version)).where(
        agent_versions.c.agent_id == agent_id, agent_versions.c.source == source
    )
    async with reading(engine) as conn:
        version: int | None = await conn.scalar(query)
    return version


def _versions(found: Found, kept: Collection[str]) -> Iterable[_Version]:
    for agent in found.agents.values():
        yield _Version(
            name=agent.name,
            file=agent.file,
            source=agent.source,
            greet=agent.greet or Greet.AFTER_HELLO,
            sound=True,
            kept=agent.name in kept,
            workspaces=agent.workspaces,
        )
    for fault in found.faults.values():
        yield _Version(name=fault.name, file=fault.file, source=fault.source, greet=Greet.AFTER_HELLO, sound=False)


def _meant_by(known: Iterable[_Known], version: _Version) -> list[_Known]:
    """Those that it is a version of: by name, or of a file that is broken as a whole, all that were in it."""
    named = [one for one in known if one.name == version.name]
    if named or version.sound:
        return named
    return [one for one in known if located(one.published or one.newest) == version.file]


def _is_new(known: list[_Known], version: _Version, workspace_id: str) -> bool:
    if version.workspaces is not None and workspace_id not in version.workspaces:
        return False
    meant = _meant_by(known, version)
    if not meant or version.kept:
        return not meant
    is_published = all(one.published == version.source for one in meant)
    return any(one.newest != version.source for one in meant) or (version.sound and not is_published)


async def _known(conn: AsyncConnection, workspace_ids: Collection[str]) -> dict[str, list[_Known]]:
    newest = (
        select(agent_versions.c.source)
        .where(agent_versions.c.agent_id == agents.c.id)
        .order_by(agent_versions.c.version.desc())
        .limit(1)
        .scalar_subquery()
    )
    published = (
        select(agent_versions.c.source)
        .where(agent_versions.c.agent_id == agents.c.id, agent_versions.c.version == agents.c.published_version)
        .scalar_subquery()
    )
    columns = (agents.c.workspace_id, agents.c.id, agents.c.name, agents.c.published_version)
    query = select(*columns, published.label("published"), newest.label("newest")).where(
        agents.c.kind == KIND, agents.c.workspace_id.in_(workspace_ids)
    )
    found: dict[str, list[_Known]] = {}
    for row in await conn.execute(query):
        one = _Known(
            id=row.id,
            name=row.name,
            published_version=row.published_version,
            published=row.published,
            newest=row.newest,
        )
        found.setdefault(row.workspace_id, []).append(one)
    return found


async def _write(engine: AsyncEngine, workspace_id: str, there: list[_Version]) -> None:
    lock = func.hashtextextended(func.concat("python agents ", literal(workspace_id, Text)), 0)
    async with engine.begin() as conn:
        await conn.execute(select(func.pg_advisory_xact_lock(lock)))  # servers may start at the same moment
        known = (await _known(conn, [workspace_id])).get(workspace_id, [])
        for version in there:
            if not _is_new(known, version, workspace_id):
                continue
            meant = _meant_by(known, version)
            if not meant:
                await _create(conn, workspace_id, version)
            for one in meant:
                await _add(conn, workspace_id, one, version)


async def _create(conn: AsyncConnection, workspace_id: str, version: _Version) -> None:
    agent_id = new_id("agent")
    values = {"id": agent_id, "workspace_id": workspace_id, "name": version.name, "kind": KIND, "published_version": 1}
    await conn.execute(insert(agents).values(values))
    await _insert(conn, agent_id, 1, version)
    await _record(conn, workspace_id, agent_id, version.name, "agent.created", {"published": True})


async def _add(conn: AsyncConnection, workspace_id: str, known: _Known, version: _Version) -> None:
    """Code that is again as it was before is a new version, too: the newest one tells what is there now."""
    query = select(func.max(agent_versions.c.version)).where(agent_versions.c.agent_id == known.id)
    number = (await conn.scalar(query) or 0) + 1
    await _insert(conn, known.id, number, version)
    if version.sound:
        await conn.execute(update(agents).where(agents.c.id == known.id).values(published_version=number))
    details = {"version": number, "published": version.sound}
    await _record(conn, workspace_id, known.id, known.name, "agent.version_added", details)


async def _insert(conn: AsyncConnection, agent_id: str, number: int, version: _Version) -> None:
    row = {"agent_id": agent_id, "version": number, "kind": KIND, "source": version.source, "greet": version.greet}
    await conn.execute(insert(agent_versions).values(row))


async def _record(
    conn: AsyncConnection, workspace_id: str, agent_id: str, name: str, act: str, details: dict[str, object]
) -> None:
    """Whoever may change the server's files is who may use its command line."""
    await record(conn, workspace_id, COMMAND_LINE, act, subject_id=agent_id, subject_name=name, details=details)
