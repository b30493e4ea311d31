"""What a client of MCP may do wrong, and what it is told."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from outdial.simulator.tools import mcp

META = {"io.modelcontextprotocol/protocolVersion": mcp.VERSION, "io.modelcontextprotocol/clientCapabilities": {}}
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
ALONE = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": META}}
HEADERS = {"mcp-protocol-version": mcp.VERSION, "mcp-method": "tools/list"}
CALL = {
    "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "free_slots", "arguments": {}, "_meta": META}
}  # fmt: skip


def read(message, headers=()):
    return mcp.read(json.dumps(message).encode(), dict(headers))


def test_a_version_tells_the_eras_apart():
    assert not read(LIST).stands_alone
    assert not read(LIST, {"mcp-protocol-version": "2025-06-18"}).stands_alone
    assert read(ALONE, HEADERS).stands_alone


@pytest.mark.parametrize(
    ("message", "headers", "code"),
    [
        ([LIST], {}, mcp.INVALID_REQUEST),
        ({**LIST, "jsonrpc": "1.0"}, {}, mcp.INVALID_REQUEST),
        ({**LIST, "params": []}, {}, mcp.INVALID_REQUEST),
        ({**LIST, "id": True}, {}, mcp.INVALID_REQUEST),
        ({**LIST, "id": {}}, {}, mcp.INVALID_REQUEST),
        (LIST, HEADERS, mcp.INVALID_PARAMS),
        (ALONE, {**HEADERS, "mcp-method": "tools/call"}, mcp.HEADER_MISMATCH),
        (ALONE, {"mcp-protocol-version": mcp.VERSION}, mcp.HEADER_MISMATCH),
        (ALONE, {**HEADERS, "mcp-protocol-version": "2027-01-01"}, mcp.HEADER_MISMATCH),
        (CALL, {**HEADERS, "mcp-method": "tools/call", "mcp-name": "book_slot"}, mcp.HEADER_MISMATCH),
    ],
)
def test_what_makes_no_sense_is_refused(message, headers, code):
    with pytest.raises(mcp.Wrong) as wrong:
        read(message, headers)
    assert wrong.value.code == code


def test_a_version_that_nobody_knows_is_answered_with_those_there_are():
    meta = {**META, "io.modelcontextprotocol/protocolVersion": "2099-01-01"}
    with pytest.raises(mcp.Wrong) as wrong:
        read({**ALONE, "params": {"_meta": meta}}, {**HEADERS, "mcp-protocol-version": "2099-01-01"})
    assert wrong.value.code == mcp.UNSUPPORTED_VERSION
    assert wrong.value.data == {"supported": [mcp.VERSION], "requested": "2099-01-01"}


def test_a_name_may_be_wrapped():
    headers = {**HEADERS, "mcp-method": "tools/call", "mcp-name": "=?base64?ZnJlZV9zbG90cw==?="}
    assert mcp.answer(read(CALL, headers)).tool.name == "free_slots"


@pytest.mark.parametrize("method", ["initialize", "ping", "resources/list"])
def test_what_the_other_era_has_is_no_method(method):
    request = read({**ALONE, "method": method}, {**HEADERS, "mcp-method": method})
    with pytest.raises(mcp.Wrong) as wrong:
        mcp.answer(request)
    assert wrong.value.code == mcp.NO_SUCH_METHOD


@pytest.mark.parametrize(("offered", "taken"), [("2024-11-05", "2024-11-05"), ("1999-01-01", "2025-11-25")])
def test_the_handshake_settles_the_version(offered, taken):
    request = read({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": offered}})
    assert mcp.answer(request)["protocolVersion"] == taken


@given(st.binary(max_size=60) | st.dictionaries(
    st.sampled_from(["jsonrpc", "id", "method", "params"]),
    st.sampled_from(["2.0", "tools/call", 1, None, {}, {"name": {}}, {"name": "free_slots", "arguments": 7}]),
).map(lambda message: json.dumps(message).encode()))  # fmt: skip
@example(b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": {}}}')
def test_nothing_that_is_sent_is_more_than_refused(raw):
    try:
        mcp.answer(mcp.read(raw, {}))
    except mcp.Wrong as wrong:
        told = mcp.STATUS[wrong.code]
    else:
        told = 200
    assert told in (200, 400, 404)


# -- on the wire


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize(
    ("method", "headers", "message", "status"),
    [
        ("GET", {}, None, 405),
        ("DELETE", {}, None, 405),
        ("POST", {"accept": "application/json"}, LIST, 406),
        ("POST", {}, {"jsonrpc": "2.0", "method": "notifications/initialized"}, 202),
        ("POST", {}, {**LIST, "method": "nothing"}, 200),
        ("POST", HEADERS, ALONE, 200),
        ("POST", {**HEADERS, "mcp-method": "nothing"}, {**ALONE, "method": "nothing"}, 404),
        ("POST", {}, LIST, 200),
    ],
)
async def test_replies(setup, tools, method, headers, message, status):
    reply = await setup.http.request(method, "/mcp", json=message, headers=headers, auth=None)
    assert reply.status_code == status


@pytest.mark.asyncio(loop_scope="session")
async def test_a_page_of_another_name_is_not_served(setup):
    reply = await setup.http.post("/mcp", json=LIST, headers={"Host": "evil.example"}, auth=None)
    assert reply.status_code == 400
