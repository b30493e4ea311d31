"""Which secrets agents name, and which agents name a secret: of the sources, whatever their kind."""

from collections.abc import Collection, Iterator, Mapping

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import TypedDict

from outdial.agents.script.model import ScriptError
from outdial.agents.script.speech_choice import RECOGNITION, VOICE, speech_choice
from outdial.agents.script.tree import Fields, Items, Node, Scalar, read_tree
from outdial.db.tables import agent_versions, agents
from outdial.secrets.placeholders import PlaceholderError, names_in
from outdial.speech.vendors import VENDORS

_MARKS = ("{secret:", *(f"{part}:" for part in (VOICE, RECOGNITION)))  # what a source has that needs one


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
            or_(*(version.source.contains(mark, autoescape=True) for mark in _MARKS)),
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
        root = read_tree(source)
    except ScriptError:
        return set()
    return {name for name, _ in secrets_in(root)} | _vendor_keys(root)


def _vendor_keys(root: Node) -> set[str]:
    """The secrets with the keys of the vendors that it speaks and listens with."""
    relay = _section(root, "relay")
    languages = None if relay is None else _section(relay, "languages")
    sections = [_section(root, "agent"), *(() if languages is None else languages.nodes.values())]
    try:
        choices = [speech_choice(one) for one in sections if isinstance(one, Fields)]
    except ScriptError:
        return set()  # its calls would have no speech of a vendor's, either
    return {VENDORS[name].key_name for choice in choices for name in choice.vendors}


def _section(root: Node, name: str) -> Fields | None:
    found = root.nodes.get(name) if isinstance(root, Fields) else None
    return found if isinstance(found, Fields) else None
