"""Who may do what: the whole table, so that a new route has to be entered here, too."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import APIRouter
from starlette.routing import Route

from outdial.api.access_table import ACCESS, OPEN, access_of
from outdial.api.auth import ApiRoute
from outdial.workspaces.access import Role, Scope
from outdial.workspaces.api_keys import create_api_key
from outdial.workspaces.audit import COMMAND_LINE

PAGES = {"GET /openapi.json"}  # for everybody, and in no document
ASSISTANTS = {"POST /mcp"}     # whose tools have an access each: api/mcp/tools.py
METRICS = {"GET /metrics"}     # of a token, or of a key: tests/api/test_metrics.py

OF_EVERY_KEY = {
    "GET /v1/calls",
    "GET /v1/calls.csv",
    "GET /v1/calls/{call_id}",
    "GET /v1/calls/{call_id}/callbacks",
    "GET /v1/calls/{call_id}/events",
    "GET /v1/calls/{call_id}/verdicts",
    "GET /v1/who-answered/calls",
    "GET /v1/who-answered/calls.csv",
    "GET /v1/calls/{call_id}/recording",
    "GET /v1/calls/{call_id}/recording/waveform",
    "GET /v1/me",
}
OF_PLACE_CALLS = OF_EVERY_KEY | {
    "POST /v1/phone-number/{number_id}/outbound",
    "POST /v1alpha1/phone-number/{number_id}/outbound",
    "POST /v1/calls/{call_id}/hang-up",
}
OF_READ = OF_EVERY_KEY | {
    "GET /v1/agents",
    "GET /v1/agents/examples",
    "GET /v1/agents/{agent_id}",
    "GET /v1/agents/{agent_id}/versions/{version}",
    "GET /v1/api-keys",
    "GET /v1/audit-log",
    "GET /v1/alerts",
    "GET /v1/alerts/notices",
    "GET /v1/alerts/rules",
    "GET /v1/alerts/{alert_id}",
    "GET /v1/carrier-accounts",
    "GET /v1/carrier-accounts/{account_id}",
    "GET /v1/daily-limit",
    "GET /v1/destinations",
    "GET /v1/disclosures",
    "GET /v1/do-not-call",
    "GET /v1/do-not-call.csv",
    "GET /v1/members",
    "GET /v1/overview",
    "GET /v1/who-answered",
    "GET /v1/phone-numbers",
    "GET /v1/phone-numbers/{number_id}",
    "GET /v1/erasures",
    "GET /v1/erasures/{erasure_id}",
    "GET /v1/retention",
    "GET /v1/retention/progress",
    "GET /v1/secrets",
    "GET /v1/secrets/{name}",
    "GET /v1/speech-vendors",
    "GET /v1/spend-limit",
    "GET /v1/webhooks",
    "GET /v1/webhooks/preview",
    "GET /v1/webhooks/{webhook_id}",
    "GET /v1/webhooks/{webhook_id}/deliveries",
    "GET /v1/webhooks/{webhook_id}/deliveries/{delivery_id}",
    "GET /v1/workspace",
    "GET /v1/listening-notice",
    # Nothing is changed by these.
    "POST /v1/agents/check",
    "POST /v1/agents/preview",
    "POST /v1/agents/rehearse",
    "POST /v1/agents/talk",
    "POST /v1/retention/preview",
}
OF_OPERATOR = (
    OF_PLACE_CALLS
    | OF_READ
    | {
        "POST /v1/calls/{call_id}/digits",
        "POST /v1/calls/{call_id}/say",
        "POST /v1/calls/{call_id}/transfer",
        "POST /v1/calls/{call_id}/whisper",
        "POST /v1/calls/{call_id}/take-over",
        "PATCH /v1/calls/{call_id}/variables",
        "POST /v1/calls/{call_id}/wrap-up",
        "PUT /v1/calls/{call_id}/truth",
        "DELETE /v1/calls/{call_id}/truth",
        "POST /v1/workspace/pause",
        "POST /v1/workspace/resume",
        "POST /v1/calls/cancel-waiting",
        "POST /v1/phone-numbers/{number_id}/pause",
        "POST /v1/phone-numbers/{number_id}/resume",
        "POST /v1/phone-numbers/{number_id}/calls/cancel-waiting",
        "POST /v1/do-not-call",
        "POST /v1/do-not-call/import",
        "POST /v1/agents/tools/try",
        "POST /v1/agents/preview-voice",
        "PUT /v1/agents/{agent_id}/disclosure",
        "POST /v1/agents",
        "PATCH /v1/agents/{agent_id}",
        "POST /v1/agents/{agent_id}/versions",
        "POST /v1/agents/{agent_id}/publish",
        "POST /v1/phone-numbers",
        "POST /v1/phone-numbers/check",
        "POST /v1/phone-numbers/owned",
        "PATCH /v1/phone-numbers/{number_id}",
        "DELETE /v1/phone-numbers/{number_id}",
        "PATCH /v1/carrier-accounts/{account_id}",
        "POST /v1/alerts/rules",
        "PATCH /v1/alerts/rules/{rule_id}",
        "DELETE /v1/alerts/rules/{rule_id}",
        "POST /v1/alerts/rules/{rule_id}/undo",
        "PATCH /v1/alerts/notices",
        "POST /v1/alerts/test",
        "GET /v1/webhooks/requests/secret",
        "DELETE /v1/calls/{call_id}",
        "POST /v1/erase",
        "POST /v1/erase/preview",
        "GET /v1/workers",
        "POST /v1/speech-vendors/{vendor}/check",
        "PUT /v1/secrets/{name}",
        "DELETE /v1/secrets/{name}",
        "POST /v1/webhooks",
        "PATCH /v1/webhooks/{webhook_id}",
        "DELETE /v1/webhooks/{webhook_id}",
        "POST /v1/webhooks/{webhook_id}/rotate-secret",
        "POST /v1/webhooks/{webhook_id}/test",
        "POST /v1/webhooks/{webhook_id}/resend",
        "POST /v1/webhooks/{webhook_id}/deliveries/{delivery_id}/resend",
    }
)
OF_KEYS = {Scope.OPERATOR: OF_OPERATOR, Scope.PLACE_CALLS: OF_PLACE_CALLS, Scope.READ: OF_READ}

OWN = {
    "PATCH /v1/me",
    "GET /v1/me/sign-ins",
    "DELETE /v1/me/sign-ins",
    "DELETE /v1/me/sign-ins/{sign_in_id}",
    "POST /v1/me/password",
    "POST /v1/me/workspace",
}
OF_VIEWERS = OF_READ | OWN
OF_EDITORS = {
    "POST /v1/phone-number/{number_id}/outbound",
    "POST /v1alpha1/phone-number/{number_id}/outbound",
    "POST /v1/calls/{call_id}/digits",
    "POST /v1/calls/{call_id}/hang-up",
    "POST /v1/calls/{call_id}/say",
    "POST /v1/calls/{call_id}/transfer",
    "POST /v1/calls/{call_id}/whisper",
    "POST /v1/calls/{call_id}/take-over",
    "POST /v1/calls/{call_id}/listen",
    "PATCH /v1/calls/{call_id}/variables",
    "PUT /v1/calls/{call_id}/truth",
    "DELETE /v1/calls/{call_id}/truth",
    "POST /v1/calls/{call_id}/wrap-up",
    "POST /v1/workspace/pause",
    "POST /v1/workspace/resume",
    "POST /v1/calls/cancel-waiting",
    "POST /v1/phone-numbers/{number_id}/pause",
    "POST /v1/phone-numbers/{number_id}/resume",
    "POST /v1/phone-numbers/{number_id}/calls/cancel-waiting",
    "POST /v1/do-not-call",
    "POST /v1/do-not-call/import",
    "DELETE /v1/do-not-call/{number}",
    "POST /v1/agents/tools/try",
    "POST /v1/agents/preview-voice",
    "PUT /v1/agents/{agent_id}/disclosure",
    "POST /v1/agents",
    "PATCH /v1/agents/{agent_id}",
    "POST /v1/agents/{agent_id}/versions",
    "POST /v1/agents/{agent_id}/publish",
    "PATCH /v1/phone-numbers/{number_id}",
}
OF_OPERATORS = {
    "POST /v1/alerts/rules",
    "PATCH /v1/alerts/rules/{rule_id}",
    "DELETE /v1/alerts/rules/{rule_id}",
    "POST /v1/alerts/rules/{rule_id}/undo",
    "PATCH /v1/alerts/notices",
    "POST /v1/alerts/test",
    "POST /v1/api-keys",
    "PATCH /v1/api-keys/{key_id}",
    "DELETE /v1/api-keys/{key_id}",
    "POST /v1/phone-numbers",
    "POST /v1/phone-numbers/check",
    "POST /v1/phone-numbers/owned",
    "DELETE /v1/phone-numbers/{number_id}",
    "PATCH /v1/carrier-accounts/{account_id}",
    "PATCH /v1/workspace",
    "POST /v1/destinations",
    "DELETE /v1/destinations/{destination}",
    "PUT /v1/daily-limit",
    "PUT /v1/spend-limit",
    "PUT /v1/listening-notice",
    "DELETE /v1/calls/{call_id}",
    "POST /v1/erase",
    "POST /v1/erase/preview",
    "PUT /v1/retention",
    "PUT /v1/agents/{agent_id}/retention",
    "POST /v1/retention/undo",
    "POST /v1/members",
    "PATCH /v1/members/{person_id}",
    "DELETE /v1/members/{person_id}",
    "POST /v1/members/{person_id}/link",
    "GET /v1/webhooks/requests/secret",
    "GET /v1/workers",
    "POST /v1/speech-vendors/{vendor}/check",
    "POST /v1/workers/{worker_id}/drain",
    "POST /v1/workers/{worker_id}/undrain",
    "PUT /v1/secrets/{name}",
    "DELETE /v1/secrets/{name}",
    "POST /v1/webhooks",
    "PATCH /v1/webhooks/{webhook_id}",
    "DELETE /v1/webhooks/{webhook_id}",
    "POST /v1/webhooks/{webhook_id}/rotate-secret",
    "POST /v1/webhooks/{webhook_id}/test",
    "POST /v1/webhooks/{webhook_id}/resend",
    "POST /v1/webhooks/{webhook_id}/deliveries/{delivery_id}/resend",
}
LEAST_ROLE = {Role.VIEWER: OF_VIEWERS, Role.EDITOR: OF_EDITORS, Role.OPERATOR: OF_OPERATORS}

# What a leaked key must not do, and the words that say where a person does it.
PEOPLE_ONLY = {
    "PATCH /v1/workspace": ("Settings, Plan and lines", "outdial workspaces change"),
    "POST /v1/destinations": ("Settings, Destinations", "outdial destinations"),
    "DELETE /v1/destinations/{destination}": ("Settings, Destinations", "outdial destinations"),
    "PUT /v1/daily-limit": ("Settings, Destinations", "--daily-limit"),
    "PUT /v1/spend-limit": ("Settings, Plan and lines", "--spend-limit"),
    "PUT /v1/listening-notice": ("Settings, Listening in",),
    "POST /v1/calls/{call_id}/listen": ("the call's page",),
    "PUT /v1/retention": ("Settings, Privacy", "outdial retention set"),
    "PUT /v1/agents/{agent_id}/retention": ("Settings, Privacy", "outdial retention set"),
    "POST /v1/retention/undo": ("Settings, Privacy", "outdial retention set"),
    "POST /v1/workers/{worker_id}/drain": ("Settings, Workers", "outdial workers drain"),
    "POST /v1/workers/{worker_id}/undrain": ("Settings, Workers", "outdial workers drain"),
    "POST /v1/api-keys": ("Settings, API keys", "outdial keys"),
    "PATCH /v1/api-keys/{key_id}": ("Settings, API keys", "outdial keys"),
    "DELETE /v1/api-keys/{key_id}": ("Settings, API keys", "outdial keys"),
    "POST /v1/members": ("Settings, Members", "outdial members"),
    "PATCH /v1/members/{person_id}": ("Settings, Members", "outdial members"),
    "DELETE /v1/members/{person_id}": ("Settings, Members", "outdial members"),
    "POST /v1/members/{person_id}/link": ("Settings, Members", "outdial members"),
    "DELETE /v1/do-not-call/{number}": ("the page Do not call", "outdial do-not-call remove"),
} | dict.fromkeys(OWN, ("Settings, My account",))


def routes(router: Any) -> Iterator[tuple[str, Route]]:
    """Every method of every path, also of routers in routers."""
    for route in router.routes:
        if isinstance(route, Route):
            for method in route.methods - ({"HEAD"} if "GET" in route.methods else set()):
                yield f"{method} {route.path}", route
        else:
            yield from routes(route.original_router)


def operations(app) -> list[str]:
    """Every method of every path of the OpenAPI document."""
    return [f"{method.upper()} {path}" for path, item in app.openapi()["paths"].items() for method in item]


@pytest.fixture
async def client_of(app, engine, tenant):
    """A program whose key has this scope."""
    clients = []

    async def client_of(scope: Scope) -> httpx.AsyncClient:
        made = await create_api_key(engine, tenant.workspace_id, name=scope, scope=scope, by=COMMAND_LINE)
        headers = {"Authorization": made["key"]}
        transport = httpx.ASGITransport(app)
        clients.append(httpx.AsyncClient(transport=transport, base_url="https://voice.example", headers=headers))
        return clients[-1]

    yield client_of
    for client in clients:
        await client.aclose()


def test_every_route_has_an_entry_and_every_entry_a_route(app):
    guarded = {name for name, route in routes(app) if isinstance(route, ApiRoute)}
    assert guarded == ACCESS.keys()
    assert {name for name, _ in routes(app)} == guarded | OPEN | PAGES | ASSISTANTS | METRICS
    assert set(operations(app)) == ACCESS.keys() | OPEN


def test_every_route_says_who_may(app):
    by_scope = {scope: {name for name, access in ACCESS.items() if scope in access.scopes} for scope in Scope}
    assert by_scope == OF_KEYS
    assert {role: {n for n, access in ACCESS.items() if access.role is role} for role in Role} == LEAST_ROLE
    assert {name for name, access in ACCESS.items() if not access.scopes} == PEOPLE_ONLY.keys()
    assert all(bool(access.scopes) != bool(access.people_only) for access in ACCESS.values())


@pytest.mark.parametrize("role", Role)
async def test_every_route_is_refused_to_the_roles_below_before_its_body_is_read(app, browser_of, role):
    browser = await browser_of(role)
    for name, route in routes(app):
        if not isinstance(route, ApiRoute) or access_of(route).role is Role.VIEWER:
            continue
        method, path = name.split()
        answer = await browser.request(method, path, content=b"no JSON")
        refused = (answer.status_code, answer.json().get("code")) == (403, "role_too_low")
        assert refused == (not role.includes(access_of(route).role)), name
        if refused:
            assert f"your role is {role}" in answer.json()["message"]


@pytest.mark.parametrize("scope", Scope)
async def test_every_operation_is_refused_to_keys_of_other_scopes_before_its_body_is_read(app, client_of, scope):
    client = await client_of(scope)
    for name in operations(app):
        if name in OPEN:
            continue
        method, path = name.split()
        answer = await client.request(method, path, content=b"no JSON")
        if name in OF_KEYS[scope]:
            assert answer.status_code != 403, name
            continue
        problem = answer.json()
        assert answer.status_code == 403, name
        if name in PEOPLE_ONLY:
            assert problem["code"] == "people_only", name
            assert all(where in problem["message"] for where in PEOPLE_ONLY[name]), name
        else:
            assert problem["code"] == "scope_too_small", name
            enough = [other for other in reversed(Scope) if name in OF_KEYS[other]]
            wanted = f"This takes an API key with the scope {' or '.join(enough)}; this key has the scope {scope}."
            assert problem["message"] == wanted, name


@pytest.mark.parametrize("version", ["v1", "v1alpha1"])
@pytest.mark.parametrize("scope", Scope)
async def test_calls_are_placed_with_a_key_that_may(client_of, tenant, scope, version):
    url = f"/{version}/phone-number/{tenant.number_id}/outbound"
    answer = await (await client_of(scope)).post(url, json={"to": "+15551234567"})
    assert answer.status_code == (403 if scope is Scope.READ else 200)


async def test_a_key_that_places_calls_sees_follows_and_ends_them(client_of, tenant):
    client = await client_of(Scope.PLACE_CALLS)
    placed = await client.post(f"/v1/phone-number/{tenant.number_id}/outbound", json={"to": "+15551234567"})
    call = f"/v1/calls/{placed.json()['call_id']}"
    assert [one["id"] for one in (await client.get("/v1/calls")).json()["calls"]] == [placed.json()["call_id"]]
    assert (await client.post(f"{call}/hang-up")).status_code == 200
    assert (await client.get(call)).json()["end_reason"] == "canceled"
    assert "event: state" in (await client.get(f"{call}/events")).text


@pytest.mark.parametrize("scope", Scope)
async def test_who_has_got_hold_of_a_key_gets_neither_more_lines_nor_keys_nor_people(client_of, tenant, scope):
    leaked = await client_of(scope)
    keys = (await (await client_of(Scope.READ)).get("/v1/api-keys")).json()["api_keys"]
    own = next(key["id"] for key in keys if key["name"] == scope)
    tries = (
        ("PATCH", "/v1/workspace", {"lines": 100}),
        ("PATCH", "/v1/workspace", {"plan": "enterprise"}),
        ("PATCH", "/v1/workspace", {"reserved_inbound": 0}),
        ("POST", "/v1/api-keys", {"name": "Mine"}),
        ("POST", "/v1/api-keys", {"name": "Mine", "scope": "read"}),
        ("PATCH", f"/v1/api-keys/{own}", {"scope": "operator"}),
        ("DELETE", f"/v1/api-keys/{keys[-1]['id']}", None),
        ("POST", "/v1/members", {"email": "me@evil.example", "name": "Me", "role": "operator"}),
        ("DELETE", "/v1/do-not-call/+12025550115", None),
        ("POST", "/v1/destinations", {"destination": "+881"}),
        ("PUT", "/v1/daily-limit", {"calls": None}),
    )
    reader = await client_of(Scope.READ)
    paths = ("/v1/workspace", "/v1/members", "/v1/do-not-call", "/v1/destinations", "/v1/daily-limit")
    before = [(await reader.get(path)).json() for path in paths]
    for method, path, body in tries:
        answer = await leaked.request(method, path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "people_only"), (method, path, body)
    assert [(await reader.get(path)).json() for path in paths] == before
    now = (await reader.get("/v1/api-keys")).json()["api_keys"]
    assert [(key["scope"], key["revoked_at"]) for key in now[1:]] == [(key["scope"], None) for key in keys]


async def test_what_has_no_entry_is_refused_to_everybody(app, client, browser_of):
    router = APIRouter(route_class=ApiRoute)

    @router.get("/v1/new")
    async def new() -> None: ...

    app.include_router(router)
    for asking in (client, await browser_of(Role.OPERATOR)):
        answer = await asking.get("/v1/new")
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    with pytest.raises(AssertionError):
        test_every_route_has_an_entry_and_every_entry_a_route(app)


async def test_a_scope_that_is_changed_holds_at_once(app, browser_of, client_of):
    client = await client_of(Scope.READ)
    key_id = (await client.get("/v1/me")).json()["actor"]["id"]
    operator = await browser_of(Role.OPERATOR)
    assert (await client.post("/v1/do-not-call", json={"number": "+12025550115"})).status_code == 403
    changed = await operator.patch(f"/v1/api-keys/{key_id}", json={"scope": "operator"})
    assert (changed.status_code, changed.json()["scope"]) == (200, "operator")
    assert (await client.post("/v1/do-not-call", json={"number": "+12025550115"})).status_code == 201
    await operator.patch(f"/v1/api-keys/{key_id}", json={"scope": "place_calls"})
    assert (await client.get("/v1/do-not-call")).json()["code"] == "scope_too_small"


def test_the_document_says_who_may(app):
    document = app.openapi()
    for name in operations(app):
        method, path = name.split()
        operation = document["paths"][path][method.lower()]
        if name in OPEN:
            assert "x-outdial-access" not in operation
            continue
        access = ACCESS[name]
        assert operation["x-outdial-access"]["role"] == access.role
        assert set(operation["x-outdial-access"]["scopes"]) == access.scopes
        codes = set(operation["responses"].get("403", {}).get("content", {}).get("application/problem+json", {}).get(
            "examples", {}
        ))
        assert ("people_only" in codes) == (not access.scopes), name
        assert ("scope_too_small" in codes) == (0 < len(access.scopes) < len(Scope)), name
        assert ("role_too_low" in codes) == (access.role is not Role.VIEWER), name
