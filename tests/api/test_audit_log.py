from outdial.workspaces.access import Role
from tenants import make_tenant


async def test_the_log_says_who_changed_what(operator, client, browser_of, tenant):
    editor = await browser_of(Role.EDITOR)
    await operator.patch("/v1/workspace", json={"lines": 7})
    await editor.patch(f"/v1/phone-numbers/{tenant.number_id}", json={"name": "Night", "direction": "inbound"})
    key = (await operator.post("/v1/api-keys", json={"name": "Zapier"})).json()
    await operator.delete(f"/v1/api-keys/{key['id']}")
    await operator.delete(f"/v1/api-keys/{key['id']}")
    await editor.patch(f"/v1/agents/{tenant.agent_id}", json={"name": "Caller"})
    await editor.post(f"/v1/agents/{tenant.agent_id}/publish", json={"version": 1})
    page = (await client.get("/v1/audit-log")).json()
    assert [(entry["act"], entry["actor"]["kind"], entry["subject"]["name"]) for entry in page["entries"]] == [
        ("agent.published", "person", "Caller"),
        ("agent.renamed", "person", "Caller"),
        ("api_key.revoked", "person", "Zapier"),
        ("api_key.created", "person", "Zapier"),
        ("number.changed", "person", "Night"),
        ("plan.changed", "person", "Clinic"),
        ("member.invited", "command_line", "Editor"),
        ("member.invited", "command_line", "Operator"),
        ("api_key.created", "command_line", "Test"),
    ]
    assert page["entries"][4]["details"] == {"e164": "+15551230002", "name": "Night", "direction": "inbound"}
    assert page["entries"][5]["details"] == {"plan": "custom", "lines": 7}
    assert key["key"] not in str(page)


async def test_what_failed_is_not_in_it(operator, client, tenant):
    before = (await client.get("/v1/audit-log")).json()
    assert (await operator.patch("/v1/workspace", json={"reserved_inbound": 16})).status_code == 422
    await client.patch(f"/v1/phone-numbers/{tenant.number_id}", json={"agent_id": "agent_none"})
    await client.patch("/v1/phone-numbers/num_none", json={"name": "x"})
    assert (await client.get("/v1/audit-log")).json() == before


async def test_it_is_read_page_by_page_and_by_what_one_looks_for(operator, client, engine, tenant):
    for lines in range(1, 6):
        await operator.patch("/v1/workspace", json={"lines": lines})
    await make_tenant(engine)
    pages, cursor = [], None
    while not pages or cursor:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/v1/audit-log", params=query)).json()
        pages.append([entry["details"].get("lines") for entry in page["entries"]])
        cursor = page["next_cursor"]
    assert pages == [[5, 4], [3, 2], [1, None], [None]]

    async def count(**query):
        return len((await client.get("/v1/audit-log", params=query)).json()["entries"])

    person_id = operator.signed_in.person_id
    assert await count(act="plan") == 5
    assert await count(act="plan.changed") == 5
    assert await count(act="pla") == 0
    assert await count(act="%") == 0
    assert await count(actor_id=person_id) == 5
    assert await count(subject_id=person_id) == 1


async def test_a_wrong_filter_is_422(client):
    for query in ({"cursor": "x"}, {"cursor": "9" * 30}, {"limit": 0}, {"limit": 201}, {"act": "\0"}, {"who": "x"}):
        answer = await client.get("/v1/audit-log", params=query)
        assert answer.status_code == 422, query
