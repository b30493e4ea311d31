import asyncio
import json
import logging
from contextlib import nullcontext

import httpx
import pytest
import uvicorn

import virtual_time
from outdial.api.event_stream import LAST_WORDS_S, EventStreams, event, reconnect_after
from outdial.refusals import LimitReached
from outdial.workspaces.audit import COMMAND_LINE, Actor, ActorKind

KEY = Actor(kind=ActorKind.API_KEY, id="key_1", name="laptop")
OTHER_KEY = Actor(kind=ActorKind.API_KEY, id="key_2", name="server")
SCOPE = {"type": "http", "method": "GET", "asgi": {"version": "3.0"}}


def test_an_event_is_sent_as_lines_that_end_in_an_empty_one():
    assert event("state", '{"state": "ended"}', id_=131) == b'id: 131\nevent: state\ndata: {"state": "ended"}\n\n'
    assert event("part", json.dumps("ü", ensure_ascii=False)) == 'event: part\ndata: "ü"\n\n'.encode()
    assert reconnect_after(ms=1000) == b"retry: 1000\n\n"


class Exchange:
    """One request of a client that stays; what it was sent, and when."""

    def __init__(self):
        self.sent = []
        self.gone = asyncio.Event()

    async def receive(self):
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        self.sent.append((asyncio.get_running_loop().time(), message))

    @property
    def pieces(self):
        return [(at, message["body"]) for at, message in self.sent if message.get("body")]


def test_silence_is_broken_by_a_comment():
    async def main():
        async def events():
            await asyncio.sleep(40)
            yield event("state", "{}")

        client = Exchange()
        await EventStreams().respond(events(), of=COMMAND_LINE)(SCOPE, client.receive, client.send)
        return client

    client = virtual_time.run(main())
    assert client.pieces == [
        (15.0, b": still here\n\n"),
        (30.0, b": still here\n\n"),
        (40.0, b"event: state\ndata: {}\n\n"),
    ]
    headers = dict(client.sent[0][1]["headers"])
    assert headers[b"content-type"] == b"text/event-stream; charset=utf-8"
    assert (headers[b"cache-control"], headers[b"x-accel-buffering"]) == (b"no-store", b"no")


def test_who_goes_is_followed_no_longer():
    ended = []

    async def main():
        async def events():
            try:
                while True:
                    await asyncio.sleep(1)
                    yield event("note", "{}")
            finally:
                ended.append(asyncio.get_running_loop().time())

        client = Exchange()
        asyncio.get_running_loop().call_later(2.5, client.gone.set)
        await EventStreams().respond(events(), of=COMMAND_LINE)(SCOPE, client.receive, client.send)
        return len(client.pieces)

    assert virtual_time.run(main()) == 2
    assert ended == [2.5]


class Server(uvicorn.Server):
    """As Outdial runs it: the process's handlers of signals are not its business."""

    def __init__(self, app):
        super().__init__(uvicorn.Config(app, port=0, lifespan="off", log_config=None, timeout_graceful_shutdown=5))
        self.up = asyncio.Event()

    async def startup(self, sockets=None):
        await super().startup(sockets)
        self.up.set()

    def capture_signals(self):
        return nullcontext()


def test_who_follows_a_call_that_has_just_ended_is_told_of_it_while_the_server_stops():
    async def main():
        async def events():
            await asyncio.sleep(1)
            yield event("state", "{}")

        streams, client = EventStreams(), Exchange()
        stream = asyncio.create_task(streams.respond(events(), of=COMMAND_LINE)(SCOPE, client.receive, client.send))
        await asyncio.sleep(0)
        await streams.aclose()
        closed_at = asyncio.get_running_loop().time()
        await stream
        return client.pieces, closed_at

    assert virtual_time.run(main()) == ([(1.0, b"event: state\ndata: {}\n\n")], 1.0)


async def test_a_server_that_stops_lets_its_followers_go(caplog):
    streams, loop = EventStreams(), asyncio.get_running_loop()

    async def events():
        yield event("note", "{}")
        await asyncio.sleep(3600)

    async def app(scope, receive, send):
        await streams.respond(events(), of=COMMAND_LINE)(scope, receive, send)

    server = Server(app)
    serving = asyncio.create_task(server.serve())
    await server.up.wait()
    host, port = server.servers[0].sockets[0].getsockname()
    async with httpx.AsyncClient() as client, client.stream("GET", f"http://{host}:{port}/") as response:
        body = response.aiter_bytes()
        assert await anext(body) == event("note", "{}")
        began = loop.time()
        await streams.aclose()
        server.should_exit = True
        assert [piece async for piece in body] == []  # a body with an end
        await serving
    assert loop.time() - began < LAST_WORDS_S + 1
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert asyncio.all_tasks() == {asyncio.current_task()}  # nobody goes on looking for a server's end


async def test_a_stream_asked_for_while_the_server_stops_ends_at_once():
    async def events():
        await asyncio.sleep(3600)
        yield b""

    streams, client = EventStreams(), Exchange()
    await streams.aclose()
    async with asyncio.timeout(2):
        await streams.respond(events(), of=COMMAND_LINE)(SCOPE, client.receive, client.send)
    assert client.sent[-1][1]["more_body"] is False


def test_the_library_leaves_uvicorn_as_it_was():
    assert uvicorn.Server.handle_exit.__module__ == "uvicorn.server"


def test_one_follower_has_so_many_streams_and_no_more():
    async def main():
        async def events():
            await asyncio.sleep(3600)
            yield b""

        def follow(of):
            client = Exchange()
            response = streams.respond(events(), of=of)
            return client, asyncio.create_task(response(SCOPE, client.receive, client.send))

        streams = EventStreams(most_of_one=3)
        open_ = [follow(KEY) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(LimitReached) as refused:
            follow(KEY)
        assert (refused.value.code, refused.value.retry_after_s) == ("too_many_streams", 5)
        open_.append(follow(OTHER_KEY))
        await asyncio.sleep(0)
        open_[0][0].gone.set()
        await open_[0][1]
        open_.append(follow(KEY))
        await asyncio.sleep(0)
        for client, _ in open_:
            client.gone.set()
        await asyncio.gather(*(task for _, task in open_))
        assert not streams._followers

    virtual_time.run(main())
