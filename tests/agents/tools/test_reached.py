"""HTTP tools and MCP servers as they are reached, with the simulated ones and what can go wrong with them."""

import asyncio
import ipaddress
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from agents.tools.test_parse import AGENT
from model_server import model_server
from outdial.agents.llm.parse import parse_llm
from outdial.agents.tools.access import ToolAccess, WorkspaceTools, load
from outdial.agents.tools.asks import Context, Reply, Result
from outdial.agents.tools.mcp_servers import ServerAway
from outdial.net.addresses import Allowed
from outdial.secrets.store import SecretMissing
from outdial.simulator.faults import Fault, FaultKind
from outdial.simulator.server import Simulator

KEY = "sk-calendar-9"
ASKED_S = 0.6
SOURCE = """tools:
  - name: free_slots
    about: Free times.
    url: BASE/tools/free_slots
    arguments: {type: object, properties: {day: {type: string}}}
    headers: {Authorization: "Bearer {secret:calendar}"}
    time_limit_s: 1
  - name: book_slot
    about: Book.
    method: POST
    url: BASE/tools/book_slot
    arguments: {type: object, properties: {slot: {type: string}}}
    time_limit_s: 1
  - name: calendar
    mcp: BASE/mcp
    headers: {Authorization: "Bearer {secret:calendar}"}
    tools: [free_slots, book_slot, not_there]
    consequences: [book_slot]
    time_limit_s: 2
"""
SLOT = "Friday at nine in the morning"


async def secrets(names, host):
    if set(names) != {"calendar"}:
        raise SecretMissing(min(names))
    return {"calendar": KEY}


class Reached:
    def __init__(self, simulator: Simulator, access: ToolAccess) -> None:
        self.simulator = simulator
        self.own = parse_llm(AGENT + SOURCE.replace("BASE", simulator.base_url)).own_tools
        self.tools: WorkspaceTools = access.of("ws")

    def context(self, key: str = "k1") -> Context:
        return Context(known={}, defaults={}, secrets=self.tools.secrets, key=key)

    async def http(self, name: str, **arguments) -> Reply:
        [tool] = [one for one in self.own.http if one.name == name]
        return await self.tools.http(tool).ask(arguments, self.context())

    async def mcp(self, name: str, **arguments) -> Reply:
        offered = {one.name: one for one in await self.tools.mcp(self.own.mcp[0], self.context())}
        return await offered[f"calendar__{name}"].ask(arguments, self.context())

    async def ask(self, over: str, name: str, **arguments) -> Reply:
        return await (self.http if over == "http" else self.mcp)(name, **arguments)

    def breaks(self, kind: FaultKind, **fault) -> None:
        self.simulator.network.faults.add(Fault(kind=kind, **fault))

    @property
    def bookings(self) -> list[str]:
        return self.simulator.tools.calendar.bookings


@asynccontextmanager
async def reached(allowed: str = "127.0.0.1") -> AsyncIterator[Reached]:
    async with model_server() as simulator:
        access = ToolAccess(Allowed.parse(allowed), lambda workspace_id: secrets)
        there = Reached(simulator, access)
        await asyncio.to_thread(load, there.own)
        try:
            yield there
        finally:
            await access.aclose()


@pytest.fixture
async def tools():
    async with reached() as there:
        yield there


@pytest.mark.parametrize("over", ["http", "mcp"])
async def test_a_tool_answers(tools, over):
    reply = await tools.ask(over, "free_slots", day="Friday")
    assert (reply.result, reply.answer) == (Result.OK, {"slots": [SLOT]})
    [called] = tools.simulator.tools.called
    assert called.headers["authorization"] == f"Bearer {KEY}"
    assert called.arguments == {"day": "Friday"}


@pytest.mark.parametrize("over", ["http", "mcp"])
async def test_a_tool_that_refuses_says_why(tools, over):
    await tools.ask(over, "book_slot", slot=SLOT)
    reply = await tools.ask(over, "book_slot", slot=SLOT)
    assert reply.result is Result.FAILED
    assert "That time is taken" in str(reply.answer)
    assert tools.bookings == [SLOT]
    assert all(one.headers.get("idempotency-key") == "k1" for one in tools.simulator.tools.called if one.over == "http")


async def test_a_server_tells_only_tools_that_its_author_lets_the_model_use(tools):
    offered = await tools.tools.mcp(tools.own.mcp[0], tools.context())
    assert [(one.name, one.consequences) for one in offered] == [
        ("calendar__free_slots", False), ("calendar__book_slot", True),
    ]  # fmt: skip


async def test_a_list_of_tools_is_asked_for_once_and_a_session_is_kept(tools):
    await asyncio.gather(*(tools.mcp("free_slots") for _ in range(5)))
    tools.breaks(FaultKind.TOOL_ERROR, tool="tools/list", status=500)
    assert (await tools.mcp("free_slots")).result is Result.OK


BROKEN = [
    (FaultKind.TOOL_ERROR, {"status": 500}, "http_500"),
    (FaultKind.TOOL_HANGS, {}, "timeout"),
    (FaultKind.TOOL_TRICKLES, {"delay_s": 0.5}, "timeout"),
    (FaultKind.TOOL_RESET, {}, "connection"),
    (FaultKind.TOOL_CUT, {}, "connection"),
]


@pytest.mark.parametrize("over", ["http", "mcp"])
@pytest.mark.parametrize(("kind", "how", "reason"), BROKEN)
async def test_of_what_breaks_nobody_knows_whether_it_was_done_and_it_is_asked_once(tools, over, kind, how, reason):
    if over == "mcp":
        await tools.mcp("free_slots")  # the session is open
    tools.breaks(kind, tool="book_slot", **how)
    began = asyncio.get_running_loop().time()
    reply = await tools.ask(over, "book_slot", slot=SLOT)
    assert asyncio.get_running_loop().time() - began < 10
    asked = [one for one in tools.simulator.tools.called if one.tool == "book_slot"]
    assert len(asked) == 1
    if kind is FaultKind.TOOL_CUT and over == "http":
        assert reply.result in (Result.OK, Result.UNKNOWN)  # nothing says that half of an answer is half
    else:
        assert reply.result is Result.UNKNOWN
    assert over == "mcp" or reply.reason in (reason, None)


@pytest.mark.parametrize("over", ["http", "mcp"])
@pytest.mark.parametrize(
    "kind",
    [FaultKind.TOOL_HANGS, FaultKind.TOOL_RESET, FaultKind.TOOL_ENDLESS, FaultKind.TOOL_BROKEN_JSON,
     FaultKind.TOOL_EMPTY, FaultKind.TOOL_NONSENSE],
)  # fmt: skip
async def test_whatever_a_tool_does_that_changes_nothing_ends_in_time_and_is_never_uncertain(tools, over, kind):
    tools.breaks(kind, tool="free_slots")
    began = asyncio.get_running_loop().time()
    reply = await tools.ask(over, "free_slots")
    assert asyncio.get_running_loop().time() - began < 10
    assert reply.result in (Result.OK, Result.FAILED)
    assert len(str(reply.answer)) < 70_000
    assert (await tools.http("book_slot", slot=SLOT)).result is Result.OK, "others are served"


async def test_what_changes_nothing_is_tried_once_more(tools):
    tools.breaks(FaultKind.TOOL_ERROR, tool="free_slots", status=503, count=1)
    assert (await tools.http("free_slots")).result is Result.OK
    tools.breaks(FaultKind.TOOL_ERROR, tool="book_slot", status=503, count=1)
    assert (await tools.http("book_slot", slot=SLOT)).result is Result.UNKNOWN
    assert tools.bookings == []


@pytest.mark.parametrize("over", ["http", "mcp"])
async def test_nothing_is_followed_elsewhere(tools, over):
    tools.breaks(FaultKind.TOOL_REDIRECTED, tool="book_slot")
    reply = await tools.ask(over, "book_slot", slot=SLOT)
    assert reply.result in (Result.FAILED, Result.UNKNOWN)
    assert tools.bookings == []
    assert len([one for one in tools.simulator.tools.called if one.tool == "book_slot"]) == 1


@pytest.mark.parametrize("allowed", ["", "10.0.0.0/8"])
async def test_private_addresses_are_reached_only_where_the_operator_allows_it(allowed):
    async with reached(allowed) as tools:
        assert await tools.http("book_slot", slot=SLOT) == Reply(result=Result.FAILED, reason="refused_address")
        with pytest.raises(ServerAway, match="refused_address"):
            await tools.mcp("book_slot", slot=SLOT)
        assert not tools.simulator.tools.called


async def test_a_name_that_leads_elsewhere_the_second_time_is_not_reached():
    found = [["93.184.216.34"], ["169.254.169.254"]]

    async def resolve(host, port):
        return [ipaddress.ip_address(one) for one in (found.pop(0) if len(found) > 1 else found[0])]

    source = SOURCE.replace("BASE", "https://calendar.example.com")
    tool = parse_llm(AGENT + source).own_tools.http[1]
    access = ToolAccess(Allowed(), lambda workspace_id: secrets, resolve=resolve)
    found.pop(0)
    reply = await access.of("ws").http(tool).ask({}, Context(known={}, defaults={}, secrets=secrets, key="k"))
    await access.aclose()
    assert reply == Reply(result=Result.FAILED, reason="refused_address")


async def test_a_secret_that_is_missing_sends_nothing(tools):
    async def none(names, host):
        raise SecretMissing(min(names))

    [tool] = [one for one in tools.own.http if one.name == "free_slots"]
    context = Context(known={}, defaults={}, secrets=none, key="k")
    reply = await tools.tools.http(tool).ask({}, context)
    assert reply == Reply(result=Result.FAILED, reason="secret_missing")
    assert not tools.simulator.tools.called


async def test_a_server_that_is_away_says_so_in_time_and_is_not_asked_again_at_once(tools):
    tools.breaks(FaultKind.TOOL_ERROR, tool="server/discover", status=500)
    tools.breaks(FaultKind.TOOL_ERROR, tool="initialize", status=500)
    for _ in range(2):
        with pytest.raises(ServerAway, match="http_500"):
            await tools.mcp("free_slots")


async def test_who_stops_waiting_leaves_nothing_behind(tools):
    tools.breaks(FaultKind.TOOL_HANGS, tool="book_slot")
    asking = asyncio.create_task(tools.http("book_slot", slot=SLOT))
    over_mcp = asyncio.create_task(tools.mcp("book_slot", slot=SLOT))
    await asyncio.sleep(ASKED_S)
    for task in (asking, over_mcp):
        task.cancel()
    await asyncio.wait([asking, over_mcp])
    for called in [one for one in tools.simulator.tools.called if one.tool == "book_slot"]:
        async with asyncio.timeout(30):
            await called.ended.wait()


async def test_nothing_that_is_asked_or_answered_is_logged(tools, caplog):
    caplog.set_level(logging.DEBUG)
    for over in ("http", "mcp"):
        await tools.ask(over, "free_slots", day="Friday the secret one")
        tools.breaks(FaultKind.TOOL_BROKEN_JSON, tool="free_slots", count=1)
        await tools.ask(over, "free_slots", day="Friday the secret one")
    said = "".join(record.getMessage() for record in caplog.records)
    assert "secret one" not in said
    assert "morning" not in said
    assert KEY not in said


async def test_a_server_that_gives_a_secret_back_does_not_give_it_to_the_model():
    async def echo(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        body = f'{{"you sent": "{head.split("authorization: ")[1].splitlines()[0]}"}}'
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    access = ToolAccess(Allowed.parse("127.0.0.1"), lambda workspace_id: secrets)
    tool = parse_llm(AGENT + SOURCE.replace("BASE", base)).own_tools.http[0]
    reply = await access.of("ws").http(tool).ask({}, Context(known={}, defaults={}, secrets=secrets, key="k"))
    await access.aclose()
    server.close()
    assert reply.answer == {"you sent": "bearer [secret]"}


