"""`@agent`: makes a python agent of a coroutine function, and checks that it can be one.

    @agent(machine={"action": "leave_message", "message": "Please call us back."})
    async def reminder(call: Call, user_name: str = "there") -> Literal["confirmed", "declined"]: ...
"""

import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints, overload

from pydantic import PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError
from typing_extensions import TypedDict, Unpack

from outdial.agents.python.definition import Code, PythonAgent, Talk, WrongVariable
from outdial.agents.python.description import describe, parse_description
from outdial.agents.script.model import ScriptError
from outdial.agents.script.unmeant import meant

_SECTIONS = ("transfers", "greet", "hold_s", "machine", "do_not_call", "pronounce")
_OF_AGENT = ("language", "voice", "recognition")
_WRITTEN = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)

T = TypeVar("T", bound=Talk)


class Declared(TypedDict, total=False):
    """What an agent declares, each as in scripts. `name`: by default the function's. `transfers`: the numbers that it
    may transfer to, or "{variable}" for one that comes with the call. `workspaces`: the ids of those that have it; by
    default all do."""

    name: str
    language: str
    voice: str | Mapping[str, Any]
    recognition: str | Mapping[str, Any]
    greet: Literal["at_once", "after_hello"]
    hold_s: float
    machine: Mapping[str, Any]
    do_not_call: Mapping[str, Any]
    pronounce: Mapping[str, str]
    transfers: Sequence[str]
    workspaces: Sequence[str]


@overload
def agent(talk: T, /) -> PythonAgent: ...
@overload
def agent(**declared: Unpack[Declared]) -> Callable[[Talk], PythonAgent]: ...
def agent(talk: Talk | None = None, /, **declared: Unpack[Declared]) -> PythonAgent | Callable[[Talk], PythonAgent]:
    """Raises ScriptError, with the function's line, for what can't be an agent."""
    if talk is not None:
        return _agent_of(talk, {})
    return lambda function: _agent_of(function, declared)


def _agent_of(talk: Talk, declared: Declared) -> PythonAgent:
    code = getattr(talk, "__code__", None)
    line = code.co_firstlineno if code else 1
    try:
        return _checked(talk, declared, code.co_filename if code else "?", line)
    except ScriptError as error:
        raise ScriptError(error.reason, line) from None


def _checked(talk: Talk, declared: Declared, file: str, line: int) -> PythonAgent:
    title = getattr(talk, "__name__", "agent")
    if unknown := declared.keys() - Declared.__annotations__.keys():
        raise ScriptError(f"@agent declares no '{sorted(unknown)[0]}'")
    if not inspect.iscoroutinefunction(talk):
        raise ScriptError(f"{title} is no coroutine: an agent begins with 'async def'")
    takes, defaults, written = _variables(talk, title)
    named = {"name": _plain(declared.get("name", title))}
    named |= {key: _plain(declared.get(key)) for key in _OF_AGENT if key in declared}
    sections = {
        "line": line,
        "agent": named,
        "variables": defaults or None,
        "types": written or None,
        "outcomes": _outcomes(talk),
        **{key: _plain(declared.get(key)) for key in _SECTIONS},
    }
    workspaces = declared.get("workspaces")
    parsed = parse_description(describe("agent.py", sections))
    return replace(
        parsed,
        file=file,
        workspaces=None if workspaces is None else frozenset(workspaces),
        code=Code(talk=talk, file=file, arguments=lambda sent: _arguments(sent, takes, defaults)),
        source=describe("agent.py", sections),
    )


def _variables(talk: Talk, title: str) -> tuple[dict[str, TypeAdapter[Any]], dict[str, Any], dict[str, str]]:
    """What makes a value of each, its default (None for none) as it may be written down, and its type as written."""
    try:
        hints = get_type_hints(talk, include_extras=True)
    except Exception as error:  # whatever an annotation raises that is looked at
        raise ScriptError(f"the types of {title} can't be looked at: {error}") from None
    parameters = list(inspect.signature(talk).parameters.values())
    if not parameters or parameters[0].kind not in (inspect.Parameter.POSITIONAL_ONLY, _WRITTEN[0]):
        raise ScriptError(f"{title} takes the call as its first parameter: async def {title}(call: Call)")
    takes, defaults, written = {}, {}, {}
    for one in parameters[1:]:
        if one.kind not in _WRITTEN:
            raise ScriptError(f"{title} takes variables by their names: '{one}' is none")
        if one.name not in hints:
            raise ScriptError(f"the variable '{one.name}' of {title} needs a type: {one.name}: str")
        takes[one.name] = _adapter(one.name, hints[one.name])
        default = None if one.default is one.empty else _default(one, takes[one.name])
        defaults[one.name] = default
        noted = one.annotation
        written[one.name] = noted if isinstance(noted, str) else inspect.formatannotation(noted)
    return takes, defaults, written


def _adapter(name: str, hint: Any) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(hint)
    except (PydanticSchemaGenerationError, PydanticUserError):
        raise ScriptError(f"the type of the variable '{name}' is none that comes with a call") from None


def _default(one: inspect.Parameter, adapter: TypeAdapter[Any]) -> Any:
    try:
        return adapter.dump_python(adapter.validate_python(one.default), mode="json")
    except ValidationError as error:
        raise ScriptError(f"the default of the variable '{one.name}': {error.errors()[0]['msg']}") from None


def _outcomes(talk: Talk) -> list[str] | None:
    """The words that its return type names; None for any."""
    hint = get_type_hints(talk).get("return", inspect.Parameter.empty)
    found: list[str] = []
    for one in get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,):
        if get_origin(one) is Literal:
            found += get_args(one)
        elif one is str:
            return None
        elif one not in (None, type(None), inspect.Parameter.empty):
            raise ScriptError("an agent returns the word for what came of the call, or None")
    if any(not isinstance(word, str | None) for word in found):
        raise ScriptError("an agent returns the word for what came of the call, or None")
    return [word for word in found if word is not None]


def _arguments(
    sent: Mapping[str, Any], takes: Mapping[str, TypeAdapter[Any]], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """What the function is called with. A value that nobody meant is missing, and what is missing has its default."""
    found: dict[str, Any] = {}
    for name, adapter in takes.items():
        value = meant(sent.get(name))
        if value is None or (isinstance(value, str) and not value.strip()):
            value = defaults[name]
        try:
            found[name] = adapter.validate_python(value)
        except ValidationError as error:
            if value is None:
                raise WrongVariable(f"The variable '{name}' is missing, and has no default.") from None
            kind = error.errors(include_input=False, include_url=False)[0]["type"]
            raise WrongVariable(f"The variable '{name}' isn't of the type that the agent declares ({kind}).") from None
    return found


def _plain(value: Any) -> Any:
    """As YAML has it. Raises ScriptError."""
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return str(value)
        case Mapping():
            return {str(key): _plain(inner) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(inner) for inner in value]
    raise ScriptError(f"what @agent declares are texts, numbers, lists and mappings, not {type(value).__name__}")
