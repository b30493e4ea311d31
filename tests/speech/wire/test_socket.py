"""The websocket to a vendor, against a real server on loopback."""

import asyncio
import http
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import serve
from websockets.client import ClientProtocol
from websockets.protocol import State
from websockets.uri import parse_uri
from websockets.utils import accept_key

from outdial.speech.vendor import KeyMissing
from outdial.speech.wire import socket as wire
from outdial.speech.wire.connection import Connection
from outdial.speech.wire.failures import Fault, VendorFailed
from outdial.speech.wire.socket import Endpoint, open_socket


class Heard:
    """A receiver that keeps what it is told."""

    def __init__(self):
        self.messages = []
        self.failures = []
        self.changed = asyncio.Event()

    def message(self, message):
        self.messages.append(message)
        self.changed.set()
        if message == "nonsense":
            raise ValueError

    def gone(self, failure):
        self.failures.append(failure)
        self.changed.set()

    async def until(self, done):
        async with asyncio.timeout(30):
            while not done(self):
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def vendor(handler, **options):
    async with serve(handler, "127.0.0.1", 0, ping_interval=None, **options) as server:
        port = server.sockets[0].getsockname()[1]
        yield Endpoint(url=f"ws://127.0.0.1:{port}/speak", headers={"Authorization": "Token k"})


def test_messages_go_both_ways_on_the_loop_that_serves_calls():
    """`outdial serve` runs on uvloop, whose transports are asyncio's by their methods alone."""
    uvloop = pytest.importorskip("uvloop")

    async def talk():
        async with vendor(echo_once) as endpoint:
            heard = Heard()
            socket = await open_socket(endpoint, heard)
            socket.send("hello")
            await heard.until(lambda told: told.messages == ["hello"])
            socket.close()

    async def echo_once(connection):
        await connection.send(await connection.recv())

    uvloop.run(talk())


async def test_messages_go_both_ways_with_the_key_in_the_handshake():
    keys = []

    async def echo(connection):
        keys.append(connection.request.headers["Authorization"])
        async for message in connection:
            await connection.send(message)

    async with vendor(echo) as endpoint:
        heard = Heard()
        opened = await open_socket(endpoint, heard)
        opened.send("words")
        opened.send(b"\x00\xff")
        await heard.until(lambda it: len(it.messages) == 2)
        opened.close()
        assert not opened.is_open
    assert keys == ["Token k"]
    assert heard.messages == ["words", b"\x00\xff"]
    assert heard.failures == []  # whoever closes isn't told


async def test_a_message_in_fragments_is_one_message():
    async def tell(connection):
        await connection.send(["one ", "two ", "three"])
        await connection.wait_closed()

    async with vendor(tell) as endpoint:
        heard = Heard()
        opened = await open_socket(endpoint, heard)
        await heard.until(lambda it: it.messages)
        opened.close()
    assert heard.messages == ["one two three"]


@pytest.mark.parametrize(("code", "reason", "fault"), [
    (1000, "connection idle timeout", Fault.IDLE),
    (1008, "quota_exceeded", Fault.NO_CREDIT),
    (1011, "", Fault.LOST),
])  # fmt: skip
async def test_a_close_by_the_vendor_is_told_once_with_its_meaning(code, reason, fault):
    async def close(connection):
        await connection.close(code, reason)

    async with vendor(close) as endpoint:
        heard = Heard()
        opened = await open_socket(endpoint, heard)
        await heard.until(lambda it: it.failures)
        opened.send("into nothing")
        assert not opened.is_open
    assert [(it.fault, it.code) for it in heard.failures] == [(fault, code)]


async def test_a_vendor_that_says_goodbye_and_keeps_the_line_is_gone_all_the_same():
    hung_up = asyncio.Event()

    async def say_goodbye(reader, writer):
        asked = (await reader.readuntil(b"\r\n\r\n")).decode()
        [key] = [line.split()[1] for line in asked.splitlines() if line.lower().startswith("sec-websocket-key")]
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            + f"Sec-WebSocket-Accept: {accept_key(key)}\r\n\r\n".encode()
            + b"\x88\x02\x03\xf3"  # close, 1011
        )
        while await reader.read(1000):
            pass
        writer.close()
        hung_up.set()

    server = await asyncio.start_server(say_goodbye, "127.0.0.1", 0)
    async with server, asyncio.timeout(30):
        port = server.sockets[0].getsockname()[1]
        heard = Heard()
        opened = await open_socket(Endpoint(url=f"ws://127.0.0.1:{port}/speak"), heard)
        await heard.until(lambda it: it.failures)
        assert not opened.is_open
        await hung_up.wait()
    assert [(it.fault, it.code) for it in heard.failures] == [(Fault.LOST, 1011)]


async def test_a_connection_that_breaks_without_a_close_is_lost():
    async def drop(connection):
        connection.transport.abort()

    async with vendor(drop) as endpoint:
        heard = Heard()
        await open_socket(endpoint, heard)
        await heard.until(lambda it: it.failures)
    assert [(it.fault, it.code) for it in heard.failures] == [(Fault.LOST, 1006)]


async def test_what_is_not_of_the_protocol_gives_the_connection_up():
    async def talk(connection):
        await connection.send("nonsense")
        await connection.wait_closed()

    async with vendor(talk) as endpoint:
        heard = Heard()
        opened = await open_socket(endpoint, heard)
        await heard.until(lambda it: it.failures)
        assert not opened.is_open
    assert [it.fault for it in heard.failures] == [Fault.UNREADABLE]


@pytest.mark.parametrize(("status", "body", "fault"), [
    (401, b'{"detail":{"status":"quota_exceeded"}}', Fault.NO_CREDIT),
    (429, b"", Fault.BUSY),
    (403, b"", Fault.UNAUTHORIZED),
])  # fmt: skip
async def test_a_refused_handshake_says_why(status, body, fault):
    def refuse(connection, request):
        return connection.respond(http.HTTPStatus(status), body.decode())

    async with vendor(None, process_request=refuse) as endpoint:
        with pytest.raises(VendorFailed) as raised:
            await open_socket(endpoint, Heard())
    assert (raised.value.fault, raised.value.status) == (fault, status)


async def test_a_server_that_never_answers_the_handshake_is_waited_for_no_longer_than_the_limit(monkeypatch):
    monkeypatch.setattr(wire, "OPEN_S", 0.1)
    over = asyncio.Event()

    async def silent(reader, writer):
        while await reader.read(1000):
            pass
        writer.close()
        over.set()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(VendorFailed) as raised:
            await open_socket(Endpoint(url=f"ws://127.0.0.1:{port}"), Heard())
        await asyncio.wait_for(over.wait(), 30)
    assert raised.value.fault is Fault.UNREACHABLE


async def test_a_port_where_nobody_listens_is_unreachable():
    with pytest.raises(VendorFailed) as raised:
        await open_socket(Endpoint(url="ws://127.0.0.1:1"), Heard())
    assert raised.value.fault is Fault.UNREACHABLE


def test_the_key_is_in_no_representation_of_an_endpoint():
    assert "secret" not in repr(Endpoint(url="wss://vendor.example", headers={"xi-api-key": "secret"}))


class Full(asyncio.Transport):
    """A transport whose other side reads nothing."""

    def __init__(self):
        super().__init__()
        self.unsent = 0
        self.aborted = False

    def write(self, data):
        self.unsent += len(data)

    def get_write_buffer_size(self):
        return self.unsent

    def abort(self):
        self.aborted = True


async def test_a_vendor_that_stops_reading_is_cut_off():
    heard, transport = Heard(), Full()
    protocol = ClientProtocol(parse_uri("ws://vendor.example"), state=State.OPEN)
    opened = wire.Socket(protocol, heard)
    opened.opened.set_result(None)
    opened.connection_made(transport)
    opened.send(bytes(100_000))
    assert opened.is_open
    opened.send(bytes(200_000))
    assert not opened.is_open
    assert transport.aborted
    assert [it.fault for it in heard.failures] == [Fault.SLOW]


# -- kept open -----------------------------------------------------------------------------------------------


class Wires:
    """Opens wires in memory; `outcomes` says how each opening ends."""

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.opened = []
        self.delay_s = 0.0

    async def __call__(self, endpoint, receiver):
        await asyncio.sleep(self.delay_s)
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if outcome is not None:
            raise VendorFailed(outcome)
        self.opened.append(InMemory(receiver))
        return self.opened[-1]


class InMemory:
    def __init__(self, receiver):
        self.receiver = receiver
        self.is_open = True
        self.last = None

    def send(self, message):
        pass

    def close(self, last=None):
        self.is_open = False
        self.last = last


async def endpoint():
    return Endpoint(url="ws://vendor.example")


def connection(wires):
    return Connection(wires, endpoint, Heard)


async def test_what_was_opened_ahead_is_what_the_work_gets():
    wires = Wires()
    kept = connection(wires)
    kept.open_ahead()
    kept.open_ahead()
    assert await kept.wire() is await kept.wire() is wires.opened[0]
    await kept.aclose("bye")
    assert (len(wires.opened), wires.opened[0].last) == (1, "bye")


async def test_a_lost_websocket_is_opened_again_with_a_receiver_of_its_own():
    wires = Wires()
    kept = connection(wires)
    first = await kept.wire()
    first.is_open = False
    second = await kept.wire()
    assert second is not first
    assert second.receiver is not first.receiver
    await kept.aclose()


async def test_a_handshake_is_tried_twice_where_that_may_help():
    wires = Wires(Fault.BUSY)
    kept = connection(wires)
    assert (await kept.wire()).is_open
    await kept.aclose()

    twice = Wires(Fault.BUSY, Fault.UNREACHABLE)
    kept = connection(twice)
    with pytest.raises(VendorFailed):
        await kept.wire()
    assert twice.outcomes == []
    await kept.aclose()


async def test_a_refusal_is_for_ever():
    wires = Wires(Fault.NO_CREDIT)
    kept = connection(wires)
    for _ in range(3):
        kept.open_ahead()
        with pytest.raises(VendorFailed) as raised:
            await kept.wire()
        assert raised.value.fault is Fault.NO_CREDIT
    assert wires.opened == []
    await kept.aclose()


async def test_without_a_key_nobody_is_connected_to():
    async def no_key():
        raise KeyMissing("set deepgram_api_key")

    wires = Wires()
    kept = Connection(wires, no_key, Heard)
    with pytest.raises(VendorFailed) as raised:
        await kept.wire()
    assert (raised.value.fault, raised.value.word) == (Fault.UNAUTHORIZED, "no_key")
    assert wires.opened == []
    await kept.aclose()


async def test_nothing_is_left_of_a_websocket_that_was_still_being_opened():
    wires = Wires()
    wires.delay_s = 60
    kept = connection(wires)
    waiting = asyncio.create_task(kept.wire())
    await asyncio.sleep(0)
    await kept.aclose()
    with pytest.raises(VendorFailed):
        await waiting
    assert wires.opened == []
    with pytest.raises(VendorFailed):
        await kept.wire()


async def test_a_vendor_that_closes_idle_sockets_is_not_asked_for_ever():
    wires = Wires()
    kept = connection(wires)
    for _ in range(10):
        kept.open_ahead()
        await asyncio.sleep(0.001)
        if kept.is_open:
            wires.opened[-1].is_open = False
    assert len(wires.opened) == 3
    await kept.aclose()
