"""Models behind OpenAI's interface, against the simulated one, with each of its faults and dialects."""

import asyncio
from contextlib import aclosing

import pytest

from agents.llm.model_server import model_server as plain_server
from agents.llm.model_server import text, usage
from model_server import model_server
from outdial.agents.llm.chat import CalleeSaid, ModelFailed, Request, Tool, ToolCall, Usage, Words
from outdial.agents.llm.chat_server import ChatServerModel
from outdial.simulator.faults import Fault, FaultKind
from outdial.simulator.model.models import Call, Rule, SimulatedModel

SAID = "Let me look that up for you."
PLAIN = SimulatedModel(
    name="simulated-clerk",
    first_token_s=0.0,
    token_s=0.0,
    rules=(
        Rule(say=SAID, calls=(Call(tool="look", arguments={"x": "1"}), Call(tool="find", arguments={"x": "2"}))),
    ),
)
TOOLS = tuple(
    Tool(
        name=name,
        about="Finds x.",
        parameters={"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]},
    )
    for name in ("look", "find")
)
REQUEST = Request(instructions="Be brief.", messages=(CalleeSaid("Hello"),), tools=TOOLS, first_s=2.0, gap_s=1.0)

DIALECTS = [
    FaultKind.MODEL_BYTES_SPLIT, FaultKind.MODEL_COMMENTS, FaultKind.MODEL_NO_CHOICES, FaultKind.MODEL_NO_ROLE,
    FaultKind.MODEL_NO_FINISH, FaultKind.MODEL_NO_DONE, FaultKind.MODEL_NO_USAGE, FaultKind.MODEL_NOT_STREAMED,
    FaultKind.MODEL_CALLS_WHOLE, FaultKind.MODEL_CALLS_UNNUMBERED, FaultKind.MODEL_CALLS_UNNAMED,
    FaultKind.MODEL_STOP_AFTER_CALLS,
]  # fmt: skip
FAILURES = {
    FaultKind.MODEL_CUT: "cut_off",
    FaultKind.MODEL_RESET: "R",  # httpx' word: ReadError, or RemoteProtocolError
    FaultKind.MODEL_THROTTLED: "rate_limit_exceeded (HTTP 429)",
    FaultKind.MODEL_OUT_OF_QUOTA: "insufficient_quota (HTTP 429)",
    FaultKind.MODEL_ERROR: "(HTTP 503)",
    FaultKind.MODEL_ERROR_IN_STREAM: "",
    FaultKind.MODEL_BROKEN_CHUNK: "broken_answer",
}


async def asked(*faults: Fault) -> tuple[str, list[tuple[str, str]], int]:
    async with model_server(PLAIN) as simulator:
        for fault in faults:
            simulator.network.faults.add(fault)
        model = ChatServerModel(PLAIN.name, f"{simulator.base_url}/model/v1", "any")
        try:
            pieces = [piece async for piece in model.ask(REQUEST)]
        finally:
            await model.aclose()
    said = "".join(piece.text for piece in pieces if isinstance(piece, Words))
    called = [(piece.tool, piece.arguments) for piece in pieces if isinstance(piece, ToolCall)]
    return said, called, sum(piece.tokens for piece in pieces if isinstance(piece, Usage))


@pytest.mark.parametrize("dialects", [[], *([kind] for kind in DIALECTS), DIALECTS[-3:-1], DIALECTS[:5]])
async def test_whatever_a_compatible_server_leaves_out_its_answer_is_the_same(dialects):
    said, called, tokens = await asked(*(Fault(kind=kind) for kind in dialects))
    assert said == SAID
    assert [(tool, arguments.replace(" ", "")) for tool, arguments in called] == [
        ("look", '{"x":"1"}'),
        ("find", '{"x":"2"}'),
    ]
    assert (tokens > 0) is (FaultKind.MODEL_NO_USAGE not in dialects)


@pytest.mark.parametrize("kind", FAILURES)
@pytest.mark.parametrize("after_tokens", [0, 3])
async def test_a_fault_is_a_failure_with_a_word(kind, after_tokens):
    with pytest.raises(ModelFailed) as failed:
        await asked(Fault(kind=kind, after_tokens=after_tokens))
    assert failed.value.word
    assert FAILURES[kind] in failed.value.word


async def test_turns_share_a_connection():
    async with plain_server(*[[*text("Fine."), usage(7)] for _ in range(3)]) as server:
        model = ChatServerModel("m", server.url, None)
        await model.warm_up()
        for _ in range(3):
            [_ async for _ in model.ask(REQUEST)]
        assert server.connections == 1
        await model.aclose()


async def test_who_is_not_waited_for_any_more_is_left():
    async with plain_server(text(*["word "] * 1000)) as server:
        model = ChatServerModel("m", server.url, None)
        async with aclosing(model.ask(REQUEST)) as pieces:
            await anext(pieces)
        async with asyncio.timeout(30):
            while not server.left:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await model.aclose()


async def test_a_server_that_keeps_its_connection_open_keeps_nobody_waiting():
    async with plain_server([*text("Fine."), *[": still there\n\n"] * 10_000]) as server:
        model = ChatServerModel("m", server.url, None)
        async with asyncio.timeout(3):
            pieces = [piece async for piece in model.ask(REQUEST)]
        assert pieces[-1] == Usage(estimated=True)
        await model.aclose()


async def test_a_key_does_not_follow_a_redirection():
    async with plain_server(text("Stolen.")) as other:
        async with plain_server((307, {}, f"Location: {other.url}/x\r\n")) as server:
            model = ChatServerModel("m", server.url, "sk-secret")
            with pytest.raises(ModelFailed, match="HTTP 307"):
                [_ async for _ in model.ask(REQUEST)]
        assert other.asked == []
        await model.aclose()
