from contextlib import nullcontext

import httpx
import pytest
from fastapi import Request, Response

from outdial.api.problems import Problem
from outdial.api.sign_in_cookie import cookie_name, delete_token, require_same_origin, set_token
from outdial.members.sign_in import sign_out
from outdial.workspaces.access import Role

HTTPS, HTTP = "https://voice.example", "http://127.0.0.1:8080"


async def test_a_signed_in_browser_is_its_person(browser_of, tenant):
    answer = await (await browser_of(Role.VIEWER)).get("/v1/workspace")
    assert answer.json()["id"] == tenant.workspace_id


async def test_a_sign_in_that_has_ended_is_401(browser_of, engine, app):
    browser = await browser_of(Role.EDITOR)
    await sign_out(engine, browser.cookies["__Host-outdial_sign_in"])
    app.state.sign_ins.forget(browser.signed_in.person_id)
    answer = await browser.get("/v1/workspace")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert "sign in again" in answer.json()["message"]


async def test_an_authorization_header_counts_before_the_cookie(browser_of, tenant):
    browser = await browser_of(Role.VIEWER)
    answer = await browser.get("/v1/me", headers={"Authorization": tenant.key})
    assert answer.json()["actor"]["kind"] == "api_key"
    assert (await browser.get("/v1/me", headers={"Authorization": "wrong"})).status_code == 401


async def test_what_changes_something_needs_the_csrf_token(browser_of):
    browser = await browser_of(Role.OPERATOR, csrf=False)
    assert (await browser.get("/v1/api-keys")).status_code == 200
    other = await browser_of(Role.OPERATOR)
    for token in (None, "", "wrong", other.signed_in.csrf_token):
        headers = {} if token is None else {"X-CSRF-Token": token}
        answer = await browser.post("/v1/api-keys", json={"name": "Zapier"}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf")
    headers = {"X-CSRF-Token": browser.signed_in.csrf_token}
    assert (await browser.post("/v1/api-keys", json={"name": "Zapier"}, headers=headers)).status_code == 201


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://voice.example.evil.example"},
        {"Origin": "https://voice.example:8443"},
        {"Origin": "https://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_what_another_site_has_the_browser_send_is_refused_even_with_the_token(browser_of, headers):
    browser = await browser_of(Role.OPERATOR)
    answer = await browser.post("/v1/api-keys", json={"name": "Zapier"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf")


async def test_the_address_in_the_browser_s_bar_is_the_same_origin_too(browser_of):
    browser = await browser_of(Role.OPERATOR)
    headers = {"Host": "127.0.0.1:8080", "Origin": "http://127.0.0.1:8080", "Sec-Fetch-Site": "same-origin"}
    assert (await browser.post("/v1/api-keys", json={"name": "Zapier"}, headers=headers)).status_code == 201


@pytest.mark.parametrize(
    ("base_url", "host", "is_ours"),
    [
        (HTTP, "localhost:8080", True),
        (HTTP, "outdial.localhost:8080", True),
        (HTTP, "[::1]:8080", True),
        (HTTP, "evil.example:8080", False),  # a name that its owner made point here
        (HTTP, "127.0.0.1.evil.example:8080", False),
        (HTTP, "[", False),
        (HTTPS, "voice.internal", True),  # its operators' own name for it
    ],
)
def test_a_server_of_this_machine_alone_has_no_names_but_loopback_s(base_url, host, is_ours):
    headers = [(b"host", host.encode()), (b"origin", f"http://{host}".encode())]
    request = Request({"type": "http", "method": "POST", "headers": headers})
    with nullcontext() if is_ours else pytest.raises(Problem, match="another site"):
        require_same_origin(request, base_url)


async def test_an_api_key_needs_no_csrf_token_wherever_it_comes_from(client):
    listed = {"number": "+12025550115"}
    answer = await client.post("/v1/do-not-call", json=listed, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 201


def test_the_cookie_is_out_of_reach_of_scripts_and_other_hosts():
    for base_url, name, secure in ((HTTPS, "__Host-outdial_sign_in", True), (HTTP, "outdial_sign_in", False)):
        response = Response()
        set_token(response, base_url, "token")
        delete_token(response, base_url)
        made, deleted = response.headers.getlist("set-cookie")
        assert cookie_name(base_url) == name
        assert made.startswith(f"{name}=token;")
        for cookie in (made, deleted):
            assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
            assert ("Secure" in cookie) == secure
            assert "Domain" not in cookie
        assert "Max-Age=2592000" in made
        assert "Max-Age=0" in deleted


async def test_a_cookie_of_the_other_name_counts_for_nothing(browser_of, app):
    token = (await browser_of(Role.VIEWER)).cookies["__Host-outdial_sign_in"]
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=HTTPS, cookies={"outdial_sign_in": token}) as browser:
        assert (await browser.get("/v1/workspace")).status_code == 401
