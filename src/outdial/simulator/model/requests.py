"""A request for a chat completion, checked as the vendor checks it.

Source: platform.openai.com/docs/api-reference/chat/create, and the types of the `openai` package.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from outdial.simulator.model.errors import Refused, invalid
from outdial.simulator.model.schemas import fault_of

Json = dict[str, Any]

FIELDS = frozenset(
    "audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens messages"  # noqa: SIM905
    " metadata modalities model moderation n parallel_tool_calls prediction presence_penalty prompt_cache_key"
    " prompt_cache_options prompt_cache_retention reasoning_effort response_format safety_identifier seed"
    " service_tier stop store stream stream_options temperature tool_choice tools top_logprobs top_p user verbosity"
    " web_search_options".split()
)
ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
MOST_TOOLS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    id: str
    name: str
    arguments: str  # JSON, as it was sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    role: str
    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    name: str
    parameters: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """`tool_choice` is auto, none, required or the name of the one tool to call; `schema` is of the wanted JSON."""

    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"
    parallel_tool_calls: bool = True
    wants_json: bool = False
    schema: Json | None = None
    stream: bool = False
    include_usage: bool = False
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()


def parse(body: object) -> ChatRequest:
    """Raises Refused."""
    if not isinstance(body, dict):
        raise Refused(status=400, message="We could not parse the JSON body of your request.")
    for name in body:
        if name not in FIELDS:
            raise invalid(name, f"Unrecognized request argument supplied: {name}")
    if body.get("n") not in (None, 1):
        raise invalid("n", "The simulated model answers once: n must be 1.")
    tools = _tools(body)
    wants_json, schema = _response_format(body)
    stream = _typed(body, "stream", bool, False)
    return ChatRequest(
        model=_typed(body, "model", str),
        messages=_messages(body),
        tools=tools,
        tool_choice=_tool_choice(body, {tool.name for tool in tools}),
        parallel_tool_calls=_parallel(body, tools),
        wants_json=wants_json,
        schema=schema,
        stream=stream,
        include_usage=_include_usage(body, stream),
        max_tokens=_max_tokens(body),
        stop=_stop(body),
    )


def _typed(body: Mapping[str, Any], name: str, type_: type, default: Any = ...) -> Any:
    value = body.get(name)
    if value is None:
        if default is ...:
            raise invalid(name, f"Missing required parameter: '{name}'.", "missing_required_parameter")
        return default
    if not isinstance(value, type_) or (type_ is int and isinstance(value, bool)):
        raise invalid(name, f"Invalid type for '{name}': expected {type_.__name__}.", "invalid_type")
    return value


# -- messages


def _messages(body: Mapping[str, Any]) -> tuple[Message, ...]:
    given = _typed(body, "messages", list)
    if not given:
        raise invalid("messages", "Invalid 'messages': empty array.", "empty_array")
    messages = tuple(_message(each, f"messages[{index}]") for index, each in enumerate(given))
    _check_results(messages)
    return messages


def _message(given: object, place: str) -> Message:
    if not isinstance(given, dict):
        raise invalid(place, f"Invalid type for '{place}': expected an object.", "invalid_type")
    role = given.get("role")
    if role not in ROLES:
        raise invalid(f"{place}.role", f"Invalid value for '{place}.role'.", "invalid_value")
    calls = given.get("tool_calls")
    if calls is not None and (role != "assistant" or not isinstance(calls, list) or not calls):
        raise invalid(f"{place}.tool_calls", f"Invalid '{place}.tool_calls'.", "invalid_value")
    content = given.get("content")
    if content is None and not (role == "assistant" and (calls or given.get("refusal"))):
        raise invalid(f"{place}.content", f"Invalid value for '{place}.content': expected a string, got null.")
    tool_call_id = given.get("tool_call_id", "")
    if (role == "tool") != bool(tool_call_id) or not isinstance(tool_call_id, str):
        raise invalid(f"{place}.tool_call_id", f"Missing required parameter: '{place}.tool_call_id'.")
    return Message(
        role=role,
        text=_text(content, place),
        tool_calls=tuple(_tool_call(each, f"{place}.tool_calls[{index}]") for index, each in enumerate(calls or ())),
        tool_call_id=tool_call_id,
    )


def _text(content: object, place: str) -> str:
    """Of a content that is a text, or parts with texts in them."""
    match content:
        case None:
            return ""
        case str():
            return content
        case list() if content and all(isinstance(part, dict) for part in content):
            texts = [part.get("text", part.get("refusal")) for part in content]
            if all(isinstance(text, str) for text in texts):
                return "".join(texts)
    raise invalid(f"{place}.content", f"Invalid type for '{place}.content': expected text or parts with text.")


def _tool_call(given: object, place: str) -> ToolCall:
    match given:
        case {"id": str(id_), "type": "function", "function": {"name": str(name), "arguments": str(arguments)}} if id_:
            return ToolCall(id=id_, name=name, arguments=arguments)
    raise invalid(place, f"Invalid '{place}': expected id, type 'function', and name and arguments as texts.")


def _check_results(messages: tuple[Message, ...]) -> None:
    """Every call of a tool is followed by its result, and every result follows its call."""
    open_: set[str] = set()
    for index, message in enumerate(messages):
        place = f"messages[{index}]"
        if message.role == "tool":
            if message.tool_call_id not in open_:
                raise invalid(
                    f"{place}.role",
                    "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.",
                )
            open_.discard(message.tool_call_id)
            continue
        if open_:
            raise _unanswered(place, open_)
        open_ = {call.id for call in message.tool_calls}
    if open_:
        raise _unanswered(f"messages[{len(messages) - 1}]", open_)


def _unanswered(place: str, ids: set[str]) -> Refused:
    return invalid(
        place,
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'."
        f" The following tool_call_ids did not have response messages: {', '.join(sorted(ids))}",
    )


# -- tools


def _tools(body: Mapping[str, Any]) -> tuple[Tool, ...]:
    given = _typed(body, "tools", list, [])
    if len(given) > MOST_TOOLS:
        raise invalid("tools", f"Invalid 'tools': array too long. Expected {MOST_TOOLS} at most.")
    tools = tuple(_tool(each, f"tools[{index}]") for index, each in enumerate(given))
    if len({tool.name for tool in tools}) < len(tools):
        raise invalid("tools", "Tool names must be unique.")
    return tools


def _tool(given: object, place: str) -> Tool:
    match given:
        case {"type": "function", "function": {"name": str(name)} as function}:
            pass
        case _:
            raise invalid(place, f"Invalid '{place}': expected type 'function' and a function with a name.")
    if not TOOL_NAME.fullmatch(name):
        raise invalid(f"{place}.function.name", f"Invalid '{place}.function.name': {TOOL_NAME.pattern} is expected.")
    parameters = function.get("parameters") or {"type": "object", "properties": {}}
    if not isinstance(parameters, dict) or parameters.get("type") != "object":
        raise _bad_schema(place, name, "schema must be of type 'object'.")
    if fault := fault_of(parameters):
        raise _bad_schema(place, name, f"{fault}.")
    properties = parameters.get("properties", {})
    if function.get("strict"):
        if parameters.get("additionalProperties") is not False:
            raise _bad_schema(place, name, "'additionalProperties' is required to be supplied and to be false.")
        if set(parameters.get("required", ())) != set(properties):
            raise _bad_schema(place, name, "'required' is required to be an array including every key in properties.")
    return Tool(name=name, parameters=parameters)


def _bad_schema(place: str, name: str, why: str) -> Refused:
    return invalid(
        f"{place}.function.parameters", f"Invalid schema for function '{name}': {why}", "invalid_function_parameters"
    )


def _tool_choice(body: Mapping[str, Any], names: set[str]) -> str:
    choice = body.get("tool_choice")
    if choice is None:
        return "auto"
    if not names:
        raise invalid("tool_choice", "'tool_choice' is only allowed when 'tools' are specified.")
    match choice:
        case "auto" | "none" | "required":
            return str(choice)
        case {"type": "function", "function": {"name": str(name)}} if name in names:
            return name
    raise invalid("tool_choice", "Invalid value for 'tool_choice'.", "invalid_value")


def _parallel(body: Mapping[str, Any], tools: tuple[Tool, ...]) -> bool:
    if body.get("parallel_tool_calls") is not None and not tools:
        raise invalid("parallel_tool_calls", "'parallel_tool_calls' is only allowed when 'tools' are specified.")
    return bool(_typed(body, "parallel_tool_calls", bool, True))


# -- the answer's form


def _response_format(body: Mapping[str, Any]) -> tuple[bool, Json | None]:
    """Whether JSON is wanted, and of which schema."""
    match body.get("response_format"):
        case None | {"type": "text"}:
            return False, None
        case {"type": "json_object"}:
            if "json" not in str(body.get("messages")).lower():
                raise invalid("messages", "'messages' must contain the word 'json' in some form, to use 'json_object'.")
            return True, None
        case {"type": "json_schema", "json_schema": {"name": str(name), "schema": dict(schema)}} if (
            TOOL_NAME.fullmatch(name)
        ):
            if fault := fault_of(schema):
                raise invalid("response_format", f"Invalid schema for response_format '{name}': {fault}.")
            return True, schema
    raise invalid("response_format", "Invalid value for 'response_format'.", "invalid_value")


def _include_usage(body: Mapping[str, Any], stream: bool) -> bool:
    options = _typed(body, "stream_options", dict, None)
    if options is None:
        return False
    if not stream:
        raise invalid("stream_options", "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
    return bool(_typed(options, "include_usage", bool, False))


def _max_tokens(body: Mapping[str, Any]) -> int | None:
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        raise invalid("max_tokens", "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not allowed.")
    name = "max_tokens" if body.get("max_tokens") is not None else "max_completion_tokens"
    most = _typed(body, name, int, None)
    if most is not None and most < 1:
        raise invalid(name, f"Invalid '{name}': integer below minimum value.", "integer_below_min_value")
    return int(most) if most is not None else None


def _stop(body: Mapping[str, Any]) -> tuple[str, ...]:
    match body.get("stop"):
        case None:
            return ()
        case str(text):
            return (text,)
        case [*texts] if len(texts) <= 4 and all(isinstance(text, str) for text in texts):
            return tuple(texts)
    raise invalid("stop", "Invalid 'stop': up to four texts are expected.")
