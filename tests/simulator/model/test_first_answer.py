"""The vendor's client holds a conversation with a simulated model."""

import json

import openai
import pytest

from outdial.simulator.model.models import Call, Rule, When

pytestmark = pytest.mark.asyncio(loop_scope="session")

FIND_SLOT = {
    "type": "function",
    "function": {
        "name": "find_slot",
        "parameters": {
            "type": "object",
            "properties": {"day": {"type": "string"}, "part": {"enum": ["morning", "afternoon"]}},
            "required": ["day", "part"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}
CLERK = (
    Rule(
        name="look",
        when=When(user=r"(?P<day>tuesday|friday)"),
        say="Let me look.",
        calls=(Call(tool="find_slot", arguments={"day": "{day}", "part": ["noon", "afternoon"]}),),
    ),
    Rule(name="found", when=When(tool="find_slot"), say="{result.time} on {result.day}. Shall I book it?"),
    Rule(name="ask", say="Which day suits you?"),
)


async def test_it_answers_whole(client, model):
    answer = await client.chat.completions.create(
        model=model(*CLERK).name, messages=[{"role": "user", "content": "Hello."}]
    )
    assert answer.choices[0].message.content == "Which day suits you?"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.id.startswith("chatcmpl-simulated-")
    assert answer.system_fingerprint == "fp_simulated"


async def test_it_streams_text_and_a_call_of_a_tool_in_pieces(client, model):
    stream = await client.chat.completions.create(
        model=model(*CLERK).name,
        messages=[{"role": "user", "content": "Tuesday, please."}],
        tools=[FIND_SLOT],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert [delta.content for delta in deltas if delta.content] == ["Let", " me", " look", "."]
    calls = [call for delta in deltas for call in delta.tool_calls or ()]
    assert (calls[0].function.name, calls[0].function.arguments) == ("find_slot", "")
    assert len(calls) > 3
    assert json.loads("".join(call.function.arguments for call in calls)) == {"day": "Tuesday", "part": "afternoon"}
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "tool_calls"
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens > 10
    assert all(chunk.usage is None for chunk in chunks[:-1])


async def test_it_goes_on_with_what_the_tool_said(client, model):
    name = model(*CLERK).name
    messages = [{"role": "user", "content": "Tuesday, please."}]
    first = await client.chat.completions.create(model=name, messages=messages, tools=[FIND_SLOT])
    messages.append(first.choices[0].message)
    call = first.choices[0].message.tool_calls[0]
    messages.append({"role": "tool", "tool_call_id": call.id, "content": '{"day": "Tuesday", "time": "Two"}'})
    second = await client.chat.completions.create(model=name, messages=messages, tools=[FIND_SLOT])
    assert second.choices[0].message.content == "Two on Tuesday. Shall I book it?"


async def test_a_model_of_somebody_else_is_not_to_be_had(client):
    with pytest.raises(openai.NotFoundError) as refused:
        await client.chat.completions.create(model="gpt-5", messages=[{"role": "user", "content": "Hello."}])
    assert refused.value.code == "model_not_found"
