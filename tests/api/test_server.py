"""The HTTP server as a process runs it, over TCP: whom it believes, and how much it takes on."""

import asyncio
import logging
import socket
from contextlib import asynccontextmanager

import httpx
import pytest

from outdial import open_files
from outdial.api import server
from outdial.api.server import HttpServer, connection_limits
from outdial.settings import Settings


async def who_asks(scope, receive, send):
    told = scope["client"][0].encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": told})


async def no_media(path, headers):
    return None


@asynccontextmanager
async def serving(app=who_asks, **settings):
    http = HttpServer(app, no_media, Settings(**settings))
    listener = socket.create_server(("127.0.0.1", 0))
    task = asyncio.create_task(http.serve([listener]))
    await http.up.wait()
    try:
        yield listener.getsockname()[1]
    finally:
        await http.stop()
        await task


async def test_a_request_that_does_not_end_when_the_process_stops_is_told_so(monkeypatch, caplog):
    monkeypatch.setattr(server, "STOP_WITHIN_S", 0.1)
    under_way = asyncio.Event()

    async def never_ends(scope, receive, send):
        under_way.set()
        await asyncio.Event().wait()

    async with httpx.AsyncClient() as client:
        async with serving(never_ends) as port:
            asking = asyncio.create_task(client.get(f"http://127.0.0.1:{port}/"))
            await under_way.wait()
        answer = await asking
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert "ASGI" not in caplog.text


@pytest.mark.parametrize(
    ("trusted", "believed"),
    [
        ("127.0.0.1", True),
        ("127.0.0.0/8", True),
        ("", False),
        ("10.0.0.0/8", False),
        ("192.0.2.1, 198.51.100.0/24", False),
    ],
)
async def test_a_forwarded_address_is_believed_from_whom_it_is_set_to_be(trusted, believed):
    async with serving(trusted_proxies=trusted) as port, httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{port}/", headers={"X-Forwarded-For": "203.0.113.9"})
    assert answer.text == ("203.0.113.9" if believed else "127.0.0.1")


async def test_an_address_that_is_no_proxy_has_a_limit_of_connections(caplog):
    async with serving(trusted_proxies="", max_connections_per_address=5) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(12)]
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"http://127.0.0.1:{port}/")).status_code == 200, "one that speaks finds room"
        async with asyncio.timeout(5):
            gone = [await reader.read() for reader, _ in held[:8]]
        assert gone == [b""] * 8
        for _, writer in held:
            writer.close()
    [told] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert (told.getMessage(), told.limit) == ("Connections at their limit", "address")


def test_half_of_the_files_are_kept_for_calls(monkeypatch):
    monkeypatch.setattr(open_files, "limit", lambda: 1024)
    assert connection_limits(Settings()).in_all == 512
    monkeypatch.setattr(open_files, "limit", lambda: 500_000)
    assert connection_limits(Settings()).in_all == Settings().max_connections
