from outdial.workspaces.access import Role

NEW = {"email": "alex@clinic.example", "name": "Alex", "role": "editor"}


async def test_a_member_is_invited_by_a_link_that_is_shown_once(operator):
    answer = await operator.post("/v1/members", json=NEW)
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    link = answer.json()["link"]["url"]
    assert link.startswith("https://voice.example/sign-in/")
    listed = await operator.get("/v1/members")
    assert [(member["name"], member["role"]) for member in listed.json()["members"]] == [
        ("Operator", "operator"),
        ("Alex", "editor"),
    ]
    for page in (listed, await operator.get("/v1/audit-log")):
        assert link.rpartition("/")[2] not in page.text


async def test_a_wrong_invitation_is_422(operator):
    wrong = [
        ("email", {"email": "alex"}),
        ("email", {"email": "a\0@b"}),
        ("name", {"name": ""}),
        ("role", {"role": "owner"}),
        ("role", {"role": None}),
        ("workspace_id", {"workspace_id": "ws_1"}),
    ]
    for field, fields in wrong:
        answer = await operator.post("/v1/members", json=NEW | fields)
        assert answer.status_code == 422, fields
        assert answer.json()["errors"][0]["field"] == field
    await operator.post("/v1/members", json=NEW)
    again = await operator.post("/v1/members", json=NEW | {"email": "ALEX@clinic.example"})
    assert (again.status_code, again.json()["code"]) == (409, "member_exists")


async def test_a_role_that_is_changed_holds_at_once(operator, browser_of):
    browser = await browser_of(Role.VIEWER)
    url = f"/v1/members/{browser.signed_in.person_id}"
    await browser.get("/v1/me")
    assert (await operator.patch(url, json={"role": "operator"})).json()["role"] == "operator"
    assert (await browser.get("/v1/me")).json()["workspace"]["role"] == "operator"
    other = f"/v1/members/{operator.signed_in.person_id}"
    assert (await browser.patch(other, json={"role": "viewer"})).status_code == 200
    last = await browser.patch(url, json={"role": "viewer"})
    assert (last.status_code, last.json()["code"]) == (409, "last_operator")


async def test_who_is_removed_is_out_at_once(operator, browser_of):
    browser = await browser_of(Role.EDITOR)
    assert (await browser.get("/v1/me")).status_code == 200
    assert (await operator.delete(f"/v1/members/{browser.signed_in.person_id}")).json()["role"] == "editor"
    assert (await browser.get("/v1/me")).status_code == 401


async def test_a_link_lets_back_in(operator, browser_of):
    person_id = (await browser_of(Role.EDITOR)).signed_in.person_id
    answer = await operator.post(f"/v1/members/{person_id}/link")
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    assert answer.json()["url"].startswith("https://voice.example/sign-in/")
    for unknown in ("per_none", "x", "%00"):
        assert (await operator.post(f"/v1/members/{unknown}/link")).json()["code"] == "member_not_found"
        assert (await operator.delete(f"/v1/members/{unknown}")).json()["code"] == "member_not_found"
