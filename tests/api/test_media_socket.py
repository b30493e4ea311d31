"""Media websockets: the protocol in virtual time over a transport of our own, and over TCP beside the HTTP API."""

import asyncio
import gc
import logging
import socket
from contextlib import asynccontextmanager
from types import SimpleNamespace

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

import virtual_time
from outdial.api.media_socket import (
    CLOSE_TIMEOUT_S,
    HANDSHAKE_TIMEOUT_S,
    MAX_MESSAGE_BYTES,
    MAX_UNSENT_BYTES,
    media_sockets,
)

PATH = "/media/twilio/attempt_1/token"


class Call:
    """Takes a websocket's messages, as a media line does; `echo` sends them back."""

    def __init__(self, echo=False):
        self.echo = echo
        self.messages = []
        self.disconnects = 0
        self.orderly = None
        self.socket = None

    def start(self, socket):
        self.socket = socket
        return self

    def received(self, message):
        self.messages.append(message)
        if self.echo:
            self.socket.send(message)
        if message == "break":
            raise ZeroDivisionError

    def disconnected(self, *, orderly):
        self.disconnects += 1
        self.orderly = orderly


def accepting(call):
    async def handshake(path, headers):
        return call.start

    return handshake


# -- the protocol in virtual time ----------------------------------------------------------------------------


class Pipe(asyncio.Transport):
    """What the server wrote, and what became of the connection. `stuck`: the peer has stopped reading."""

    def __init__(self, protocol):
        super().__init__()
        self.protocol = protocol
        self.wrote = bytearray()
        self.stuck = False
        self.lost_at = None
        self._closing = False
        protocol.connection_made(self)

    def write(self, data):
        assert not self._closing
        self.wrote += data

    def get_write_buffer_size(self):
        return len(self.wrote) if self.stuck else 0

    def is_closing(self):
        return self._closing

    def close(self):
        if not self._closing:
            self._closing = True
            if not self.stuck:
                asyncio.get_running_loop().call_soon(self.lose)

    def abort(self):
        self._closing = True
        asyncio.get_running_loop().call_soon(self.lose)

    def lose(self):
        if self.lost_at is None:
            self._closing = True
            self.lost_at = asyncio.get_running_loop().time()
            self.protocol.connection_lost(None)


class Peer:
    """A carrier's end of the websocket, in memory."""

    def __init__(self, handshake):
        self.connections = set()
        self.pipe = Pipe(
            media_sockets(handshake)(
                config=None, server_state=SimpleNamespace(connections=self.connections), app_state={}
            )
        )
        self.client = ClientProtocol(parse_uri(f"ws://outdial.example{PATH}"))
        self.client.send_request(self.client.connect())
        self.pass_on()

    def pass_on(self):
        """What the client has to say."""
        for data in self.client.data_to_send():
            if data and self.pipe.lost_at is None:
                self.pipe.protocol.data_received(data)

    async def read(self):
        """All that the server has sent by now, as events of the client's."""
        await asyncio.sleep(0.001)
        data, self.pipe.wrote = bytes(self.pipe.wrote), bytearray()
        if data:
            self.client.receive_data(data)
        return self.client.events_received()


def in_virtual_time(test):
    def run():
        async def main():
            await test()
            assert asyncio.all_tasks() == {asyncio.current_task()}

        virtual_time.run(main())

    run.__name__ = test.__name__
    return run


@in_virtual_time
async def test_a_handshake_nobody_decides_is_given_up():
    async def never(path, headers):
        await asyncio.get_running_loop().create_future()

    peer = Peer(never)
    await asyncio.sleep(HANDSHAKE_TIMEOUT_S - 0.1)
    assert await peer.read() == []
    await asyncio.sleep(0.2)
    (response,) = await peer.read()
    assert response.status_code == 503
    assert peer.connections == set()


@in_virtual_time
async def test_a_peer_that_leaves_during_the_handshake_starts_nothing():
    call, decide = Call(), asyncio.Event()

    async def slow(path, headers):
        await decide.wait()
        return call.start

    peer = Peer(slow)
    await asyncio.sleep(1)
    peer.pipe.lose()
    decide.set()
    await asyncio.sleep(1)
    assert call.socket is None
    assert peer.connections == set()


@in_virtual_time
async def test_a_peer_that_hangs_up_just_before_the_decision_starts_nothing():
    call, decide = Call(), asyncio.Event()

    async def slow(path, headers):
        await decide.wait()
        return call.start

    peer = Peer(slow)
    await asyncio.sleep(1)
    decide.set()
    peer.pipe.protocol.eof_received()  # the transport closes, but isn't gone yet
    await asyncio.sleep(1)
    assert call.socket is None
    assert peer.connections == set()


@in_virtual_time
async def test_a_request_that_is_no_handshake_gets_its_reason_even_when_its_peer_is_leaving():
    for leaves in (False, True):
        protocol = media_sockets(accepting(Call()))(
            config=None, server_state=SimpleNamespace(connections=set()), app_state={}
        )
        pipe = Pipe(protocol)
        protocol.data_received(b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        if leaves:
            protocol.eof_received()
        await asyncio.sleep(0.01)
        assert pipe.wrote.startswith(b"" if leaves else b"HTTP/1.1 400 ")
        assert pipe.lost_at is not None


@in_virtual_time
async def test_a_peer_that_never_answers_our_close_is_cut_off():
    call = Call()
    peer = Peer(accepting(call))
    await peer.read()
    began = asyncio.get_running_loop().time()
    call.socket.close(1000)
    call.socket.close(1000)
    assert call.disconnects == 0
    await asyncio.sleep(CLOSE_TIMEOUT_S + 1)
    assert peer.pipe.lost_at - began == pytest.approx(CLOSE_TIMEOUT_S)
    assert (call.disconnects, peer.connections) == (1, set())


@in_virtual_time
async def test_a_peer_that_stopped_reading_is_cut_off_once_too_much_waits_for_it():
    call = Call()
    peer = Peer(accepting(call))
    await peer.read()
    peer.pipe.stuck = True
    sent = 0
    while not peer.pipe.is_closing():
        call.socket.send("x" * 260)
        sent += 1
    call.socket.send("more")
    await asyncio.sleep(0)
    assert len(peer.pipe.wrote) == pytest.approx(MAX_UNSENT_BYTES, abs=600)
    assert (call.disconnects, peer.connections) == (1, set())
    call.socket.send("after the end")
    call.socket.close()


@in_virtual_time
async def test_a_peer_that_stopped_reading_delays_no_shutdown():
    call = Call()
    peer = Peer(accepting(call))
    await peer.read()
    peer.pipe.stuck = True
    peer.pipe.protocol.shutdown()
    await asyncio.sleep(CLOSE_TIMEOUT_S + 0.1)
    assert peer.connections == set()


@in_virtual_time
async def test_a_stop_that_comes_together_with_the_close_is_still_passed_on():
    call = Call()
    peer = Peer(accepting(call))
    await peer.read()
    peer.client.send_text(b"stop")
    peer.client.send_close(1000)
    peer.pipe.protocol.data_received(b"".join(peer.client.data_to_send()))
    await asyncio.sleep(0.01)
    assert call.messages == ["stop"]
    assert call.disconnects == 1


@in_virtual_time
async def test_a_close_in_due_form_is_told_from_a_broken_connection():
    for code, orderly in ((1000, True), (1001, True), (None, True), (1011, False), (4000, False)):
        call = Call()
        peer = Peer(accepting(call))
        await peer.read()
        peer.client.send_close(code)
        peer.pass_on()
        await asyncio.sleep(0.01)
        assert call.orderly is orderly


@in_virtual_time
async def test_a_connection_that_is_lost_without_a_word_is_not_closed_in_due_form():
    call = Call()
    peer = Peer(accepting(call))
    await peer.read()
    peer.pipe.protocol.connection_lost(ConnectionResetError())
    assert call.orderly is False


@in_virtual_time
async def test_a_message_that_breaks_its_call_ends_only_that():
    call = Call()
    peer = Peer(accepting(call))
    await peer.read()
    for message in (b"break", b"again", b"break"):
        peer.client.send_text(message)
    peer.pass_on()
    events = await peer.read()
    assert call.messages == ["break"]
    assert [event.opcode for event in events] == [Opcode.CLOSE]
    assert peer.client.close_rcvd.code == 1011
    await asyncio.sleep(CLOSE_TIMEOUT_S + 1)
    assert call.disconnects == 1


@in_virtual_time
async def test_messages_arrive_whole_however_the_network_cuts_them():
    call = Call()
    peer = Peer(accepting(call))
    await peer.read()
    sent = ["", "x", "ä" * 63, "y" * 126, "z" * 70_000]
    for text in sent:
        peer.client.send_text(text.encode())
    data = b"".join(peer.client.data_to_send())
    for at in range(0, len(data), 997):
        peer.pipe.protocol.data_received(data[at : at + 997])
    assert call.messages == sent


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 240, 65_535, 65_536, 131_072])
@pytest.mark.parametrize("kind", [Opcode.TEXT, Opcode.BINARY])
def test_messages_of_any_length_are_framed_as_the_protocol_wants(length, kind):
    message = "x" * length if kind is Opcode.TEXT else b"\xff" * length

    async def main():
        call = Call()
        peer = Peer(accepting(call))
        await peer.read()
        call.socket.send(message)
        (frame,) = await peer.read()
        assert (frame.opcode, frame.fin) == (kind, True)
        assert bytes(frame.data) == (message.encode() if kind is Opcode.TEXT else message)
        peer.pipe.protocol.data_received(Frame(kind, frame.data).serialize(mask=True))
        assert call.messages == [message]
        peer.pipe.close()
        await asyncio.sleep(0)

    virtual_time.run(main())


@in_virtual_time
async def test_a_message_inside_a_fragmented_one_is_an_error():
    call = Call()
    peer = Peer(accepting(call))
    await peer.read()
    peer.pipe.protocol.data_received(Frame(Opcode.TEXT, b"Hel", fin=False).serialize(mask=True))
    peer.pipe.protocol.data_received(Frame(Opcode.TEXT, b"lo").serialize(mask=True))
    await peer.read()
    assert peer.client.close_rcvd.code == 1002
    assert (call.messages, call.disconnects) == ([], 1)


@in_virtual_time
async def test_a_message_after_half_of_another_waits_for_the_rest():
    call = Call()
    peer = Peer(accepting(call))
    await peer.read()
    first, second = (Frame(Opcode.TEXT, text).serialize(mask=True) for text in (b"first", b"second"))
    for data in (first[:4], first[4:] + second[:1], second[1:], first):
        peer.pipe.protocol.data_received(data)
    assert call.messages == ["first", "second", "first"]
    peer.pipe.close()
    await asyncio.sleep(0)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=5), st.booleans())
def test_garbage_ends_the_connection_in_order(pieces, masked):
    async def main():
        call = Call()
        peer = Peer(accepting(call))
        await peer.read()
        for piece in pieces:
            if masked and piece:
                frame = Frame(Opcode.TEXT, piece).serialize(mask=True)
                piece = bytes([piece[0]]) + frame[1:]  # any opcode, any flags
            if not peer.pipe.is_closing():
                peer.pipe.protocol.data_received(piece)
        await asyncio.sleep(0.01)
        peer.pipe.close()
        await asyncio.sleep(0.01)
        assert (call.disconnects, peer.connections) == (1, set())
        assert asyncio.all_tasks() == {asyncio.current_task()}

    virtual_time.run(main())


def test_the_streams_token_is_in_no_log_whatever_the_level(caplog):
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "websockets")  # whatever a process in these tests has set

    async def main():
        peer = Peer(accepting(Call()))
        await peer.read()
        peer.pipe.close()
        await asyncio.sleep(0)

    virtual_time.run(main())
    assert any("token" in record.getMessage() for record in caplog.records)  # the peer's own log has it
    assert not any("token" in record.getMessage() for record in caplog.records if record.name.startswith("outdial"))


# -- over TCP, beside the API --------------------------------------------------------------------------------


@asynccontextmanager
async def serving(handshake):
    """uvicorn as Outdial runs it, with a small API; gives the port. No error may reach the event loop."""
    errors = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: errors.append(context))
    api = FastAPI()
    api.get("/hello")(lambda: {"hello": "there"})
    config = uvicorn.Config(
        api, ws=media_sockets(handshake), http="httptools", lifespan="off", log_config=None, timeout_graceful_shutdown=3
    )
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    listener = socket.create_server(("127.0.0.1", 0))
    await server.startup(sockets=[listener])
    try:
        yield SimpleNamespace(port=listener.getsockname()[1], server=server)
    finally:
        await server.shutdown(sockets=[listener])
        assert server.server_state.connections == set()
        gc.collect()
        await asyncio.sleep(0)
        assert errors == []


def url(serving):
    return f"ws://127.0.0.1:{serving.port}{PATH}"


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what happens elsewhere sets no event
            await asyncio.sleep(0.005)


async def test_messages_pass_both_ways_and_the_api_answers_on_the_same_port():
    call = Call(echo=True)
    asked = []

    async def handshake(path, headers):
        asked.append((path, headers["x-twilio-signature"]))
        return call.start

    async with serving(handshake) as it:
        async with connect(url(it) + "?x=1", additional_headers={"X-Twilio-Signature": "abc"}) as peer:
            await peer.send("ä")
            await peer.send(b"\x00\xff")
            assert [await peer.recv(), await peer.recv()] == ["ä", b"\x00\xff"]
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{it.port}") as client:
                response = await client.get("/hello")
                assert response.json() == {"hello": "there"}
            pong = await peer.ping()
            await pong
        await until(lambda: call.disconnects)
    assert asked == [(PATH + "?x=1", "abc")]
    assert call.disconnects == 1


async def test_an_unexpected_stream_is_refused():
    async def handshake(path, headers):
        return None

    async with serving(handshake) as it:
        with pytest.raises(InvalidStatus) as refused:
            await connect(url(it))
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("fails", ["handshake", "start"])
async def test_a_fault_of_ours_during_the_handshake_asks_to_try_again(fails, caplog):
    def start(socket):
        raise ZeroDivisionError

    async def handshake(path, headers):
        if fails == "handshake":
            raise ZeroDivisionError
        return start

    async with serving(handshake) as it:
        with pytest.raises(InvalidStatus) as refused:
            await connect(url(it))
    assert refused.value.response.status_code == 503
    assert "Media handshake failed" in [record.message for record in caplog.records]


async def test_a_fragmented_message_arrives_whole():
    call = Call()
    async with serving(accepting(call)) as it, connect(url(it)) as peer:
        await peer.send(["Hel", "lo ", "there"])
        await peer.send([b"\x01", b"\x02"])
        await until(lambda: len(call.messages) == 2)
    assert call.messages == ["Hello there", b"\x01\x02"]


@pytest.mark.parametrize("pieces", [1, 3])
async def test_a_message_that_is_too_long_ends_the_connection(pieces):
    call = Call()
    message = "x" * (MAX_MESSAGE_BYTES + 1)
    step = -(-len(message) // pieces)
    async with serving(accepting(call)) as it, connect(url(it)) as peer:
        await peer.send([message[at : at + step] for at in range(0, len(message), step)])
        with pytest.raises(ConnectionClosed) as closed:
            await peer.recv()
        assert closed.value.rcvd.code == 1009
        await until(lambda: call.disconnects)
    assert call.messages == []


async def test_a_message_of_the_longest_length_passes():
    call = Call()
    async with serving(accepting(call)) as it, connect(url(it)) as peer:
        await peer.send("x" * MAX_MESSAGE_BYTES)
        await until(lambda: call.messages)
    assert len(call.messages[0]) == MAX_MESSAGE_BYTES


async def test_text_that_is_no_text_ends_the_connection():
    call = Call()
    async with serving(accepting(call)) as it, connect(url(it)) as peer:
        await peer.send(b"\xff\xfe", text=True)
        with pytest.raises(ConnectionClosed) as closed:
            await peer.recv()
        assert closed.value.rcvd.code == 1007
    assert (call.messages, call.disconnects) == ([], 1)


async def test_a_peer_that_vanishes_is_noticed():
    call = Call()
    async with serving(accepting(call)) as it:
        peer = await connect(url(it))
        await peer.send("hello")
        await until(lambda: call.messages)
        peer.transport.abort()
        await until(lambda: call.disconnects)
        call.socket.send("anybody there?")
        call.socket.close()
        await peer.wait_closed()


async def test_garbage_on_an_open_socket_ends_it():
    call = Call()
    async with serving(accepting(call)) as it:
        peer = await connect(url(it))
        peer.transport.write(b"\xff" * 100)
        await until(lambda: call.disconnects)
        await peer.wait_closed()


async def test_garbage_instead_of_a_handshake_is_refused():
    async with serving(accepting(Call())) as it:
        reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
        writer.write(b"\x00\x01 nonsense\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 400")
        writer.close()
        await writer.wait_closed()


async def test_a_peer_that_stops_reading_is_cut_off():
    call = Call()
    async with serving(accepting(call)) as it:
        raw = socket.create_connection(("127.0.0.1", it.port))
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.setblocking(False)
        client = ClientProtocol(parse_uri(url(it)))
        client.send_request(client.connect())
        await asyncio.get_running_loop().sock_sendall(raw, b"".join(client.data_to_send()))
        await until(lambda: call.socket)
        frames = 0
        while not call.disconnects:
            call.socket.send("x" * 10_000)
            frames += 1
            await asyncio.sleep(0)
            assert frames < 5000
        raw.close()


async def test_a_shutdown_says_goodbye_to_open_sockets():
    call = Call()
    async with serving(accepting(call)) as it:
        peer = await connect(url(it))
        await until(lambda: call.socket)
    with pytest.raises(ConnectionClosed) as closed:
        await peer.recv()
    assert closed.value.rcvd.code == 1001
    assert peer.state is State.CLOSED
    assert call.disconnects == 1


async def test_a_shutdown_waits_for_no_handshake():
    asked = asyncio.Event()

    async def never(path, headers):
        asked.set()
        await asyncio.get_running_loop().create_future()

    async with serving(never) as it:
        connecting = asyncio.create_task(connect(url(it)).__aenter__())
        await asked.wait()
    with pytest.raises(InvalidMessage):
        await connecting
