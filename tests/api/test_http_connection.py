"""What a stranger can't do to a connection: endless heads, endless waiting. In virtual time over a wire of our own."""

import asyncio
import functools
import logging

import pytest

import virtual_time
from api.wire import Echo, Wire
from outdial.api.connections import ConnectionLimits, Connections
from outdial.api.http_connection import LAST_WORD_S, MAX_HEAD_BYTES, MAX_HEADERS
from outdial.api.media_socket import media_sockets

HELLO = b"GET /hello HTTP/1.1\r\nHost: x\r\n"


def in_virtual_time(test):
    @functools.wraps(test)
    def run(*args, **kwargs):
        virtual_time.run(test(*args, **kwargs))

    return run


def looking(wire):
    return asyncio.create_task(wire.connections.run())


async def let_run():
    await asyncio.sleep(0.01)


# -- heads ---------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_usual_request_is_answered_and_the_next_one_too():
    app = Echo()
    wire = Wire(app)
    for _ in range(3):
        wire.send(HELLO + b"\r\n")
        await let_run()
    wire.send(b"POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nabcd")
    await let_run()
    assert app.seen == [("/hello", 0)] * 3 + [("/form", 4)]
    assert (wire.statuses, wire.closed_at) == ([200] * 4, None)


def headers(count, size=1):
    return b"".join(b"X-%d: %s\r\n" % (number, b"a" * size) for number in range(count))


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(HELLO + headers(MAX_HEADERS) + b"\r\n", id="more than so many headers"),
        pytest.param(HELLO + headers(20, 2000) + b"\r\n", id="headers that are too long together"),
        pytest.param(HELLO + headers(1, 40_000) + b"\r\n", id="one header that is too long"),
        pytest.param(b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", id="an address that is too long"),
    ],
)
@pytest.mark.parametrize("piece", [1_000_000, 1000, 7], ids=["at once", "in pieces", "in drops"])
@in_virtual_time
async def test_a_head_that_is_too_large_is_refused_and_the_connection_closed(head, piece, caplog):
    app = Echo()
    wire = Wire(app)
    with caplog.at_level(logging.WARNING):
        for at in range(0, len(head), piece):
            wire.send(head[at : at + piece])
        await let_run()
    assert wire.statuses == [431]
    assert wire.problem["code"] == "headers_too_large"
    assert b"connection: close" in wire.came.lower()
    assert wire.closed_at is not None
    assert app.seen == []
    assert len(wire.connections) == 0
    assert caplog.records == []


@in_virtual_time
async def test_the_largest_head_is_taken():
    app = Echo()
    wire = Wire(app)
    wire.send(HELLO + headers(MAX_HEADERS - 1, 300) + b"\r\n")
    await let_run()
    assert (wire.statuses, app.seen) == ([200], [("/hello", 0)])


@pytest.mark.parametrize(
    "endless",
    [b"X-%d: " + b"a" * 60_000 + b"\r\n", b"a" * 1000, b"\r\n" * 1000],
    ids=["headers", "one header", "empty lines"],
)
@in_virtual_time
async def test_what_never_ends_is_cut_off_soon(endless):
    wire = Wire(Echo())
    wire.send(HELLO + b"X-A: " if b"\r\n" not in endless else HELLO if b"X" in endless else b"\r\n")
    sent = 0
    while wire.closed_at is None and sent < 10_000_000:
        wire.send(endless)
        sent += len(endless)
    assert sent <= MAX_HEAD_BYTES + 2 * len(endless)
    assert wire.statuses == [431]


@in_virtual_time
async def test_what_follows_a_body_in_chunks_counts_as_its_head_does():
    """Trailers come when the app has the request already; they would be kept all the same."""
    post = b"POST /form HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    for endless in (b"X-T: " + b"a" * 1000 + b"\r\n", b"a" * 1000):
        app = Echo()
        wire = Wire(app)
        wire.send(post + b"3\r\nabc\r\n0\r\n")
        wire.send(b"X-T: a")
        for _ in range(80):
            wire.send(endless)
        await let_run()
        assert (wire.statuses, app.seen) == ([431], ["left"])


@in_virtual_time
async def test_a_body_in_small_chunks_is_no_head():
    app = Echo()
    wire = Wire(app)
    wire.send(b"POST /form HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(30_000):
        wire.send(b"1\r\na\r\n")
    wire.send(b"0\r\n\r\n")
    await let_run()
    assert (wire.statuses, app.seen) == ([200], [("/form", 30_000)])


@in_virtual_time
async def test_what_is_no_http_is_answered_without_a_log_line(caplog):
    with caplog.at_level(logging.DEBUG):
        wire = Wire(Echo())
        wire.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        upgrade = Wire(Echo())
        upgrade.send(HELLO + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n")
        await let_run()
    assert (wire.statuses, wire.problem["code"], upgrade.statuses) == ([400], "not_http", [200])
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []


# -- time ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("begun", "statuses"),
    [(b"", []), (HELLO, [408]), (HELLO + b"Upgrade: websocket\r\nConnection: Upgrade\r\n", [408])],
    ids=["nothing", "half a head", "half a handshake"],
)
@in_virtual_time
async def test_who_does_not_ask_in_time_is_let_go(begun, statuses):
    wire = Wire(Echo())
    task = looking(wire)
    if begun:
        wire.send(begun)
    for _ in range(25):
        await asyncio.sleep(1)
        if begun:
            wire.send(b"a")  # a sign of life isn't enough
    assert wire.statuses == statuses
    assert 15 <= wire.closed_at <= 16 + LAST_WORD_S
    assert wire.was_reset == bool(begun)
    assert len(wire.connections) == 0
    task.cancel()


@in_virtual_time
async def test_a_body_that_does_not_come_ends_the_request():
    app = Echo()
    wire = Wire(app)
    task = looking(wire)
    wire.send(b"POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\na=")
    await asyncio.sleep(35)
    assert (wire.statuses, app.seen) == ([408], ["left"])
    assert wire.problem["code"] == "request_timeout"
    assert 30 <= wire.closed_at <= 31 + LAST_WORD_S
    task.cancel()


@in_virtual_time
async def test_a_long_body_on_a_slow_line_is_waited_for():
    app = Echo()
    wire = Wire(app)
    task = looking(wire)
    wire.send(b"POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n")
    for _ in range(180):  # three minutes at 40 kbit/s
        await asyncio.sleep(1)
        wire.send(b"a" * 5000)
    await let_run()
    assert (wire.statuses, app.seen) == ([200], [("/form", 900_000)])
    task.cancel()


@in_virtual_time
async def test_a_handler_that_takes_its_time_to_read_is_not_the_clients_fault():
    app = Echo(slow_s=100)
    wire = Wire(app)
    task = looking(wire)
    wire.send(b"POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + b"a" * 70_000)
    wire.send(b"a" * 130_000)
    await asyncio.sleep(101)
    assert (wire.statuses, app.seen) == ([200], [("/form", 200_000)])
    task.cancel()


@in_virtual_time
async def test_an_answer_that_takes_long_is_no_waiting():
    wire = Wire(Echo(slow_s=60))
    task = looking(wire)
    wire.send(HELLO + b"\r\n")
    await asyncio.sleep(61)
    assert wire.statuses == [200]
    await asyncio.sleep(16)
    assert wire.closed_at is not None, "an idle connection is closed"
    task.cancel()


# -- places --------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_who_finds_no_place_is_told_so():
    limits = ConnectionLimits(in_all=1)
    connections = Connections(limits)
    held = Wire(Echo(slow_s=5), connections=connections)
    held.send(HELLO + b"\r\n")
    late = Wire(Echo(), connections=connections)
    await let_run()
    assert (late.statuses, late.problem["code"]) == ([503], "too_many_connections")
    assert b"retry-after: 2" in late.came.lower()
    await asyncio.sleep(5)
    assert held.statuses == [200]


HANDSHAKE = (
    b"GET /media/x HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


class Call:
    def received(self, message): ...
    def disconnected(self, *, orderly): ...


@pytest.mark.parametrize(("good", "status", "counted"), [(True, 101, 0), (False, 403, 0)])
@in_virtual_time
async def test_a_calls_audio_takes_no_place_once_its_handshake_is_good(good, status, counted):
    async def handshake(path, headers):
        await asyncio.sleep(3)
        return (lambda socket: Call()) if good else None

    wire = Wire(Echo(), ws=media_sockets(handshake))
    wire.send(HANDSHAKE + b"\r\n")
    await asyncio.sleep(2)
    assert len(wire.connections) == 1, "a stranger until then"
    await asyncio.sleep(2)
    assert (wire.statuses, len(wire.connections)) == ([status], counted)
    assert (wire.closed_at is None) == good


@in_virtual_time
async def test_a_handshake_has_the_limits_of_every_head():
    async def handshake(path, headers):
        raise AssertionError("it never gets here")

    wire = Wire(Echo(), ws=media_sockets(handshake))
    wire.send(HANDSHAKE + headers(200) + b"\r\n")
    await let_run()
    assert wire.statuses == [431]
