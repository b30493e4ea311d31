"""Who may do what: the whole table, so that a new route has to be entered here."""

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.routing import Route

from outdial.api.auth import ApiRoute, role_of
from outdial.workspaces.access import Role

OPEN = {"GET /healthz", "GET /readyz", "GET /docs", "GET /openapi.json"}
VIEWER = {
    "GET /v1/agents",
    "GET /v1/agents/examples",
    "GET /v1/agents/{agent_id}",
    "GET /v1/agents/{agent_id}/versions/{version}",
    "GET /v1/api-keys",
    "GET /v1/audit-log",
    "GET /v1/calls",
    "GET /v1/calls.csv",
    "GET /v1/calls/{call_id}/callbacks",
    "GET /v1/calls/{call_id}/recording/waveform",
    "GET /v1/calls/{call_id}",
    "GET /v1/calls/{call_id}/events",
    "GET /v1/calls/{call_id}/recording",
    "GET /v1/do-not-call",
    "GET /v1/do-not-call.csv",
    "GET /v1/me",
    "GET /v1/me/sign-ins",
    "GET /v1/members",
    "GET /v1/overview",
    "GET /v1/carrier-accounts",
    "GET /v1/carrier-accounts/{account_id}",
    "GET /v1/phone-numbers",
    "GET /v1/phone-numbers/{number_id}",
    "GET /v1/workspace",
    # Nothing is changed by these.
    "POST /v1/agents/check",
    "POST /v1/agents/preview",
    # Their own.
    "PATCH /v1/me",
    "DELETE /v1/me/sign-ins",
    "DELETE /v1/me/sign-ins/{sign_in_id}",
    "POST /v1/me/password",
    "POST /v1/me/workspace",
}
EDITOR = {
    "POST /v1/phone-number/{number_id}/outbound",
    "POST /v1alpha1/phone-number/{number_id}/outbound",
    "POST /v1/calls/{call_id}/digits",
    "POST /v1/calls/{call_id}/hang-up",
    "POST /v1/calls/{call_id}/say",
    "POST /v1/calls/{call_id}/transfer",
    "PATCH /v1/calls/{call_id}/variables",
    "POST /v1/do-not-call",
    "POST /v1/do-not-call/import",
    "DELETE /v1/do-not-call/{number}",  # of people
    "POST /v1/agents",
    "PATCH /v1/agents/{agent_id}",
    "POST /v1/agents/{agent_id}/versions",
    "POST /v1/agents/{agent_id}/publish",
    "PATCH /v1/phone-numbers/{number_id}",
}
OPERATOR = {
    "POST /v1/api-keys",
    "DELETE /v1/api-keys/{key_id}",
    "POST /v1/phone-numbers",
    "POST /v1/phone-numbers/check",
    "DELETE /v1/phone-numbers/{number_id}",
    "PATCH /v1/carrier-accounts/{account_id}",
    "PATCH /v1/workspace",
    "POST /v1/members",
    "PATCH /v1/members/{person_id}",
    "DELETE /v1/members/{person_id}",
    "POST /v1/members/{person_id}/link",
}


def routes(router: Any) -> Iterator[tuple[str, Route]]:
    """Every method of every path, also of routers in routers."""
    for route in router.routes:
        if isinstance(route, Route):
            for method in route.methods - ({"HEAD"} if "GET" in route.methods else set()):
                yield f"{method} {route.path}", route
        else:
            yield from routes(route.original_router)


def test_every_route_says_who_may(app):
    found = {role: set() for role in Role} | {None: set()}
    for name, route in routes(app):
        found[role_of(route) if isinstance(route, ApiRoute) else None].add(name)
    assert found == {Role.VIEWER: VIEWER, Role.EDITOR: EDITOR, Role.OPERATOR: OPERATOR, None: OPEN}


@pytest.mark.parametrize("role", Role)
async def test_every_route_is_refused_to_the_roles_below_before_its_body_is_read(app, browser_of, role):
    browser = await browser_of(role)
    for name, route in routes(app):
        if not isinstance(route, ApiRoute) or role_of(route) is Role.VIEWER:
            continue
        method, path = name.split()
        answer = await browser.request(method, path, content=b"no JSON")
        refused = (answer.status_code, answer.json()["code"]) == (403, "role_too_low")
        assert refused == (not role.includes(role_of(route))), name
        if refused:
            assert f"your role is {role}" in answer.json()["message"]


async def test_api_keys_are_operators(app, client):
    for name, route in routes(app):
        if isinstance(route, ApiRoute):
            method, path = name.split()
            if method != "GET":
                assert (await client.request(method, path, content=b"no JSON")).status_code != 403, name
