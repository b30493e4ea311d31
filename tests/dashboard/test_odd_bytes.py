"""Whatever bytes stand in an address, a form or a body: it is refused in words, and never our fault (500).

One table over every route there is: of the API, of the carriers' callbacks, and of the pages.
"""

import json
import re
from collections.abc import Iterator
from itertools import chain

import httpx
import pytest
from starlette.routing import Route

from outdial.accounts.genuine import Genuine
from outdial.agents.ready_agents import ReadyAgents
from outdial.api.callbacks import callbacks_router
from outdial.callbacks.inbox import Inbox
from outdial.callbacks.incoming import IncomingCalls
from outdial.calls.inbound import Reception
from outdial.workspaces.access import Role

ODD = (
    "%00",
    "a%00b",
    "call_" + "0" * 20 + "%00",
    "%ff",
    "%c0%80",
    "%ED%A0%80",
    "%F0%9F%98%80",
    "%EF%BF%BE",
    "..%2f..%2fetc%2fpasswd",
    "%0d%0aX:1",
    "%1b%5b2J",
    "'--",
    "%25s%n",
    "9" * 30,
    "-1",
    "1e400",
    "%D9%A3",  # a digit to Python, and no number to PostgreSQL
    "x" * 5000,
    "%",
    "%zz",
)
ODD_ENOUGH = ("%00", "a%00b", "%ff", "9" * 30, "%ED%A0%80")
FILTERS = ("cursor", "from", "text", "party", "number_id", "actor_id")


@pytest.fixture
async def everything(app, services):
    """The whole of what a process answers."""

    async def nobody(account_id):
        raise AssertionError("no carrier is asked")

    genuine = Genuine(services.engine, services.secret_box)
    inbox = Inbox(services.engine, services.settings, genuine, nobody)
    reception = Reception(
        engine=services.engine, settings=services.settings, secret_box=services.secret_box,)
    incoming = IncomingCalls(reception, genuine, nobody, inbox, ReadyAgents(services.engine))
    app.include_router(callbacks_router(inbox, incoming, services.settings.base_url))
    return app


def routes(router) -> Iterator[tuple[str, Route]]:
    """Every method of every path, also of routers in routers."""
    for route in router.routes:
        if isinstance(route, Route):
            for method in sorted(route.methods or ()):
                yield method, route
        else:
            yield from routes(route.original_router)


def filled(path: str, odd: str) -> str:
    path = path.replace("{carrier}", "twilio") if path.startswith("/callbacks/") and odd != "'--" else path
    return re.sub(r"\{[^}]*\}", lambda _: odd, path)


class Asker:
    """Asks as somebody, and remembers what broke."""

    def __init__(self, client):
        self.client = client
        self.asked = 0
        self.broke = []

    async def __call__(self, method, address, **request):
        self.asked += 1
        url = httpx.URL("https://voice.example").copy_with(raw_path=address.encode())
        response = await self.client.request(method, url, **request)
        if response.status_code == 500:
            self.broke.append((response.status_code, method, address[:80], request))
        return response


@pytest.fixture
async def key(everything, tenant):
    transport = httpx.ASGITransport(everything, raise_app_exceptions=False)
    headers = {"Authorization": tenant.key}
    async with httpx.AsyncClient(transport=transport, base_url="https://voice.example", headers=headers) as client:
        yield Asker(client)


@pytest.fixture
async def stranger(everything):
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(everything, raise_app_exceptions=False), base_url="https://voice.example"
    ) as client:
        yield Asker(client)


@pytest.fixture
async def person(everything, browser_of):
    browser = await browser_of(Role.OPERATOR)
    browser._transport = httpx.ASGITransport(everything, raise_app_exceptions=False)
    return Asker(browser)


def body_for(method, path):
    return {} if method in ("GET", "HEAD", "DELETE") else {"json": {}} if path.startswith("/v1") else {"content": b"x"}


async def test_no_path_breaks(everything, key, stranger, person):
    table = [(method, route) for method, route in routes(everything) if "{" in route.path]
    assert len(table) > 40
    for method, route in table:
        for odd in ODD:
            address = filled(route.path, odd)
            page = not route.path.startswith(("/v1", "/callbacks/"))
            await (person if page else key)(method, address, **body_for(method, route.path))
            if odd in ODD_ENOUGH:
                await stranger(method, address, **body_for(method, route.path))
    assert list(chain(key.broke, stranger.broke, person.broke)) == []


async def test_no_query_breaks(everything, key, person):
    for path, operations in everything.openapi()["paths"].items():
        for parameter in operations.get("get", {}).get("parameters", ()):
            if parameter["in"] == "query":
                for odd in ODD[:-3]:
                    await key("GET", f"{filled(path, 'call_0')}?{parameter['name']}={odd}")
    assert key.asked > 200
    pages = [path for method, route in routes(everything) if method == "GET" and "{" not in (path := route.path)]
    for path in pages:
        if not path.startswith(("/v1", "/live/")):  # the latter go on until their reader leaves
            for odd in ODD_ENOUGH:
                for name in FILTERS:
                    await person("GET", f"{path}?{name}={odd}")
                await person("GET", f"{path}?{odd}=1")
    for path in ("/live/calls", "/live/overview", "/live/calls/call_0"):
        for odd in ("%00", "a%00b"):
            await person("GET", f"{path}?time_zone={odd}")
    assert list(chain(key.broke, person.broke)) == []


async def test_a_nul_in_an_address_is_told_as_what_it_is(everything, key, person):
    path = await key("POST", "/v1/calls/call_0%00/hang-up", json={})
    assert (path.status_code, path.json()["code"]) == (404, "call_not_found")
    query = await key("GET", "/v1/calls?text=a%00b")
    assert (query.status_code, query.json()["errors"][0]["field"]) == (422, "text")
    assert (await person("POST", "/callbacks/twilio/att_%00/status", content=b"x")).status_code == 404


# -- bodies --------------------------------------------------------------------------------------------------


def examples(app) -> Iterator[tuple[str, str, object]]:
    """Every body the document shows, with where it goes."""
    for path, operations in app.openapi()["paths"].items():
        for method, operation in operations.items():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                for example in content.get("examples", {}).values():
                    yield method.upper(), path, example["value"]
                if "example" in content:
                    yield method.upper(), path, content["example"]


def spoilt(value, odd) -> Iterator[object]:
    """The value once for each text and key in it, with `odd` put there."""
    match value:
        case str():
            yield value + odd
        case dict():
            for name, inner in value.items():
                yield from (value | {name: each} for each in spoilt(inner, odd))
            yield value | {odd: 1}
        case list():
            for place, inner in enumerate(value):
                yield from ([*value[:place], each, *value[place + 1 :]] for each in spoilt(inner, odd))


@pytest.mark.parametrize("odd", ["\0", "\udc00x", "\ufffe\x1b[2J"])
async def test_no_text_in_a_body_breaks(everything, key, odd):
    table = list(examples(everything))
    assert len(table) > 15
    for method, path, example in table:
        address = re.sub(r"\{[^}]*\}", "num_0", path)
        for body in spoilt(example, odd):
            content = json.dumps(body).encode()
            response = await key(method, address, content=content, headers={"Content-Type": "application/json"})
            if odd in ("\0", "\udc00x"):
                assert 400 <= response.status_code < 500, (method, path, body)
    assert key.broke == []


async def test_a_nul_in_a_body_is_told_where_it_is(key):
    response = await key("POST", "/v1/agents", json={"name": "x", "script": "steps:", "note": {"a": ["b\0"]}})
    assert response.status_code == 422
    assert response.json()["errors"][0] == {
        "field": "note.a[0]", "message": "must not contain the character U+0000"
    }  # fmt: skip


@pytest.mark.parametrize("odd", ["%00", "%ff", "%ED%A0%80", "x" * 900])
async def test_no_form_breaks(stranger, odd):
    form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": "https://voice.example"}
    for address in ("/sign-in", "/sign-in/" + odd, "/sign-out"):
        for name in ("email", "password", "to", "csrf_token"):
            content = f"email=a%40b.example&password=x&to=/&{name}={odd}".encode()
            await stranger("POST", address, content=content, headers=form)
    assert stranger.broke == []


@pytest.mark.parametrize("odd", [b"\xff", b"\x01", b"a" * 20_000, b"%00", b"\xf0\x9f\x98\x80"])
async def test_no_header_breaks(key, stranger, odd):
    names = ("Idempotency-Key", "Last-Event-ID", "User-Agent", "Cookie", "X-Workspace", "X-CSRF-Token", "Origin",
             "Accept", "Accept-Encoding", "Range", "Content-Type", "X-Twilio-Signature", "Sec-Fetch-Site",
             "Host")  # fmt: skip
    for name in names:
        for address in ("/v1/me", "/v1/calls/call_0/recording", "/v1/calls/call_0/events", "/callbacks/twilio/x/y"):
            for method in ("GET", "POST"):
                await key(method, address, headers={name: odd}, content=b"{}" if method == "POST" else None)
                value = b"__Host-outdial_sign_in=" + odd if name == "Cookie" else odd
                await stranger(method, address, headers={name: value}, content=b"{}" if method == "POST" else None)
    for value in (odd, b"Bearer " + odd):
        await stranger("GET", "/v1/me", headers={"Authorization": value})
    assert list(chain(key.broke, stranger.broke)) == []
