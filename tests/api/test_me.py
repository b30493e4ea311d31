import pytest

from outdial.lines.workspace_pools import create_workspace
from outdial.members import store
from outdial.workspaces.access import Role, Scope
from outdial.workspaces.api_keys import create_api_key
from outdial.workspaces.audit import COMMAND_LINE


async def test_an_api_key_learns_what_it_is(client, tenant):
    me = (await client.get("/v1/me")).json()
    here = {"id": tenant.workspace_id, "name": "Clinic", "role": "operator"}
    assert (me["actor"]["kind"], me["actor"]["name"], me["email"]) == ("api_key", "Test", None)
    assert (me["workspace"], me["workspaces"], me["needs_password"]) == (here, [here], False)
    assert me["scope"] == "operator"


@pytest.mark.parametrize("scope", [Scope.PLACE_CALLS, Scope.READ])
async def test_a_narrow_key_learns_its_scope_and_has_no_role(client, engine, tenant, scope):
    made = await create_api_key(engine, tenant.workspace_id, name="Zapier", scope=scope, by=COMMAND_LINE)
    me = (await client.get("/v1/me", headers={"Authorization": made["key"]})).json()
    assert (me["scope"], me["workspace"]["role"]) == (scope, None)


async def test_an_api_key_has_nothing_of_a_person(client):
    for method, path, body in (
        ("PATCH", "", {"name": "Zapier"}),
        ("GET", "sign-ins", None),
        ("DELETE", "sign-ins", None),
        ("DELETE", "sign-ins/signin_1", None),
        ("POST", "password", {"password": "a long sentence"}),
        ("POST", "workspace", {"workspace_id": "ws_1"}),
    ):
        answer = await client.request(method, f"/v1/me/{path}".rstrip("/"), json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "people_only"), path


async def test_a_person_learns_who_and_where_they_are_and_may_go_elsewhere(browser_of, engine, tenant):
    browser = await browser_of(Role.VIEWER)
    other = (await create_workspace(engine, name="Another"))["id"]
    unknown = await browser.post("/v1/me/workspace", json={"workspace_id": other})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "workspace_not_found")
    email = browser.signed_in.email
    await store.invite(engine, other, email=email, name="", role=Role.EDITOR, by=COMMAND_LINE, base_url="")
    me = (await browser.get("/v1/me")).json()
    assert (me["email"], me["needs_password"], me["workspace"]["id"]) == (email, True, tenant.workspace_id)
    assert me["scope"] is None
    assert [(each["name"], each["role"]) for each in me["workspaces"]] == [("Another", "editor"), ("Clinic", "viewer")]
    me = (await browser.post("/v1/me/workspace", json={"workspace_id": other})).json()
    assert (me["workspace"]["id"], me["workspace"]["role"]) == (other, "editor")
    assert (await browser.get("/v1/workspace")).json()["name"] == "Another"


async def test_a_person_sets_a_password_which_then_asks_for_the_old_one(browser_of):
    browser = await browser_of(Role.VIEWER)
    short = await browser.post("/v1/me/password", json={"password": "short"})
    assert short.status_code == 422
    assert short.json()["errors"] == [{"field": "password", "message": "must have at least 10 characters"}]
    me = await browser.post("/v1/me/password", json={"password": "a long sentence"})
    assert (me.status_code, me.json()["needs_password"]) == (200, False)
    refused = await browser.post("/v1/me/password", json={"password": "another sentence"})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "old_password")
    for _ in range(5):
        answer = await browser.post("/v1/me/password", json={"password": "another sentence", "old_password": "x"})
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_sign_ins")
    assert int(answer.headers["retry-after"]) >= 1


async def test_a_person_changes_their_name_and_address(browser_of):
    browser, other = await browser_of(Role.VIEWER), await browser_of(Role.EDITOR)
    me = (await browser.patch("/v1/me", json={"email": " Alex@Clinic.example", "name": "Alex"})).json()
    assert (me["email"], me["actor"]["name"]) == ("alex@clinic.example", "Alex")
    assert (await browser.patch("/v1/me", json={})).json() == me
    for email in ("ALEX@clinic.example", "no address"):
        answer = await other.patch("/v1/me", json={"email": email})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "email")
    assert (await browser.get("/v1/audit-log")).json()["entries"][0]["act"] == "member.changed"


async def test_a_person_ends_sign_ins(browser_of):
    browser = await browser_of(Role.VIEWER)
    (listed,) = (await browser.get("/v1/me/sign-ins")).json()["sign_ins"]
    assert (listed["current"], listed["user_agent"]) == (True, "Firefox")
    assert (await browser.delete("/v1/me/sign-ins")).json() == {"ended": 0}
    for unknown in ("signin_none", "x", "%00"):
        assert (await browser.delete(f"/v1/me/sign-ins/{unknown}")).json()["code"] == "sign_in_not_found"
    assert (await browser.delete(f"/v1/me/sign-ins/{listed['id']}")).json() == {"ended": 1}
    assert (await browser.get("/v1/me/sign-ins")).status_code == 401
