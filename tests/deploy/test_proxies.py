"""What a proxy before Outdial must leave as it is: the address carriers sign, audio, event streams, and who asks."""

import asyncio
import json
import shutil
import ssl

import httpx
import pytest
from websockets.asyncio.client import connect

from deploy.proxies import DOMAIN, caddy, edge, found, nginx, proxy, upstream

TOKEN = "one-time-token-of-a-call"
THERE = {nginx: "nginx", caddy: "caddy", edge: "caddy"}


@pytest.fixture(params=[nginx, caddy, edge], ids=["nginx", "caddy", "kubernetes"])
async def before(request, tmp_path):
    """The proxy's kind, its port and its log."""
    if shutil.which(found(THERE[request.param])) is None:
        pytest.skip(f"{THERE[request.param]} is not installed")
    async with upstream() as behind, proxy(request.param, tmp_path, behind) as (port, log):
        yield request.param, port, log


@pytest.fixture
async def http(before):
    written, port, _ = before
    scheme = "https" if written is nginx else "http"
    async with httpx.AsyncClient(
        base_url=f"{scheme}://127.0.0.1:{port}", headers={"Host": DOMAIN}, verify=False, timeout=10
    ) as client:
        yield client


async def test_a_callback_arrives_under_the_address_that_its_carrier_signed(before, http):
    forged = {"X-Forwarded-For": "203.0.113.9"}
    got = (await http.post("/callbacks/twilio/att_1/status?a=%2B1&b=x", content=b"To=%2B1", headers=forged)).json()
    assert got["path"] == "/callbacks/twilio/att_1/status"
    assert got["headers"]["host"] == DOMAIN
    assert got["body"] == 7
    if before[0] is not edge:  # before which stands another one, and that one is believed
        assert got["headers"]["x-forwarded-for"] == "127.0.0.1"


async def test_an_event_is_passed_on_at_once(http):
    async with asyncio.timeout(4), http.stream("GET", "/v1/calls/call_1/events") as stream:
        assert await anext(stream.aiter_text()) == "data: first\n\n"


async def test_audio_goes_both_ways_and_its_token_is_in_no_log(before):
    written, port, log = before
    path = f"/media/twilio/att_1/{TOKEN}"
    place = f"/at/outdial-media-1{path}" if written is edge else path
    tls = ssl._create_unverified_context() if written is nginx else None
    url = f"{'wss' if tls else 'ws'}://{DOMAIN}:{port}{place}"
    async with asyncio.timeout(10), connect(url, host="127.0.0.1", ssl=tls) as line:
        told = json.loads(await line.recv())
        await line.send("frame")
        assert (told["path"], await line.recv()) == (path, "frame")
    assert told["host"].startswith(DOMAIN)
    if log is not None:
        for _ in range(100):
            if "/media/twilio/att_1/" in log.read_text():
                break
            await asyncio.sleep(0.05)
        assert "/media/twilio/att_1/" in log.read_text()
        assert TOKEN not in log.read_text()
