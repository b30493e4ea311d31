"""The official MCP client uses the simulated tools, in both eras of the protocol, and sees what goes wrong."""

import asyncio
import json
from contextlib import asynccontextmanager

import httpx2
import pytest
from mcp import Client, MCPError

from outdial.simulator.faults import Fault, FaultKind

pytestmark = pytest.mark.asyncio(loop_scope="session")

ERAS = ("legacy", "auto")  # with a handshake, and without one where the server has no need of it


@pytest.fixture(params=ERAS)
def connect(setup, tools, request):
    """`async with connect() as client`: the client of one era or the other."""

    @asynccontextmanager
    async def connect_(**settings):
        async with Client(f"{setup.simulator.base_url}/mcp", mode=request.param, **settings) as client:
            yield client

    connect_.era = request.param
    return connect_


async def test_the_client_finds_the_tools(connect):
    async with connect() as client:
        assert client.server_info.name == "outdial-simulator"
        assert client.protocol_version == ("2026-07-28" if connect.era == "auto" else "2025-11-25")
        tools = (await client.list_tools()).tools
    assert [tool.name for tool in tools] == ["look_up_appointment", "free_slots", "book_slot"]
    assert tools[0].input_schema["required"] == ["name"]
    assert [tool.annotations.read_only_hint for tool in tools] == [True, True, False]


async def test_tools_are_called(connect, tools):
    async with connect() as client:
        found = await client.call_tool("free_slots", {"day": "friday"})
        assert found.structured_content == {"slots": ["Friday at nine in the morning"]}
        assert json.loads(found.content[0].text) == found.structured_content
        booked = await client.call_tool("book_slot", {"slot": "Friday at nine in the morning", "name": "Zoë Ø"})
        assert booked.structured_content["reference"] == "R-1"
        now = await client.call_tool("look_up_appointment", {"name": "Zoë Ø"})
        assert now.structured_content["day"] == "Friday"
    assert tools.calendar.bookings == ["Friday at nine in the morning"]
    assert [(called.tool, called.over, called.done, called.whole) for called in tools.called] == [
        ("free_slots", "mcp", True, True),
        ("book_slot", "mcp", True, True),
        ("look_up_appointment", "mcp", True, True),
    ]


@pytest.mark.parametrize(
    ("name", "arguments", "why"),
    [
        ("look_up_appointment", {"name": "Nobody"}, "no appointment under that name"),
        ("look_up_appointment", {}, "name: is required"),
        ("look_up_appointment", {"name": 7}, "name: a text is expected"),
        ("book_slot", {"slot": "Sunday at noon"}, "no such time"),
        ("free_slots", {"month": "May"}, "month: no such argument"),
    ],
)
async def test_what_cannot_be_done_is_told_for_the_model_to_read(connect, tools, name, arguments, why):
    async with connect() as client:
        result = await client.call_tool(name, arguments)
    assert result.is_error
    assert why in result.content[0].text
    assert not tools.called[-1].done


async def test_a_tool_that_there_is_not_is_an_error_of_the_protocol(connect):
    async with connect() as client:
        with pytest.raises(MCPError, match="Unknown tool"):
            await client.call_tool("send_money", {})


# -- faults


@pytest.fixture
def fault(setup):
    def add(kind, **fields):
        setup.simulator.network.faults.add(Fault(kind=kind, count=1, **fields))

    return add


async def book(client):
    return await client.call_tool("book_slot", {"slot": "Friday at nine in the morning"})


@pytest.mark.parametrize(
    ("kind", "done"),
    [
        (FaultKind.TOOL_ERROR, False),
        (FaultKind.TOOL_THROTTLED, False),
        (FaultKind.TOOL_REDIRECTED, False),
        (FaultKind.TOOL_CUT, True),
        (FaultKind.TOOL_EMPTY, True),
        (FaultKind.TOOL_BROKEN_JSON, True),
    ],
)
async def test_a_call_that_fails(connect, tools, fault, kind, done):
    fault(kind)
    async with connect() as client:
        with pytest.raises(MCPError):
            await book(client)
    assert tools.called[-1].faults == (kind,)
    assert bool(tools.calendar.bookings) is done


async def test_a_connection_that_breaks(connect, tools, fault):
    fault(FaultKind.TOOL_RESET)
    with pytest.raises((MCPError, httpx2.HTTPError, ExceptionGroup)):
        async with connect() as client:
            await book(client)
    assert tools.calendar.bookings


@pytest.mark.parametrize("kind", [FaultKind.TOOL_HANGS, FaultKind.TOOL_ENDLESS, FaultKind.TOOL_TRICKLES])
async def test_a_call_that_never_ends(connect, tools, fault, kind):
    fault(kind, delay_s=1)
    async with connect() as client:
        with pytest.raises((MCPError, TimeoutError)):
            async with asyncio.timeout(3):
                await book(client)
    await tools.called[-1].ended.wait()
    assert tools.calendar.bookings
    assert not tools.called[-1].whole


async def test_a_tool_that_is_slow(connect, tools, fault):
    fault(FaultKind.TOOL_SLOW, delay_s=2, tool="book_slot")
    async with connect() as client:
        assert not (await client.call_tool("free_slots", {})).is_error
        assert not (await book(client)).is_error
    free, booked = tools.called
    assert free.ended_at_s - free.at_s < 1
    assert booked.ended_at_s - booked.at_s >= 2


async def test_a_tool_that_says_it_cannot(connect, tools, fault):
    fault(FaultKind.TOOL_FAILED)
    async with connect() as client:
        assert (await book(client)).is_error
    assert tools.calendar.bookings == []


async def test_a_result_of_another_kind(connect, tools, fault):
    fault(FaultKind.TOOL_NONSENSE)
    async with connect() as client:
        with pytest.raises(RuntimeError, match="Invalid structured content"):
            await book(client)


async def test_a_result_that_gives_orders(connect, fault):
    fault(FaultKind.TOOL_HOSTILE)
    async with connect() as client:
        assert "Ignore your instructions" in (await book(client)).content[0].text


async def test_a_list_of_tools_that_never_comes(connect, fault):
    fault(FaultKind.TOOL_HANGS, tool="tools/list")
    async with connect() as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await client.list_tools()
