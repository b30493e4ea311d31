"""Tools over HTTP: JSON in and out, and what goes wrong."""

import asyncio

import httpx
import pytest

from outdial.simulator.faults import Fault, FaultKind

pytestmark = pytest.mark.asyncio(loop_scope="session")

SLOT = {"slot": "Friday at nine in the morning", "name": "Jane Miller"}


@pytest.fixture
def http(setup, tools):
    return setup.http


@pytest.fixture
def fault(setup):
    def add(kind, **fields):
        setup.simulator.network.faults.add(Fault(kind=kind, count=1, **fields))

    return add


async def test_the_tools_are_listed_with_their_schemas(http):
    listed = (await http.get("/tools")).json()["tools"]
    assert [(tool["method"], tool["path"]) for tool in listed] == [
        ("GET", "/tools/look_up_appointment"),
        ("GET", "/tools/free_slots"),
        ("POST", "/tools/book_slot"),
    ]
    assert listed[2]["parameters"]["required"] == ["slot"]


async def test_tools_are_called(http, tools):
    free = await http.get("/tools/free_slots", params={"day": "Monday"})
    assert free.json() == {"slots": ["Monday at half past eleven in the morning", "Monday at four in the afternoon"]}
    booked = await http.post("/tools/book_slot", json=SLOT)
    assert booked.json() == {"booked": SLOT["slot"], "name": "Jane Miller", "reference": "R-1"}
    assert SLOT["slot"] not in (await http.post("/tools/free_slots")).json()["slots"]
    now = (await http.post("/tools/look_up_appointment", json={"name": "Jane Miller"})).json()
    assert (now["day"], now["time"]) == ("Friday", "nine in the morning")
    assert [(each.tool, each.arguments, each.over) for each in tools.called][1] == ("book_slot", SLOT, "http")


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("POST", "/tools/send_money", "{}", 404),
        ("GET", "/tools/book_slot?slot=x", "", 405),
        ("POST", "/tools/book_slot", "{", 400),
        ("POST", "/tools/book_slot", "[]", 422),
        ("POST", "/tools/book_slot", "{}", 422),
        ("POST", "/tools/book_slot", '{"slot": 7}', 422),
        ("POST", "/tools/book_slot", '{"slot": "Sunday"}', 409),
        ("POST", "/tools/book_slot", '{"slot": "' + "x" * 1024 * 1024 + '"}', 413),
    ],
)
async def test_a_wrong_call_is_refused_with_a_reason(http, tools, method, path, content, status):
    reply = await http.request(method, path, content=content)
    assert reply.status_code == status
    assert reply.json()["error"]
    assert tools.calendar.bookings == []


async def test_what_is_taken_is_not_booked_again(http, tools):
    for status in (200, 409):
        assert (await http.post("/tools/book_slot", json=SLOT)).status_code == status
    assert len(tools.calendar.bookings) == 1


async def test_only_who_has_the_key_is_served(start):
    async with start(tool_key="tool-key-1") as setup:
        for path in ("/tools/book_slot", "/mcp"):
            assert (await setup.http.post(path, json=SLOT)).status_code == 401
        keyed = await setup.http.post(
            "/tools/book_slot", json=SLOT, headers={"Authorization": "Bearer tool-key-1"}, auth=None
        )
        assert keyed.status_code == 200


@pytest.mark.parametrize(
    ("kind", "fields", "status", "done"),
    [
        (FaultKind.TOOL_ERROR, {"status": 502}, 502, False),
        (FaultKind.TOOL_THROTTLED, {"delay_s": 9}, 429, False),
        (FaultKind.TOOL_REDIRECTED, {}, 307, False),
        (FaultKind.TOOL_FAILED, {}, 409, False),
        (FaultKind.TOOL_EMPTY, {}, 200, True),
        (FaultKind.TOOL_NONSENSE, {}, 200, True),
        (FaultKind.TOOL_HOSTILE, {}, 200, True),
    ],
)
async def test_a_reply_that_goes_wrong(http, tools, fault, kind, fields, status, done):
    fault(kind, **fields)
    reply = await http.post("/tools/book_slot", json=SLOT)
    assert reply.status_code == status
    assert reply.headers.get("retry-after") == ("9" if kind is FaultKind.TOOL_THROTTLED else None)
    assert (reply.content == b"") is (kind in (FaultKind.TOOL_EMPTY, FaultKind.TOOL_REDIRECTED))
    assert bool(tools.calendar.bookings) is tools.called[-1].done is done


@pytest.mark.parametrize("kind", [FaultKind.TOOL_CUT, FaultKind.TOOL_BROKEN_JSON])
async def test_a_reply_that_is_no_json(http, tools, fault, kind):
    fault(kind)
    reply = await http.post("/tools/book_slot", json=SLOT)
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        reply.json()
    assert tools.calendar.bookings


async def test_a_connection_that_breaks_without_a_reply(http, tools, fault):
    fault(FaultKind.TOOL_RESET)
    with pytest.raises(httpx.RemoteProtocolError):
        await http.post("/tools/book_slot", json=SLOT)
    assert tools.calendar.bookings


async def test_a_reply_that_is_slow(http, tools, fault):
    fault(FaultKind.TOOL_SLOW, delay_s=2)
    assert (await http.post("/tools/book_slot", json=SLOT)).status_code == 200
    assert tools.called[-1].ended_at_s - tools.called[-1].at_s >= 2


@pytest.mark.parametrize("kind", [FaultKind.TOOL_HANGS, FaultKind.TOOL_TRICKLES])
async def test_a_reply_that_never_ends(http, tools, fault, kind):
    fault(kind, delay_s=1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3):
            await http.post("/tools/book_slot", json=SLOT)
    await tools.called[-1].ended.wait()
    assert not tools.called[-1].whole


async def test_a_body_without_end(http, tools, fault):
    fault(FaultKind.TOOL_ENDLESS)
    size = 0
    async with http.stream("POST", "/tools/book_slot", json=SLOT) as reply:
        async for part in reply.aiter_raw():
            size += len(part)
            if size > 5_000_000:
                break
    await tools.called[-1].ended.wait()
    assert not tools.called[-1].whole


async def test_a_fault_may_be_of_one_tool(http, fault):
    fault(FaultKind.TOOL_ERROR, tool="book_slot")
    assert (await http.post("/tools/free_slots")).status_code == 200
    assert (await http.post("/tools/book_slot", json=SLOT)).status_code == 503


async def test_the_control_api_tells_what_was_called_and_forgets_it(http):
    await http.post("/tools/book_slot", json=SLOT)
    told = (await http.get("/_simulator/tools/called")).json()
    assert told["bookings"] == [SLOT["slot"]]
    [called] = told["called"]
    assert (called["tool"], called["arguments"], called["done"], called["whole"]) == ("book_slot", SLOT, True, True)
    await http.delete("/_simulator/tools/called")
    assert (await http.get("/_simulator/tools/called")).json() == {"called": [], "bookings": []}
