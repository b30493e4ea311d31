"""Agents and their versions. A version never changes; the newest is the draft, one may be published.

An agent has one name. Where its draft writes one (`agent: name:`), it is that: a draft that is saved brings its name
along, and a name that is given goes into the script.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Select, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import TypedDict

from outdial.agents.kinds import KINDS, OPERATORS, kind_written, parse_agent
from outdial.agents.script.model import ScriptError
from outdial.agents.script.naming import agent_and_name, named
from outdial.conversation.opening import Greet
from outdial.db.tables import agent_versions, agents
from outdial.ids import is_id, new_id
from outdial.instants import to_json
from outdial.refusals import Conflict, Invalid, NotFound
from outdial.workspaces.audit import Actor, record

MAX_SOURCE_CHARS = 200_000

Which = Literal["published", "draft"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Agent:
    """An agent as it is in the books."""

    id: str
    name: str
    kind: str
    published_version: int | None
    draft_version: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Version:
    version: int
    kind: str
    source: str
    created_at: datetime
    greet: Greet
    after: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checked:
    """`name`: the one the script writes; `columns`: what its version is stored with beside the source."""

    name: str | None
    columns: Mapping[str, Any]


class AgentView(TypedDict):
    """`draft_version` is the newest one, and `kind` is its kind; `published_version` is what calls get unless their
    number says draft."""

    id: str
    name: str
    kind: str
    published_version: int | None
    draft_version: int
    created_at: str


class VersionView(TypedDict):
    """`greet`: who speaks first on calls that this version places."""

    version: int
    kind: str
    published: bool
    created_at: str
    greet: Greet


class AgentDetail(AgentView):
    """With its versions, newest first, and the draft's source."""

    versions: list[VersionView]
    source: str


class VersionSource(VersionView):
    source: str


async def create_agent(
    engine: AsyncEngine,
    workspace_id: str,
    *,
    name: str | None = None,
    otherwise: str | None = None,
    kind: str | None = None,
    source: str,
    publish: bool = False,
    by: Actor,
) -> AgentDetail:
    """An agent whose version 1 is `source` (YAML), with `name` in it; without `name` it has that of the source, and
    where that has none, `otherwise`. `kind`: by default what the source looks like. Raises Invalid with the line and
    the reason."""
    kind = kind_written(kind, source)
    checked = await _check(source, kind)
    if name is not None:
        source = await _named(source, name, kind)
    name = name or checked.name or otherwise
    if name is None:
        raise Invalid("name", "is needed, here or in the script (agent: name:)")
    agent_id = new_id("agent")
    async with engine.begin() as conn:
        await conn.execute(
            insert(agents).values(
                id=agent_id,
                workspace_id=workspace_id,
                name=name,
                kind=kind,
                published_version=1 if publish else None,
            )
        )
        version = {"agent_id": agent_id, "version": 1, "kind": kind, "source": source, **checked.columns}
        await conn.execute(insert(agent_versions).values(version))
        return await _recorded(conn, workspace_id, agent_id, by, "agent.created", {"published": publish})


async def agent_names(conn: AsyncConnection, workspace_id: str) -> dict[str, str]:
    """By id, in the order of names."""
    query = select(agents.c.id, agents.c.name).where(agents.c.workspace_id == workspace_id).order_by(agents.c.name)
    return {row.id: row.name for row in await conn.execute(query)}


async def add_version(
    engine: AsyncEngine,
    workspace_id: str,
    agent_id: str,
    *,
    kind: str | None = None,
    source: str,
    publish: bool = False,
    base_version: int | None = None,
    by: Actor,
) -> AgentDetail:
    """A new draft. Calls under way keep the version they started with.

    `base_version` is the draft that was edited: raises Conflict when somebody has saved another one since.
    """
    kind = kind_written(kind, source)
    checked = await _check(source, kind)
    async with engine.begin() as conn:
        await _lock(conn, workspace_id, agent_id)
        newest = await conn.scalar(
            select(func.max(agent_versions.c.version)).where(agent_versions.c.agent_id == agent_id)
        )
        if base_version is not None and base_version != newest:
            raise Conflict(
                "draft_changed",
                f"The draft is version {newest} by now, and yours is based on version {base_version}. Look at what "
                "changed, then save again on top of it.",
            )
        version = (newest or 0) + 1
        row = {"agent_id": agent_id, "version": version, "kind": kind, "source": source, **checked.columns}
        await conn.execute(insert(agent_versions).values(row))
        brought: dict[str, Any] = {"kind": kind} if checked.name is None else {"kind": kind, "name": checked.name}
        if publish:
            brought["published_version"] = version
        await conn.execute(update(agents).where(agents.c.id == agent_id).values(brought))
        details = {"version": version, "published": publish}
        return await _recorded(conn, workspace_id, agent_id, by, "agent.version_added", details)


async def publish_version(
    engine: AsyncEngine, workspace_id: str, agent_id: str, version: int | None = None, *, by: Actor
) -> AgentDetail:
    """Publish a version (default: the draft); an older one may be published again."""
    async with engine.begin() as conn:
        before = await _lock(conn, workspace_id, agent_id)
        chosen = await _version(conn, agent_id, "draft" if version is None else version)
        await conn.execute(update(agents).where(agents.c.id == agent_id).values(published_version=chosen.version))
        details = {"version": chosen.version, "before": before.published_version}
        return await _recorded(conn, workspace_id, agent_id, by, "agent.published", details)


async def rename_agent(engine: AsyncEngine, workspace_id: str, agent_id: str, *, name: str, by: Actor) -> AgentDetail:
    """Where the script writes the agent's name, that makes a new draft: the same with the new name."""
    async with engine.begin() as conn:
        before = await _lock(conn, workspace_id, agent_id)
        draft = await _version(conn, agent_id, "draft")
        renamed = await _named(draft.source, name, draft.kind)
        if renamed != draft.source:
            values = {"agent_id": agent_id, "version": draft.version + 1, "kind": draft.kind, "source": renamed}
            await conn.execute(insert(agent_versions).values(**values, greet=draft.greet, after=draft.after))
        await conn.execute(update(agents).where(agents.c.id == agent_id).values(name=name))
        return await _recorded(conn, workspace_id, agent_id, by, "agent.renamed", {"before": before.name})


async def list_agents(conn: AsyncConnection, workspace_id: str) -> list[AgentView]:
    query = _agents().where(agents.c.workspace_id == workspace_id).order_by(agents.c.created_at, agents.c.id)
    return [_view(_Agent(**row)) for row in (await conn.execute(query)).mappings()]


async def get_agent(conn: AsyncConnection, workspace_id: str, agent_id: str) -> AgentDetail:
    agent = await _agent(conn, workspace_id, agent_id)
    versions = await conn.execute(
        select(agent_versions.c.version, agent_versions.c.kind, agent_versions.c.created_at, agent_versions.c.greet)
        .where(agent_versions.c.agent_id == agent_id)
        .order_by(agent_versions.c.version.desc())
    )
    _, source = await resolve(conn, agent_id, "draft")
    return AgentDetail(
        **_view(agent),
        versions=[
            _version_view(number, kind, at, greet, agent.published_version) for number, kind, at, greet in versions
        ],
        source=source,
    )


async def get_version(
    conn: AsyncConnection, workspace_id: str, agent_id: str, version: int
) -> VersionSource:
    agent = await get_agent(conn, workspace_id, agent_id)
    found = await _version(conn, agent_id, version)
    view = _version_view(found.version, found.kind, found.created_at, found.greet, agent["published_version"])
    return VersionSource(**view, source=found.source)


async def is_agent_of(conn: AsyncConnection, workspace_id: str, agent_id: str) -> bool:
    if not is_id(agent_id, "agent"):
        return False
    query = select(agents.c.id).where(agents.c.id == agent_id, agents.c.workspace_id == workspace_id)
    return await conn.scalar(query) is not None


async def resolve(conn: AsyncConnection, agent_id: str, which: Which | int) -> tuple[int, str]:
    """The number and source of a version. Raises NotFound, and Conflict when none is published."""
    found = await _version(conn, agent_id, which)
    return found.version, found.source


async def _version(conn: AsyncConnection, agent_id: str, which: Which | int) -> _Version:
    versions = agent_versions.c
    columns = (versions.version, versions.kind, versions.source, versions.created_at, versions.greet, versions.after)
    query = select(*columns).where(agent_versions.c.agent_id == agent_id)
    match which:
        case "draft":
            query = query.order_by(agent_versions.c.version.desc()).limit(1)
        case "published":
            published = select(agents.c.published_version).where(agents.c.id == agent_id).scalar_subquery()
            query = query.where(agent_versions.c.version == published)
        case number:
            if not 0 < number < 2**31:
                raise _unknown_version()
            query = query.where(agent_versions.c.version == number)
    row = (await conn.execute(query)).mappings().one_or_none()
    if row is not None:
        return _Version(**row)
    if which == "published":
        raise Conflict("agent_not_published", "This agent has no published version; publish one first.")
    raise _unknown_version()


async def _named(source: str, name: str, kind: str) -> str:
    try:
        return await asyncio.to_thread(named, source, name, lambda text: parse_agent(text, kind))
    except ScriptError as error:
        raise Invalid("name", error.reason) from None


async def _check(source: str, kind: str) -> _Checked:
    """A sound source. Raises Invalid."""
    if len(source) > MAX_SOURCE_CHARS:
        raise Invalid("source", f"is longer than {MAX_SOURCE_CHARS} characters")
    try:
        # A long one takes a while; calls are talking.
        agent, name = await asyncio.to_thread(agent_and_name, source, lambda text: parse_agent(text, kind))
        columns = {"greet": agent.greet or Greet.AFTER_HELLO, "after": agent.after is not None}
        return _Checked(name=name, columns=columns)
    except ScriptError as error:
        raise Invalid("source", str(error)) from None


async def _agent(conn: AsyncConnection, workspace_id: str, agent_id: str) -> _Agent:
    row = None
    if is_id(agent_id, "agent"):
        query = _agents().where(agents.c.id == agent_id, agents.c.workspace_id == workspace_id)
        row = (await conn.execute(query)).mappings().one_or_none()
    if row is None:
        raise _unknown()
    return _Agent(**row)


async def _lock(conn: AsyncConnection, workspace_id: str, agent_id: str) -> _Agent:
    """The agent as it is. Of two who change one at once, one waits. Raises Conflict for one that nobody may change."""
    agent = await _agent(conn, workspace_id, agent_id)
    if not KINDS[agent.kind].is_written_here:
        raise Conflict("agent_of_operator", f"This one is the operator's: {OPERATORS}.")
    await conn.execute(select(agents.c.id).where(agents.c.id == agent.id).with_for_update())
    return await _agent(conn, workspace_id, agent_id)  # as whoever was waited for has left it


async def _recorded(
    conn: AsyncConnection, workspace_id: str, agent_id: str, by: Actor, act: str, details: Mapping[str, Any]
) -> AgentDetail:
    """The agent after something was done to it, which goes into the audit log."""
    agent = await get_agent(conn, workspace_id, agent_id)
    await record(conn, workspace_id, by, act, subject_id=agent_id, subject_name=agent["name"], details=details)
    return agent


def _agents() -> Select[Any]:
    draft = select(func.max(agent_versions.c.version)).where(agent_versions.c.agent_id == agents.c.id)
    columns = (agents.c.id, agents.c.name, agents.c.kind, agents.c.published_version, agents.c.created_at)
    return select(*columns, draft.scalar_subquery().label("draft_version"))


def _view(agent: _Agent) -> AgentView:
    return AgentView(
        id=agent.id,
        name=agent.name,
        kind=agent.kind,
        published_version=agent.published_version,
        draft_version=agent.draft_version,
        created_at=to_json(agent.created_at),
    )


def _version_view(version: int, kind: str, created_at: datetime, greet: str, published: int | None) -> VersionView:
    return VersionView(
        version=version, kind=kind, published=version == published, created_at=to_json(created_at), greet=Greet(greet)
    )


def _unknown() -> NotFound:
    return NotFound("agent_not_found", "There is no such agent.")


def _unknown_version() -> NotFound:
    return NotFound("agent_version_not_found", "This agent has no such version.")
