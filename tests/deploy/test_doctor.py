"""doctor goes the way from the public URL to the server, through the proxies of deploy/ and through broken ones."""

import asyncio
import shutil
import ssl
import time
from contextlib import asynccontextmanager
from functools import partial

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import func, insert, select, update

from deploy.proxies import caddy, found, nginx, proxy
from outdial import clock
from outdial.api import health
from outdial.api.app import add_routes
from outdial.api.self_test import answering_self_tests
from outdial.api.server import HttpServer, listen
from outdial.carriers.registry import CARRIERS
from outdial.cli.check_way import way
from outdial.cli.findings import Status
from outdial.db.self_test_tables import self_tests
from outdial.db.tables import workers
from outdial.history.workers import list_workers
from outdial.live.stream_paths import by_path
from outdial.self_test import answering
from outdial.self_test.answering import AT_ONCE, SelfTests
from outdial.self_test.place import REACHED, Place, path_of, place_in
from outdial.self_test.store import MOST_ANSWERS, take, under_way
from outdial.settings import Settings

WORKER = "worker_doctor"
needs_nginx = pytest.mark.skipif(shutil.which(found("nginx")) is None, reason="nginx is not installed")
needs_caddy = pytest.mark.skipif(shutil.which(found("caddy")) is None, reason="caddy is not installed")


async def entered(engine, stream_url):
    """The server as a worker with seats."""
    async with engine.begin() as conn:
        row = {"id": WORKER, "lock_key": 1, "host": "here", "pid": 1, "seats": 1, "lease_s": 60}
        seen = {"stream_url": stream_url, "roles": ["media"], "seen_at": func.now()}
        await conn.execute(insert(workers).values(**row, **seen))


@pytest.fixture
def looked(engine, tmp_path):
    """What doctor finds behind this proxy, by subject; those where all is well are left out."""

    async def looked(written, *changes, trusts=True, path="", **settings):
        scheme = "http" if written is caddy else "https"
        tests = SelfTests(engine, Settings(port=0, **settings), WORKER)
        async with serving(tests) as behind, proxy(partial(changed, written, changes), tmp_path, behind) as (port, _):
            # The server has to know its public URL, and the proxy its server.
            url = f"{scheme}://127.0.0.1:{port}{path}"
            tests.settings = tests.settings.model_copy(update={"public_url": url})
            await entered(engine, tests.settings.stream_base_url)
            async with engine.connect() as conn:
                found = await list_workers(conn)
            own = scheme == "https" and trusts
            tls = ssl.create_default_context(cafile=tmp_path / "fullchain.pem") if own else None
            looking = way(engine, tests.settings, list(CARRIERS.values()), found, local="here", tls=tls)
            told = [finding async for finding in looking]
        async with engine.connect() as conn:
            assert await conn.scalar(select(func.count()).select_from(self_tests)) == 0
        return told

    return looked


def changed(written, changes, folder, port, behind):
    return written(folder, port, behind, *changes)


@asynccontextmanager
async def serving(tests):
    """A server that answers tries, and nothing else; its port."""
    app, listener = FastAPI(), listen(tests.settings)
    add_routes(app, health.router)  # as the proxies ask
    http = HttpServer(answering_self_tests(app, tests), by_path(None, tests.settings, tests), tests.settings)
    task = asyncio.create_task(http.serve([listener]))
    await http.up.wait()
    try:
        yield listener.getsockname()[1]
    finally:
        await http.stop()
        await task
        listener.close()


def faults(told):
    """But for the one that every look at this machine alone has."""
    return [
        (finding.subject, finding.found)
        for finding in told
        if finding.status is not Status.OK and "127.0.0.1 here" not in finding.found
    ]


@needs_nginx
async def test_nothing_is_wrong_with_the_nginx_that_is_shipped(looked):
    told = await looked(nginx)
    assert faults(told) == []
    assert {each.subject for each in told} >= {"Proxy", "Twilio signature", "Vonage signature", "Telnyx signature"}
    assert any(each.subject.startswith("Audio") for each in told)


@needs_caddy
async def test_nothing_is_wrong_with_the_caddy_that_is_shipped(looked):
    assert faults(await looked(caddy)) == []


AT = "    location / {"
OF_CALLBACKS = "    location /callbacks/ {{ {} proxy_set_header Host $host; }}\n" + AT.replace("{", "{{")
UPGRADE = ("proxy_set_header   Upgrade $http_upgrade;", "")
BUFFERS = "proxy_ignore_headers X-Accel-Buffering;\n        proxy_read_timeout 1h"
ONWARD = "\treverse_proxy {"
BROKEN = {
    "prefix stripped": (
        nginx,
        [(AT, OF_CALLBACKS.format("proxy_pass http://outdial/;"))],
        ["path: the proxy makes /… of /callbacks/…", "Twilio signature", "changes the path"],
    ),
    "prefix stripped by Caddy": (
        caddy,
        [(ONWARD, "\turi strip_prefix /callbacks\n" + ONWARD)],
        ["path: the proxy makes /… of /callbacks/…", "Twilio signature", "changes the path"],
    ),
    "prefix left": (nginx, [], ["path: /voice isn't taken off by the proxy"]),
    "name changed": (
        nginx,
        [("proxy_set_header   Host $host;", "")],
        ["Host: the proxy makes outdial of 127.0.0.1"],
    ),
    "name changed by Caddy": (
        caddy,
        [("\t\thealth_uri", "\t\theader_up Host inside.example\n\t\thealth_uri")],
        ["Host: the proxy makes inside.example of 127.0.0.1"],
    ),
    "no upgrade": (
        nginx,
        [UPGRADE, ("proxy_set_header   Connection $outdial_connection;", "")],
        ["doesn't pass on that a websocket is wanted"],
    ),
    "events kept back": (
        nginx,
        [("proxy_buffering    off;\n        proxy_read_timeout 1h", BUFFERS)],
        ["events: the first one of a stream isn't passed on within 2 s"],
    ),
    "encryption not told": (
        nginx,
        [("proxy_set_header   X-Forwarded-Proto $scheme;", "")],
        ["X-Forwarded-Proto: missing"],
    ),
    "callers not told": (
        nginx,
        [("proxy_set_header   X-Forwarded-For $remote_addr;", "")],
        ["X-Forwarded-For: missing"],
    ),
    "redirect": (
        nginx,
        [(AT, AT + " return 308 https://elsewhere.example$request_uri;")],
        ["redirect: ", "https://elsewhere.example"],
    ),
    "another server": (
        nginx,
        [(AT, AT + " return 200 welcome;")],
        ["wrong server: what answers", "isn't Outdial (200, nginx"],
    ),
    "login": (nginx, [(AT, AT + " return 401;")], ["asks for a login or denies (401"]),
    "server away": (nginx, [("fail_timeout=5s", "down")], ["doesn't reach Outdial (502", "no websocket opens"]),
    "small headers": (
        nginx,
        [("large_client_header_buffers 4 16k", "large_client_header_buffers 4 8k")],
        ["headers: a request with 12,000 bytes"],
    ),
    "query dropped": (
        nginx,
        [(AT, OF_CALLBACKS.format("rewrite ^(.*)$ $1? break; proxy_pass http://outdial;"))],
        ["query: what follows ?", "changes the query"],
    ),
    "signature dropped": (
        nginx,
        [(AT, AT + ' proxy_set_header X-Twilio-Signature "";')],
        ["Twilio signature", "drops or changes headers it doesn't know"],
    ),
}


@needs_nginx
@needs_caddy
@pytest.mark.parametrize("broken", BROKEN)
async def test_what_is_wrong_with_a_proxy_is_named(looked, broken):
    written, changes, named = BROKEN[broken]
    told = await looked(written, *changes, path="/voice" if broken == "prefix left" else "")
    words = "\n".join(f"{subject}: {found}" for subject, found in faults(told))
    assert [name for name in named if name not in words] == [], words
    assert all(finding.todo for finding in told if finding.status is not Status.OK)


@needs_nginx
async def test_a_certificate_nobody_trusts_is_named_and_the_rest_looked_at(looked):
    [(subject, what)] = faults(await looked(nginx, trusts=False))
    assert (subject, what.split(":")[0]) == ("Public address", "TLS")
    assert "self-signed" in what


@needs_nginx
async def test_a_proxy_that_is_not_believed_is_named(looked):
    words = [what for _, what in faults(await looked(nginx, trusted_proxies="192.0.2.1"))]
    assert "X-Forwarded-…: not believed from 127.0.0.1" in words


async def test_a_wrong_clock_of_this_machine_is_taken_for_no_proxy_that_breaks_signatures(engine, monkeypatch):
    """Servers check callbacks by the database's clock."""
    right = clock.Clock()
    right.set(time.time() - 3600, clock.since_boot())
    monkeypatch.setattr(clock, "HOUSE", right)
    tests = SelfTests(engine, Settings(port=0), WORKER)
    async with serving(tests) as port:
        tests.settings = tests.settings.model_copy(update={"public_url": f"http://127.0.0.1:{port}"})
        looking = way(engine, tests.settings, list(CARRIERS.values()), [], local="here", ahead_s=3600.0)
        told = [finding async for finding in looking]
    signatures = {finding.subject: finding.status for finding in told if finding.subject.endswith(" signature")}
    assert signatures == dict.fromkeys(("Telnyx signature", "Twilio signature", "Vonage signature"), Status.OK)


# -- what strangers get ----------------------------------------------------------------------------------------


async def test_a_stranger_learns_nothing_and_costs_little(engine, monkeypatch):
    """Also with a token that was good, or that has answered enough."""
    tests = SelfTests(engine, Settings(port=0), WORKER)
    asked = []

    async def taken(*args):
        asked.append(args)
        return await take(*args)

    monkeypatch.setattr(answering, "take", taken)
    async with serving(tests) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        async with under_way(engine, {}) as begun:
            path = path_of(begun.token, REACHED)
            assert (await http.get(path)).json()["nonce"] == begun.nonce
            used_up = update(self_tests).values(answers=MOST_ANSWERS)
            async with engine.begin() as conn:
                await conn.execute(used_up)
            assert (await http.get(path)).json() == {"detail": "Not Found"}
            async with engine.begin() as conn:
                await conn.execute(used_up.values(answers=0, expires_at=func.now()))
            assert (await http.get(path)).json() == {"detail": "Not Found"}
        assert (await http.get(path)).json() == (await http.get("/callbacks/nothing")).json()
        del asked[:]
        for _ in range(AT_ONCE + 20):
            assert (await http.get(path_of("A" * 43, REACHED))).status_code == 404
        assert len(asked) < AT_ONCE + 20


def test_only_a_whole_token_makes_a_try():
    token = "A" * 43
    assert place_in(f"/callbacks/self-test/{token}/reached") == Place(token=token, what="reached")
    assert place_in(f"/self-test/{token}/reached/") == Place(token=token, what="reached")
    for rest in ("", token, f"{token[1:]}/reached", f"{token}/a/b", f"{token}/reached\n", f"{token}é/reached"):
        assert place_in(f"/self-test/{rest}") is None
