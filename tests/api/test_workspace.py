import asyncio

import httpx
from sqlalchemy import text

from outdial.api.body_limit import BodyLimit
from tenants import make_tenant


async def test_the_workspace_tells_its_plan_and_how_its_lines_are_used(client, tenant, engine):
    await client.post(f"/v1/phone-number/{tenant.number_id}/outbound", json={"to": "+15551234567"})
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE pools SET used_outbound = 3, used_inbound = 1, reserved_inbound = 5"))
    answer = (await client.get("/v1/workspace")).json()
    assert (answer["id"], answer["name"], answer["plan"]) == (tenant.workspace_id, "Clinic", "team")
    assert answer["pool"] == {
        "lines": 15,
        "reserved_inbound": 5,
        "used_outbound": 3,
        "used_inbound": 1,
        "free_outbound": 7,
        "free_inbound": 11,
        "queued": 1,
    }


async def test_a_plan_is_a_number_of_lines_and_any_number_can_be_set(operator):
    async def change(**fields):
        answer = await operator.patch("/v1/workspace", json=fields)
        assert answer.status_code == 200, answer.text
        return answer.json()["plan"], answer.json()["pool"]["lines"], answer.json()["pool"]["reserved_inbound"]

    assert await change(plan="enterprise") == ("enterprise", 100, 0)
    assert await change(lines=40, reserved_inbound=10) == ("custom", 40, 10)
    assert await change(plan="pro", reserved_inbound=1) == ("pro", 5, 1)
    assert await change(reserved_inbound=0) == ("pro", 5, 0)
    assert await change() == ("pro", 5, 0)
    assert await change(plan="custom", lines=7) == ("custom", 7, 0)


async def test_a_plan_that_makes_no_sense_is_422(operator):
    wrong = [
        ("plan", {"plan": "gold"}),
        ("lines", {"plan": "custom"}),
        ("lines", {"lines": -1}),
        ("lines", {"lines": "5"}),
        ("lines", {"lines": 10**6}),
        ("reserved_inbound", {"reserved_inbound": 16}),
        ("reserved_inbound", {"lines": 3, "reserved_inbound": 4}),
        ("name", {"name": "Other"}),
    ]
    for field, body in wrong:
        answer = await operator.patch("/v1/workspace", json=body)
        assert answer.status_code == 422, body
        assert answer.json()["errors"][0]["field"] == field


async def test_keys_are_shown_once_and_listed_by_their_hint(operator, client, tenant):
    answer = await operator.post("/v1/api-keys", json={"name": "Zapier"})
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    made = answer.json()
    assert made["key"].startswith("od_")
    assert made["key"].startswith(made["hint"])
    assert len(made["hint"]) <= 8
    listed = await client.get("/v1/api-keys")
    assert made["key"] not in listed.text
    assert [key["name"] for key in listed.json()["api_keys"]] == ["Zapier", "Test"]
    assert listed.json()["api_keys"][1]["last_used_at"]


async def test_only_own_keys_can_be_changed_or_revoked(operator, client, engine):
    other = await make_tenant(engine)
    theirs = (await client.get("/v1/api-keys", headers={"Authorization": other.key})).json()["api_keys"][0]["id"]
    for key_id in (theirs, "key_none", "key_%00", "x"):
        for answer in (
            await operator.delete(f"/v1/api-keys/{key_id}"),
            await operator.patch(f"/v1/api-keys/{key_id}", json={"scope": "read"}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "api_key_not_found")


async def test_health_needs_no_key(client):
    assert (await client.get("/healthz", headers={"Authorization": ""})).json() == {"status": "ok"}
    assert (await client.get("/readyz", headers={"Authorization": ""})).json() == {"status": "ready"}


async def test_an_unexpected_error_is_a_500_that_tells_nothing(app):
    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("the password is swordfish")

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://voice.example") as client:
        answer = await client.get("/broken")
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert "swordfish" not in answer.text


async def test_the_body_limit_leaves_websockets_alone():
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["type"])

    await BodyLimit(app, max_bytes=1)({"type": "websocket"}, asyncio.sleep, asyncio.sleep)
    assert seen == ["websocket"]
