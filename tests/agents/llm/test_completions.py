"""Answers out of the bytes of a stream, as servers with OpenAI's interface send them."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.llm.model_server import chunk, text, tool, usage
from outdial.agents.llm.chat import AgentSaid, CalleeSaid, ModelFailed, Request, ToolCall, Usage, Words
from outdial.agents.llm.completions import LONGEST, Completion, Tokens, body_of


def read(data: bytes, *, at: int = 0, streamed: bool = True):
    """What is said, and everything else."""
    completion = Completion(streamed=streamed, price=lambda tokens: None)
    pieces = [*completion.feed(data[:at]), *completion.feed(data[at:]), *completion.end()]
    said = "".join(piece.text for piece in pieces if isinstance(piece, Words))
    return said, [piece for piece in pieces if not isinstance(piece, Words)]


def sent(*chunks: str) -> bytes:
    return "".join(chunks).encode()


WHOLE = sent(
    ": keep-alive\n\n", *text("Héllo", " Jane.", finish=None), *tool("look_up", '{"x"', ": 1}")[:-2],
    chunk({}, "tool_calls"), usage(12), "data: [DONE]\n\n",
)  # fmt: skip
MEANT = ("Héllo Jane.", [ToolCall("call_1", "look_up", '{"x": 1}'), Usage(tokens=12)])


@given(st.integers(min_value=0, max_value=len(WHOLE)), st.sampled_from([b"\n", b"\r\n"]))
def test_wherever_the_bytes_are_cut_the_answer_is_the_same(at, line_end):
    assert read(WHOLE.replace(b"\n", line_end), at=at) == MEANT


def called(*calls: dict) -> bytes:
    return sent(*(chunk({"tool_calls": [call]}) for call in calls), chunk({}, "tool_calls"))


def function(name=None, arguments=None) -> dict:
    return {"function": {"name": name, "arguments": arguments}}


@pytest.mark.parametrize(
    "calls",
    [
        [{"index": 0, "id": "a", **function("one", "{}")}, {"index": 1, "id": "b", **function("two", "{}")}],
        [{"id": "a", **function("one", "{}")}, {"id": "b", **function("two", "{}")}],
        [{"index": 0, "id": "a", **function("one", "{}")}, {"index": 0, "id": "b", **function("two", "{}")}],
        [{"id": "a", **function("one", "{")}, function(None, "}"), {"id": "b", **function("two", {})}],
    ],
)
def test_two_calls_are_two_however_they_are_numbered(calls):
    _, [first, second, _] = read(called(*calls))
    assert (first.tool, first.arguments, second.tool, second.arguments) == ("one", "{}", "two", "{}")


def test_an_answer_that_is_not_streamed_is_said_all_the_same():
    message = {"role": "assistant", "content": "Hello.", "tool_calls": [{"id": "a", **function("one", "{}")}]}
    body = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    told = [ToolCall("a", "one", "{}"), Usage(estimated=True)]
    assert read(json.dumps(body).encode(), streamed=False) == ("Hello.", told)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (sent(*text("Hello", finish=None)), "cut_off"),
        (b"", "cut_off"),
        (sent('data: {"choices": [{"del\n\n'), "broken_answer"),
        (sent('data: {"choices": "none"}\n\n'), "broken_answer"),
        (b"data: \xff\n\n", "broken_answer"),
        (sent('data: {"error": {"message": "sk-1", "code": "overloaded"}}\n\n'), "overloaded"),
        (b"data: " + b"a" * LONGEST, "too_long"),
    ],
)
def test_what_is_no_whole_answer_fails(data, word):
    with pytest.raises(ModelFailed) as failed:
        read(data)
    assert failed.value.word == word


@given(st.binary(max_size=200))
def test_whatever_a_server_sends_it_is_an_answer_or_a_failure(data):
    for streamed in (True, False):
        with suppress(ModelFailed):
            read(b"data: " * streamed + data + b"\n\n", streamed=streamed)


def test_a_price_is_asked_for_what_was_used():
    asked = []
    completion = Completion(streamed=True, price=lambda tokens: asked.append(tokens) or 0.25)
    assert [*completion.feed(sent(*text("Hi"), usage(12))), *completion.end()][-1] == Usage(tokens=12, dollars=0.25)
    assert asked == [Tokens(asked=11, cached=0, answered=1)]


def test_somebody_else_than_the_model_speaks_first_and_last():
    body = json.loads(body_of("m", Request(instructions="Be brief.", messages=(AgentSaid("Hello."),))))
    assert [one["role"] for one in body["messages"]] == ["system", "user", "assistant", "user"]
    assert "tools" not in body
    body = json.loads(body_of("m", Request(instructions="Be brief.", messages=(CalleeSaid("Hello"),))))
    assert [one["role"] for one in body["messages"]] == ["system", "user"]
