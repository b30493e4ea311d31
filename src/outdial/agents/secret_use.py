"""Which secrets agents name, and which agents name a secret: of the sources, whatever their kind."""

from collections.abc import Collection, Iterator, Mapping

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import TypedDict

from outdial.agents.script.model import ScriptError
from outdial.agents.script.tree import Fields, Items, Node, Scalar, read_tree
from outdial.db.tables import agent_versions, agents
from outdial.secrets.placeholders import PlaceholderError, names_in


class SecretUser(TypedDict):
    id: str
    name: str


def secrets_in(root: Node) -> Iterator[tuple[str, int]]:
    """The secrets that a source's texts name, and the line of each text."""
    match root:
        case Scalar(text=text, line=line):
            try:
                yield from ((name, line) for name in names_in(text))
            except PlaceholderError:
                return  # for whoever parses it to tell
        case Items(nodes=nodes):
            for node in nodes:
                yield from secrets_in(node)
        case Fields(nodes=fields):
            for node in fields.values():
                yield from secrets_in(node)


def unknown_secrets(root: Node, known: Collection[str]) -> Iterator[tuple[str, int]]:
    """Those that the workspace doesn't have, each with the line of a text that names it; each once."""
    told = set(known)
    for name, line in secrets_in(root):
        if name not in told:
            told.add(name)
            yield name, line


async def agents_by_secret(conn: AsyncConnection, workspace_id: str) -> Mapping[str, list[SecretUser]]:
    """By the names of secrets, the agents whose draft or published version names them, by their own names."""
    version = agent_versions.c
    newest = agent_versions.alias("newest")
    draft = select(func.max(newest.c.version)).where(newest.c.agent_id == agents.c.id).scalar_subquery()
    query = (
        select(agents.c.id, agents.c.name, version.source)
        .join(agent_versions, version.agent_id == agents.c.id)
        .where(
            agents.c.workspace_id == workspace_id,
            or_(version.version == draft, version.version == agents.c.published_version),
            version.source.contains("{secret:", autoescape=True),
        )
        .order_by(agents.c.name, agents.c.id)
    )
    found: dict[str, list[SecretUser]] = {}
    for row in await conn.execute(query):
        agent = SecretUser(id=row.id, name=row.name)
        for name in _named(row.source):
            if agent not in found.setdefault(name, []):
                found[name].append(agent)
    return found


def _named(source: str) -> set[str]:
    try:
        return {name for name, _ in secrets_in(read_tree(source))}
    except ScriptError:
        return set()
