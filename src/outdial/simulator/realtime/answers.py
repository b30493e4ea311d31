"""What the simulated model of speech says and calls: a practice's reminder. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from outdial.simulator.brain.rules import AGAIN, hello, keyed, reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`calls`: names of functions, and their arguments."""

    says: str = ""
    calls: tuple[tuple[str, Mapping[str, Any]], ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """A message of the conversation; `role` is user, assistant, system or function."""

    role: str
    text: str


def answer(told: Sequence[Told], session: Mapping[str, Any]) -> Answer:
    """To what was told last."""
    if not any(one.role == "assistant" for one in told):
        return Answer(says=hello(_values(session)).says)
    last = next((one for one in reversed(told) if one.role != "assistant"), None)
    if last is not None and last.role == "system" and "still there" in last.text:
        return Answer(says="Are you still there?")
    if last is None or last.role != "user":
        return Answer(says=AGAIN)
    digits = last.text.removeprefix("[pressed ").removesuffix("]") if last.text.startswith("[pressed ") else ""
    said = keyed(digits) if digits else reply(last.text)
    calls: list[tuple[str, Mapping[str, Any]]] = []
    if said.outcome is not None and (schema := _tool(session, "hang_up")) is not None:
        takes = schema.get("properties", {}).get("outcome", {}).get("enum", [])
        calls.append(("hang_up", {"outcome": said.outcome} if said.outcome in takes else {}))
    if said.connects and (schema := _tool(session, "transfer")) is not None:
        calls.append(("transfer", {"to": schema["properties"]["to"]["enum"][0]}))
    return Answer(says=said.says, calls=tuple(calls))


def _values(session: Mapping[str, Any]) -> Mapping[str, Any]:
    """Variables, where the instructions end with them as JSON."""
    line = str(session.get("instructions") or "").rpartition("\n")[2]
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _tool(session: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    tools = session.get("tools") or []
    return next((one.get("parameters") or {} for one in tools if one.get("name") == name), None)
