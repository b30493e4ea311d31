"""Who wrote which version of an agent and who published it when, as the audit log has it."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import TypedDict

from outdial.agents.store import AgentDetail
from outdial.conversation.opening import Greet
from outdial.db.tables import audit_log
from outdial.instants import to_json

_ACTS = ("agent.created", "agent.version_added", "agent.published")


class Publication(TypedDict):
    at: str
    by: str


class VersionHistory(TypedDict):
    """`created_by` is null for a version the audit log doesn't know. `last_published` also tells of versions that are
    published no more."""

    version: int
    published: bool
    draft: bool
    created_at: str
    created_by: str | None
    last_published: Publication | None
    greet: Greet


async def version_history(
    conn: AsyncConnection, workspace_id: str, agent: AgentDetail, *, limit: int | None = None
) -> list[VersionHistory]:
    """Newest first, at most `limit`, and always the published one."""
    writers: dict[int, str] = {}
    publications: dict[int, Publication] = {}
    query = (
        select(audit_log)
        .where(
            audit_log.c.workspace_id == workspace_id,
            audit_log.c.subject_id == agent["id"],
            audit_log.c.act.in_(_ACTS),
        )
        .order_by(audit_log.c.id)
    )
    for row in await conn.execute(query):
        version = 1 if row.act == "agent.created" else int(row.details["version"])
        if row.act != "agent.published":
            writers[version] = row.actor_name
        if row.act == "agent.published" or row.details.get("published"):
            publications[version] = Publication(at=to_json(row.at), by=row.actor_name)
    newest = agent["versions"][:limit]
    shown = newest + [one for one in agent["versions"][len(newest) :] if one["published"]]
    return [
        VersionHistory(
            version=one["version"],
            published=one["published"],
            draft=one["version"] == agent["draft_version"],
            created_at=one["created_at"],
            created_by=writers.get(one["version"]),
            last_published=publications.get(one["version"]),
            greet=one["greet"],
        )
        for one in shown
    ]
