"""What a model can do on a call besides talking: the tools an agent has, and what the model wants by calling one. Pure.

A tool's call is only a wish: run.py carries it out once what the model said along with it has been heard.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from outdial.agents.llm.chat import Tool, ToolCall
from outdial.agents.llm.free_talk import Fact, FreeTalk
from outdial.agents.tools.asks import Ask, NotPossible
from outdial.conversation.warm import MAX_BRIEF_CHARS

HANG_UP = "hang_up"
EXIT = "exit"
DO_NOT_CALL = "do_not_call"
TRANSFER = "transfer"
SEND_DIGITS = "send_digits"
WAIT = "wait"
NOTE = "note"
OUTCOME = "outcome"
CALL_BACK = "call_back"
OPTIONAL = (SEND_DIGITS, WAIT, CALL_BACK)  # an agent has them when its `tools` name them
BUILT_IN = (HANG_UP, EXIT, DO_NOT_CALL, TRANSFER, NOTE, OUTCOME, *OPTIONAL)

BRIEF = (
    "For {names}: what whoever picks up there has to know before they take the call, in one to three spoken sentences: "
    "who is calling and what about. The callee doesn't hear it."
)
MAX_GOODBYE = 500  # characters
MAX_NOTE = 1000
MAX_ARGUMENTS = 20_000
_DIGITS = re.compile(r"[0-9*#wW, ]{1,60}")


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUp:
    goodbye: str = ""
    outcome: str | None = None


@dataclass(frozen=True, slots=True)
class Exit:
    """The model's part is over; `name` is how."""

    name: str


@dataclass(frozen=True, slots=True)
class DoNotCall:
    """The callee wants no more calls."""


@dataclass(frozen=True, slots=True)
class Transfer:
    target: str
    brief: str = ""  # for who is asked first, where the model words it


@dataclass(frozen=True, slots=True)
class SendDigits:
    digits: str


@dataclass(frozen=True, slots=True)
class Wait:
    """The callee needs a moment."""


@dataclass(frozen=True, slots=True)
class CallBack:
    """The callee wants to be called back: `text` as the model writes when, `at` once that is understood."""

    text: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """Written down under these names."""

    values: Mapping[str, Any]


Wish = HangUp | Exit | DoNotCall | Transfer | SendDigits | Wait | CallBack | Note | Ask


def tools_of(agent: FreeTalk) -> tuple[Tool, ...]:
    tools = [Tool(name=DO_NOT_CALL, about="The callee wants no more calls. Ends the call politely.")]
    if agent.exits is None:
        tools.insert(0, _hang_up(agent))
    elif agent.exits:
        to = {"type": "string", "enum": list(agent.exits)}
        about = "End your part of the call; what comes next is said for you."
        tools.insert(0, Tool(name=EXIT, about=about, parameters=_object({"to": to}, ["to"])))
    if agent.outcomes:
        about = "Say what has come of the call, as soon as that is clear; the last time counts."
        tools.append(Tool(name=OUTCOME, about=about, parameters=_object({"outcome": _outcome(agent)}, ["outcome"])))
    if agent.facts:
        noted = {fact.name: fact_schema(fact) for fact in agent.facts}
        tools.append(Tool(name=NOTE, about="Write down what the callee told you.", parameters=_object(noted, [])))
    if agent.transfers:
        meanings = "; ".join(f"{one.name}: {one.about}" if one.about else one.name for one in agent.transfers)
        to = {"type": "string", "enum": [one.name for one in agent.transfers]}
        about = f"Connect the callee to somebody else; your part ends. {meanings}"
        properties: dict[str, Any] = {"to": to}
        if asked := [one.name for one in agent.transfers if one.wants_brief]:
            properties["brief"] = {"type": "string", "description": BRIEF.format(names=", ".join(asked))}
        tools.append(Tool(name=TRANSFER, about=about, parameters=_object(properties, ["to"])))
    if SEND_DIGITS in agent.tools:
        digits = {"type": "string", "description": "0-9, *, # and w, which waits half a second"}
        about = "Press telephone keys, in a menu that asks for them."
        tools.append(Tool(name=SEND_DIGITS, about=about, parameters=_object({"digits": digits}, ["digits"])))
    if WAIT in agent.tools:
        tools.append(Tool(name=WAIT, about="The callee needs a moment: be silent until they speak."))
    if CALL_BACK in agent.tools:
        when = {"type": "string", "description": "ISO 8601: the callee's own date and time, such as 2026-02-03T15:00"}
        about = (
            "Call the callee back at a time that they have named, once. The day and the time are said to them for you, "
            "so don't repeat them."
        )
        tools.append(Tool(name=CALL_BACK, about=about, parameters=_object({"at": when}, ["at"])))
    return tuple(tools)


def wish_of(call: ToolCall, agent: FreeTalk) -> Wish:
    """Of Outdial's own tools; those of the author's are in agents/tools/. Raises NotPossible for a tool that the agent
    doesn't have, and arguments that it doesn't take."""
    if call.tool not in {tool.name for tool in tools_of(agent)}:
        raise NotPossible("There is no such tool.")
    arguments = _arguments(call)
    read: Mapping[str, Callable[[], Wish]] = {
        HANG_UP: lambda: HangUp(goodbye=_goodbye(arguments), outcome=_named(arguments, agent)),
        EXIT: lambda: Exit(_one_of(arguments.get("to"), "to", list(agent.exits or ()))),
        DO_NOT_CALL: DoNotCall,
        OUTCOME: lambda: Note({"outcome": _named(arguments, agent)}),
        NOTE: lambda: Note(_noted(arguments, agent)),
        TRANSFER: lambda: _transfer(arguments, agent),
        SEND_DIGITS: lambda: SendDigits(_digits(arguments.get("digits"))),
        WAIT: Wait,
        CALL_BACK: lambda: CallBack(_text(arguments.get("at"), "at")),
    }
    return read[call.tool]()


def _hang_up(agent: FreeTalk) -> Tool:
    goodbye = {"type": "string", "description": "Your last words; empty when you have just said them"}
    properties, required = {"goodbye": goodbye}, ["goodbye"]
    if agent.outcomes:
        properties, required = properties | {"outcome": _outcome(agent)}, [*required, "outcome"]
    return Tool(name=HANG_UP, about="End the call.", parameters=_object(properties, required))


def _object(properties: Mapping[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "required": required, "additionalProperties": False}


def _outcome(agent: FreeTalk) -> dict[str, Any]:
    return {"type": "string", "enum": list(agent.outcomes)}


def fact_schema(fact: Fact) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": fact.type}
    if fact.about:
        schema["description"] = fact.about
    return schema | ({"enum": list(fact.choices)} if fact.choices else {})


def _arguments(call: ToolCall) -> Mapping[str, Any]:
    if len(call.arguments) > MAX_ARGUMENTS:
        raise NotPossible("The arguments are too long.")
    try:
        arguments = json.loads(call.arguments or "{}")
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        raise NotPossible("The arguments are no JSON object.")
    return arguments


def _goodbye(arguments: Mapping[str, Any]) -> str:
    goodbye = arguments.get("goodbye") or ""
    if not isinstance(goodbye, str) or len(goodbye) > MAX_GOODBYE:
        raise NotPossible(f"goodbye is a text of at most {MAX_GOODBYE} characters.")
    return " ".join(goodbye.split())


def _named(arguments: Mapping[str, Any], agent: FreeTalk) -> str | None:
    return _one_of(arguments.get("outcome"), "outcome", list(agent.outcomes)) if agent.outcomes else None


def _transfer(arguments: Mapping[str, Any], agent: FreeTalk) -> Transfer:
    to = _one_of(arguments.get("to"), "to", [one.name for one in agent.transfers])
    if not next(one for one in agent.transfers if one.name == to).wants_brief:
        return Transfer(to)
    brief = arguments.get("brief")
    if not isinstance(brief, str) or not 0 < len(brief.strip()) <= MAX_BRIEF_CHARS:
        raise NotPossible(f"brief is a text of at most {MAX_BRIEF_CHARS} characters.")
    return Transfer(to, " ".join(brief.split()))


def _one_of(value: Any, what: str, choices: list[str]) -> str:
    if not isinstance(value, str) or value not in choices:
        raise NotPossible(f"{what} is one of: {', '.join(choices)}.")
    return value


def _noted(arguments: Mapping[str, Any], agent: FreeTalk) -> dict[str, Any]:
    facts = {fact.name: fact for fact in agent.facts}
    unknown = arguments.keys() - facts.keys()
    if unknown:
        raise NotPossible(f"These can be noted: {', '.join(facts)}.")
    return {name: fact_value(value, facts[name]) for name, value in arguments.items() if value is not None}


def fact_value(value: Any, fact: Fact) -> Any:
    fits = {
        "string": isinstance(value, str) and len(value) <= MAX_NOTE,
        "boolean": isinstance(value, bool),
        "integer": isinstance(value, int) and not isinstance(value, bool),
        "number": isinstance(value, int | float) and not isinstance(value, bool),
    }
    if not fits[fact.type]:
        raise NotPossible(f"{fact.name} is of type {fact.type}.")
    return _one_of(value, fact.name, list(fact.choices)) if fact.choices else value


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NOTE:
        raise NotPossible(f"{what} is a text.")
    return value


def _digits(value: Any) -> str:
    if not isinstance(value, str) or not _DIGITS.fullmatch(value):
        raise NotPossible("digits are 0-9, *, # and w.")
    return value.replace(" ", "")
