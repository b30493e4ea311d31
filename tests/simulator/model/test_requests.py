"""Requests that the vendor wouldn't serve are refused in its words."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.simulator.model.errors import Refused
from outdial.simulator.model.models import Call, Rule, SimulatedModel
from outdial.simulator.model.requests import Message, ToolCall, parse
from outdial.simulator.model.rules import answer

HELLO = {"role": "user", "content": "Hello."}
CALLED = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "one"}
ANOTHER = {"type": "function", "function": {"name": "another"}}
LOOK = {"type": "function", "function": {"name": "look"}}


def body(**changes):
    return {"model": "simulated-x", "messages": [HELLO], **changes}


def test_a_request_of_the_usual_client_is_read():
    request = parse(
        body(
            messages=[{"role": "system", "content": "Be brief."}, HELLO, CALLED, RESULT],
            stream=True,
            stream_options={"include_usage": True},
            max_completion_tokens=50,
            temperature=0.2,
            tool_choice="auto",
            tools=[LOOK],
            stop=None,
        )
    )
    assert request.stream
    assert request.include_usage
    assert request.max_tokens == 50
    assert [tool.name for tool in request.tools] == ["look"]
    assert request.messages[2] == Message(
        role="assistant", tool_calls=(ToolCall(id="call_1", name="look", arguments="{}"),)
    )


def test_a_content_may_have_parts():
    parts = [{"type": "text", "text": "Good "}, {"type": "text", "text": "morning."}]
    [message] = parse(body(messages=[{"role": "user", "content": parts}])).messages
    assert message.text == "Good morning."


@pytest.mark.parametrize(
    ("changes", "param", "code"),
    [
        ({"model": None}, "model", "missing_required_parameter"),
        ({"messages": []}, "messages", "empty_array"),
        ({"mesages": []}, "mesages", None),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role", "invalid_value"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content", None),
        ({"messages": [{"role": "assistant", "content": None}]}, "messages[0].content", None),
        ({"messages": [HELLO, RESULT]}, "messages[1].role", None),
        ({"messages": [HELLO, CALLED]}, "messages[1]", None),
        ({"messages": [HELLO, CALLED, HELLO]}, "messages[2]", None),
        ({"messages": [HELLO, CALLED, RESULT, RESULT]}, "messages[3].role", None),
        ({"n": 2}, "n", None),
        ({"stream_options": {"include_usage": True}}, "stream_options", None),
        ({"tool_choice": "auto"}, "tool_choice", None),
        ({"tools": [LOOK], "tool_choice": ANOTHER}, "tool_choice", "invalid_value"),
        ({"parallel_tool_calls": True}, "parallel_tool_calls", None),
        ({"tools": [LOOK, LOOK]}, "tools", None),
        ({"tools": [{"type": "function", "function": {"name": "look it up"}}]}, "tools[0].function.name", None),
        ({"max_tokens": 1, "max_completion_tokens": 1}, "max_tokens", None),
        ({"max_completion_tokens": 0}, "max_completion_tokens", "integer_below_min_value"),
        ({"max_completion_tokens": True}, "max_completion_tokens", "invalid_type"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop", None),
        ({"response_format": {"type": "xml"}}, "response_format", "invalid_value"),
        ({"response_format": {"type": "json_object"}}, "messages", None),
    ],
)  # fmt: skip
def test_what_the_vendor_refuses_is_refused(changes, param, code):
    with pytest.raises(Refused) as refused:
        parse(body(**changes))
    assert (refused.value.status, refused.value.param, refused.value.code) == (400, param, code)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array"},
        {"type": "object", "properties": {"x": {}}, "additionalProperties": True},
        {"type": "object", "properties": {"x": {}}, "required": [], "additionalProperties": False},
        {"type": "object", "properties": []},
        {"type": "object", "required": [7], "additionalProperties": False},
        {"type": "object", "properties": {"x": {"anyOf": []}}, "required": ["x"], "additionalProperties": False},
    ],
)
def test_a_strict_tool_has_a_schema_that_can_be_kept(schema):
    tool = {"type": "function", "function": {"name": "look", "parameters": schema, "strict": True}}
    with pytest.raises(Refused) as refused:
        parse(body(tools=[tool]))
    assert refused.value.code == "invalid_function_parameters"


# -- whatever is sent


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
fields = st.sampled_from(["messages", "tools", "tool_choice", "stop", "stream", "response_format", "n", "model"])


@given(st.dictionaries(fields, json_values, max_size=4) | json_values)
def test_nothing_that_is_sent_is_more_than_refused(given_body):
    whole = body(**given_body) if isinstance(given_body, dict) else given_body
    with suppress(Refused):
        parse(whole)


schemas = st.recursive(
    st.fixed_dictionaries({}, optional={
        "type": st.sampled_from(["string", "integer", "number", "boolean", "null", "object", "array", 7, []]),
        "enum": st.lists(st.text(max_size=3) | st.integers(), max_size=3) | st.integers(),
        "default": json_values,
        "$ref": st.sampled_from(["#", "#/$defs/a", "#/nowhere", "other", 7]),
        "minItems": st.integers(max_value=1000),
    }),
    lambda inner: st.fixed_dictionaries({}, optional={
        "type": st.sampled_from(["object", "array", ["null", "object"]]),
        "properties": st.dictionaries(st.sampled_from("ab"), inner, max_size=2) | st.integers(),
        "required": st.lists(st.sampled_from("ab"), max_size=2) | st.none(),
        "items": inner,
        "anyOf": st.lists(inner, max_size=2),
        "$defs": st.dictionaries(st.just("a"), inner, max_size=1),
    }),
    max_leaves=6,
)  # fmt: skip


@given(schemas)
def test_any_schema_is_refused_or_called_with(schema):
    tool = {"type": "function", "function": {"name": "look", "parameters": {**schema, "type": "object"}}}
    try:
        request = parse(body(tools=[tool], tool_choice="required"))
    except Refused:
        return
    model = SimulatedModel(name="simulated-x", rules=(Rule(calls=(Call(tool="look", arguments={"a": ["x", "y"]}),)),))
    [call] = answer(model, request, lambda: "call_1").tool_calls
    assert call.name == "look"
