"""What the form of a test call begins with: who may talk on it, and the variables of that agent."""

import asyncio
import json
import math
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.agents.kinds import parse_agent
from outdial.agents.script.model import ScriptError
from outdial.agents.store import AgentDetail, get_agent, get_version
from outdial.dashboard.literals import text_literal
from outdial.numbers.views import NumberAgent
from outdial.refusals import NotFound

VERSIONS_SHOWN = 20
OF_NUMBER = ""  # the choice that leaves it to the number


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One that the script declares; `text` is its default as it stands in the form, "" where it has none."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundForm:
    """`choices` are the versions there are to choose from, by what the form sends for each; one of them is `chosen`."""

    agent_id: str
    choices: dict[str, str]
    chosen: str
    is_unpublished: bool
    variables: list[Variable]

    @property
    def request(self) -> dict[str, Any]:
        """The body that the form says before anybody touches it, but for whom to call."""
        variables = {one.name: typed(one.text) for one in self.variables if one.text}
        body: dict[str, Any] = {"variables": variables} if variables else {}
        return body | ({"agent": self.agent} if self.agent else {})

    @property
    def agent(self) -> dict[str, Any] | None:
        if self.chosen == OF_NUMBER:
            return None
        return {"id": self.agent_id, "version": int(self.chosen) if self.chosen.isdecimal() else self.chosen}


async def outbound_form(
    conn: AsyncConnection, workspace_id: str, agent: NumberAgent, chosen: str | None = None
) -> OutboundForm:
    """`chosen` is one of the choices; None: what a form begins with. Raises NotFound for a version that isn't there."""
    detail = await get_agent(conn, workspace_id, agent["id"])
    is_unpublished = agent["version"] == "published" and detail["published_version"] is None
    if chosen is None:
        chosen = "draft" if is_unpublished else OF_NUMBER
    choices = _choices(agent, detail)
    if chosen not in choices:
        raise NotFound("agent_version_not_found", "This agent has no such version.")
    number = _number(agent, detail, chosen)
    source = None if number is None else (await get_version(conn, workspace_id, agent["id"], number))["source"]
    return OutboundForm(
        agent_id=agent["id"],
        choices=choices,
        chosen=chosen,
        is_unpublished=is_unpublished,
        variables=[] if source is None else await asyncio.to_thread(_declared, source),  # a long script takes a while
    )


def _choices(agent: NumberAgent, detail: AgentDetail) -> dict[str, str]:
    draft, published = detail["draft_version"], detail["published_version"]
    words = {
        "published": "Published: none yet" if published is None else f"Published, version {published}",
        "draft": f"Draft, version {draft}",
    }
    choices = {OF_NUMBER: f"{words[agent['version']]} (what callers get)"}
    if draft != published:
        other = "draft" if agent["version"] == "published" else "published"
        if other == "draft" or published is not None:
            choices[other] = words[other]
    older = [one["version"] for one in detail["versions"] if one["version"] not in (draft, published)]
    return choices | {str(version): f"Version {version}" for version in older[:VERSIONS_SHOWN]}


def _number(agent: NumberAgent, detail: AgentDetail, chosen: str) -> int | None:
    match chosen or agent["version"]:
        case "draft":
            return detail["draft_version"]
        case "published":
            return detail["published_version"]
        case number:
            return int(number)


def _declared(source: str) -> list[Variable]:
    try:
        parsed = parse_agent(source)
    except ScriptError:  # kept by a release that took it
        return []
    return [Variable(name=name, text=shown(value)) for name, value in parsed.variables.items()]


def shown(value: Any) -> str:
    """A value as somebody would type it (static/exact_json.js: typed); "" for none. Text stays text, but in quotes
    where it would be taken for something else, or where a text area would change it."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, str):
        return value if _is_plain(value) else text_literal(value)
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(value)


def typed(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _is_plain(text: str) -> bool:
    if not text.strip() or text.strip(" ") != text or not all(line.isprintable() for line in text.split("\n")):
        return False
    try:
        json.loads(text)
    except json.JSONDecodeError:
        return True
    except (ValueError, RecursionError):  # a number or a list too long for Python, and not for a browser
        pass
    return False
