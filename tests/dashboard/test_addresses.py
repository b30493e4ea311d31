"""Addresses with and without a slash, their methods, and HEAD: of the API and of the pages."""

import re
from collections import defaultdict

import httpx
import pytest
from starlette.routing import Route

from outdial.workspaces.access import Role


def routes(router):
    for route in router.routes:
        if isinstance(route, Route):
            yield route
        else:
            yield from routes(route.original_router)


@pytest.fixture
async def client(app, tenant):
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="https://voice.example", headers={"Authorization": tenant.key}
    ) as client:
        yield client


def placed(path):
    return re.sub(r"\{[^}]*\}", "call_0", path)


async def test_no_address_redirects_for_a_slash(app, client):
    """Where it led to was whatever the Host header said."""
    asked = 0
    for path in {route.path for route in routes(app)} - {"/"}:
        address = placed(path)
        if address.startswith("/live/"):
            continue
        for form in (address, address + "/", address + "//"):
            answer = await client.get(form, headers={"Host": "evil.example", "Accept": "application/json"})
            assert "evil.example" not in answer.headers.get("location", ""), form
            asked += 1
    assert asked > 100


@pytest.mark.parametrize("path", ["/v1/calls", "/healthz", "/readyz", "/v1/phone-numbers", "/openapi.json", "/sign-in"])
async def test_both_forms_answer_the_same(client, path):
    with_slash, without = await client.get(path + "/"), await client.get(path)
    assert with_slash.status_code == without.status_code == 200
    assert with_slash.content == without.content


async def test_a_body_is_taken_at_both_forms(client):
    plain = await client.post("/v1/phone-number/num_0/outbound", json={"to": "+15551234567"})
    slash = await client.post("/v1/phone-number/num_0/outbound/", json={"to": "+15551234567"})
    assert (plain.status_code, plain.content) == (404, slash.content)


async def test_a_path_that_is_none_stays_none(client):
    for path in ("/nothing", "/nothing/", "/v1//calls"):
        assert (await client.get(path)).status_code == 404


async def test_allow_names_every_method_of_an_address(app, client):
    methods = defaultdict(set)
    for route in routes(app):
        for other in routes(app):  # an id may be any word: /v1/agents/check is an agent's address, too
            if other.path_regex.match(placed(route.path)):
                methods[placed(route.path)] |= set(other.methods) - {"HEAD"}
    told, several = 0, 0
    for address, taken in methods.items():
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - taken:
            answer = await client.request(method, address)
            assert answer.status_code == 405, (method, address)
            allowed = {each.strip() for each in answer.headers["allow"].split(",")}
            assert allowed == taken | ({"HEAD"} if "GET" in taken else set()), (method, address)
            told += 1
            several += len(taken) > 1
    assert told > 100
    assert several > 10


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/openapi.json", "/docs", "/v1/calls", "/v1/calls.csv", "/sign-in"]
)
async def test_head_is_get_without_its_body(client, path):
    head, get = await client.head(path), await client.get(path)
    assert (head.status_code, head.content) == (200, b"")
    same = ("content-type", "cache-control", "content-length")
    assert [head.headers.get(name) for name in same] == [get.headers.get(name) for name in same]


async def test_head_of_a_page_a_file_and_what_is_not_there(client, browser_of):
    browser = await browser_of(Role.VIEWER)
    assert [(await browser.head(path)).status_code for path in ("/", "/calls", "/settings", "/static/x/app.css")] == [
        200, 200, 200, (await browser.get("/static/x/app.css")).status_code
    ]  # fmt: skip
    assert (await client.head("/v1/calls/call_0")).status_code == 404
    assert (await client.head("/v1/calls/call_0/hang-up")).status_code == 405


async def test_head_of_a_stream_ends(browser_of):
    browser = await browser_of(Role.VIEWER)
    head = await browser.head("/live/calls")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"].startswith("text/event-stream")
