"""Models as they are reached: what goes over the wire, what comes back, and which server gets which key."""

import json
import logging
import subprocess
import sys
from dataclasses import replace

import pytest

from agents.llm.model_server import chunk, model_server, text, tool, usage
from outdial.agents.llm.chat import (
    AgentSaid,
    CalleeSaid,
    ModelFailed,
    Request,
    Tool,
    ToolAnswer,
    ToolCall,
    Usage,
    Words,
)
from outdial.agents.llm.chat_server import ChatServerModel
from outdial.agents.llm.completions import Tokens
from outdial.agents.llm.free_talk import ModelName
from outdial.agents.llm.vendors import OPENAI, ModelServers

KEY = "sk-secret-1234567890"
LOOK_UP = Tool(
    name="look_up",
    about="Looks x up.",
    parameters={"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]},
)


def request(*messages, tools=(LOOK_UP,)) -> Request:
    return Request(instructions="Be brief.", messages=messages or (CalleeSaid("Hello"),), tools=tools)


async def ask(server, request_=None, keys=None):
    servers = ModelServers({server.url: KEY} if keys is None else keys)
    try:
        [model] = servers.open([ModelName(name="local-model", base_url=server.url)])
        pieces = [piece async for piece in model.ask(request_ or request())]
    finally:
        await servers.aclose()
    said = "".join(piece.text for piece in pieces if isinstance(piece, Words))
    return said, [piece for piece in pieces if not isinstance(piece, Words)]


async def test_words_come_back_and_the_key_goes_to_its_server():
    async with model_server([*text("Hello", " Jane.")[:-1], usage(12), "data: [DONE]\n\n"]) as server:
        said, others = await ask(server)
    assert said == "Hello Jane."
    assert others == [Usage(tokens=12)]
    [asked] = server.asked
    assert asked["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
    ]
    assert asked["tools"][0]["function"]["name"] == "look_up"
    assert asked["stream"] is True
    assert f"Bearer {KEY}" in server.headers[0]


async def test_a_tool_call_in_pieces_is_one_call():
    async with model_server(tool("look_up", '{"x"', ": 1}")) as server:
        _, [call, _] = await ask(server)
    assert (call.tool, json.loads(call.arguments)) == ("look_up", {"x": 1})


async def test_a_conversation_is_told_as_the_vendor_wants_it():
    call = ToolCall("call_1", "look_up", '{"x": 1}')
    messages = AgentSaid("Hello."), CalleeSaid("What is one?"), AgentSaid("Let me see.", (call,)), ToolAnswer(call, "1")
    async with model_server(text("One.")) as server:
        await ask(server, request(*messages))
    roles = [one["role"] for one in server.asked[0]["messages"]]
    assert roles == ["system", "user", "assistant", "user", "assistant", "tool"]
    [called] = server.asked[0]["messages"][4]["tool_calls"]
    assert json.loads(called["function"]["arguments"]) == {"x": 1}


def error(code, type_="x_error"):
    return {"error": {"message": f"Incorrect API key provided: {KEY}", "type": type_, "param": None, "code": code}}


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        ((401, error("bad_key")), "bad_key (HTTP 401)"),
        ((429, error("rate_limit_exceeded")), "rate_limit_exceeded (HTTP 429)"),
        ((503, error(None, "server_error")), "server_error (HTTP 503)"),
        ([chunk({"role": "assistant", "content": "Well"})], None),
    ],
)
async def test_a_failure_is_told_in_the_vendors_word_and_without_its_sentence(answer, word, caplog):
    caplog.set_level(logging.DEBUG)
    async with model_server(answer) as server:
        with pytest.raises(ModelFailed) as failed:
            await ask(server)
    assert word is None or failed.value.word == word
    assert KEY not in str(failed.value)
    assert KEY not in "".join(record.getMessage() for record in caplog.records if record.name.startswith("outdial"))
    assert len(server.asked) == 1, "nothing is tried again in silence"


async def test_a_server_that_is_not_there_is_a_failure():
    servers = ModelServers({"http://127.0.0.1:9/v1": ""})
    [model] = servers.open([ModelName(name="m", base_url="http://127.0.0.1:9/v1")])
    await model.warm_up()
    with pytest.raises(ModelFailed):
        [_ async for _ in model.ask(request())]
    await servers.aclose()


async def test_no_request_goes_to_a_server_that_the_operator_does_not_name():
    async with model_server(text("Hello.")) as server:
        with pytest.raises(ModelFailed, match="no_such_server"):
            await ask(server, keys={"https://models.example/v1": KEY})
    assert server.asked == []


def test_openais_own_is_used_with_the_key_of_the_environment(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    servers = ModelServers({})
    assert not servers.allows(ModelName(name="gpt-5-mini"))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert servers.allows(ModelName(name="gpt-5-mini"))
    assert servers.allows(ModelName(name="openai:gpt-5-mini"))
    assert not servers.allows(ModelName(name="gpt-5-mini", base_url="http://127.0.0.1:11434/v1"))


def test_a_server_without_model_agents_loads_nothing_of_what_reaches_models():
    code = (
        "import sys, outdial.app, outdial.cli; from outdial.agents.llm.vendors import ModelServers; ModelServers({});"
        "print(sorted({'pydantic_ai', 'openai', 'httpx2', 'genai_prices', 'mcp', 'jsonschema'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_model_behind_openais_interface_needs_no_vendors_library():
    code = (
        "import sys; from outdial.agents.llm.vendors import ModelServers; "
        "from outdial.agents.llm.free_talk import ModelName; "
        "ModelServers({'http://127.0.0.1:9/v1': ''}).open([ModelName(name='m', base_url='http://127.0.0.1:9/v1')]);"
        "print(sorted({'pydantic_ai', 'openai'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_models_price_is_known_where_it_is_a_vendors():
    used = Tokens(asked=1000, cached=400, answered=100)
    [vendors, own] = [ChatServerModel(name, OPENAI, KEY) for name in ("gpt-5-mini", "my-own-model")]
    assert 0 < vendors._cost(used) < vendors._cost(replace(used, cached=0)) == vendors.price(1000, 100) < 0.1
    assert own._cost(used) is None
    assert own.price(1000, 100) is None


def test_a_vendors_model_says_what_to_install_where_the_extra_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydantic_ai", None)
    monkeypatch.delitem(sys.modules, "pydantic_ai.models", raising=False)
    missing = ModelServers({}).fault(ModelName(name="openrouter:x/y"))
    assert missing == 'the library for openrouter isn\'t installed: pip install "outdial[vendors]"'
