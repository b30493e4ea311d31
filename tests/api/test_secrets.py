"""Secrets of a workspace over HTTP: a value goes in, and never comes out."""

import pytest
from sqlalchemy import update

from outdial.db.secret_tables import secrets
from outdial.db.tables import agent_versions
from outdial.workspaces.access import Role
from outdial.workspaces.secrets import SecretBox

VALUE = "wk-2f9d0c-and-more"
SCRIPT = "steps: {a: {hang_up: Goodbye.}}"


async def test_a_secret_is_set_listed_replaced_and_removed_and_never_read_back(client):
    url = "/v1/secrets/weather_key"
    made = await client.put(url, json={"value": VALUE, "hosts": ["api.weather.example"]})
    replaced = await client.put(url, json={"value": VALUE})
    assert [(answer.status_code, answer.json()["added"]) for answer in (made, replaced)] == [(201, True), (200, False)]
    assert (made.json()["hosts"], replaced.json()["hosts"]) == (["api.weather.example"], None)
    one, listed = await client.get(url), await client.get("/v1/secrets")
    assert listed.json() == {"secrets": [one.json()]}
    assert (one.json()["name"], one.json()["readable"], one.json()["used_by"]) == ("weather_key", True, [])
    assert one.json()["set_by"]["kind"] == "api_key"
    gone = await client.delete(url)
    answers = [made, replaced, one, listed, gone, await client.get("/v1/audit-log")]
    assert not any(VALUE in answer.text for answer in answers)
    for again in (await client.delete(url), await client.get(url)):
        assert (again.status_code, again.json()["code"]) == (404, "secret_not_found")


@pytest.mark.parametrize(
    ("name", "body", "field"),
    [
        ("Weather", {"value": VALUE}, "name"),
        ("weather", {}, "value"),
        ("weather", {"value": ""}, "value"),
        ("weather", {"value": f"{VALUE}\r\nX-Other: 1"}, "value"),
        ("weather", {"value": VALUE * 1000}, "value"),
        ("weather", {"value": VALUE, "hosts": []}, "hosts"),
        ("weather", {"value": VALUE, "hosts": ["https://api.weather.example/"]}, "hosts"),
        ("weather", {"value": VALUE, "host": "api.weather.example"}, "host"),
    ],
)
async def test_a_refusal_names_the_field_and_never_repeats_the_value(client, name, body, field):
    refused = await client.put(f"/v1/secrets/{name}", json=body)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)
    assert VALUE not in refused.text


async def test_a_secret_tells_which_agents_name_it(client, engine):
    await client.put("/v1/secrets/weather_key", json={"value": VALUE})
    agent = (await client.post("/v1/agents", json={"name": "Front desk", "source": SCRIPT})).json()
    async with engine.begin() as conn:
        source = "tools:\n- headers:\n    Authorization: 'Bearer {secret:weather_key}'\n"
        await conn.execute(update(agent_versions).where(agent_versions.c.agent_id == agent["id"]).values(source=source))
    used_by = [{"id": agent["id"], "name": "Front desk"}]
    assert (await client.get("/v1/secrets/weather_key")).json()["used_by"] == used_by
    assert (await client.get("/v1/secrets")).json()["secrets"][0]["used_by"] == used_by
    assert (await client.delete("/v1/secrets/weather_key")).json()["used_by"] == used_by


async def test_what_a_lost_secret_key_encrypted_can_be_set_anew(client, engine):
    await client.put("/v1/secrets/weather_key", json={"value": VALUE})
    async with engine.begin() as conn:
        await conn.execute(update(secrets).values(sealed=SecretBox("a lost key").encrypt(VALUE)))
    assert (await client.get("/v1/secrets/weather_key")).json()["readable"] is False
    assert (await client.put("/v1/secrets/weather_key", json={"value": VALUE})).json()["readable"] is True


async def test_editors_write_agents_and_set_no_secrets(browser_of):
    editor = await browser_of(Role.EDITOR)
    refused = await editor.put("/v1/secrets/weather_key", json={"value": VALUE})
    assert (refused.status_code, refused.json()["code"]) == (403, "role_too_low")
    assert (await editor.get("/v1/secrets")).status_code == 200


async def test_a_source_with_a_secret_that_is_not_there_gets_a_warning(client):
    source = "steps: {a: {hang_up: Goodbye.}}\nvariables: {crm: '{secret:crm_key}'}\n"
    warned = (await client.post("/v1/agents/check", json={"source": source})).json()
    assert [one["line"] for one in warned["warnings"] if "no secret crm_key" in one["message"]] == [2]
    await client.put("/v1/secrets/crm_key", json={"value": VALUE})
    assert (await client.post("/v1/agents/check", json={"source": source})).json()["warnings"] == []
