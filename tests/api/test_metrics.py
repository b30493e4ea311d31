"""What Prometheus is told, and whom it is told."""

from dataclasses import replace

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from sqlalchemy import insert, update

from outdial.api.app import create_api
from outdial.db.tables import calls, pools
from outdial.ids import new_id
from outdial.workspaces.access import Scope
from outdial.workspaces.api_keys import create_api_key
from outdial.workspaces.audit import COMMAND_LINE
from tenants import make_tenant

TOKEN = "a token of the instance"


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"metrics_token": SecretStr(TOKEN)})


@pytest.fixture
def told(client):
    async def told(key=TOKEN) -> dict[tuple[str, ...], float]:
        """By name and the values of its labels, in the order of their names."""
        answer = await client.get("/metrics", headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/plain; version=")
        return {
            (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }

    return told


@pytest.fixture
def store(engine, tenant):
    async def store(**values):
        row = {"id": new_id("call"), "workspace_id": tenant.workspace_id, "number_id": tenant.number_id,
               "direction": "outbound", "state": "ended", "from_": "+15551230002", "to": "+12025550115",
               "ring_timeout_s": 30, "max_duration_s": 600}  # fmt: skip
        async with engine.begin() as conn:
            await conn.execute(insert(calls).values(row | values))

    return store


async def test_an_operator_s_key_sees_its_workspace_and_no_other(told, engine, tenant, store):
    other = await make_tenant(engine)
    async with engine.begin() as conn:
        await conn.execute(update(pools).where(pools.c.workspace_id == tenant.workspace_id).values(used_outbound=3))
    for values in (
        {"end_reason": "completed", "outcome": "confirmed"},
        {"end_reason": "completed", "outcome": "ours"},
        {"end_reason": "completed", "outcome": "do_not_call"},
        {"end_reason": "failed", "error": {"code": "carrier_refused", "message": "x"}},
        {"state": "queued"},
        {"state": "queued"},
        {"state": "in_progress"},
    ):
        await store(**values)
    seen, ours = await told(tenant.key), tenant.workspace_id
    assert seen["outdial_lines_used", "outbound", ours] == 3
    assert seen["outdial_calls_queued", ours] == 2
    ended = {key[1:]: value for key, value in seen.items() if key[0] == "outdial_workspace_calls_ended_total"}
    assert ended == {  # direction, end_reason, error, outcome, workspace: in the order of their names
        ("outbound", "completed", "", "agent", ours): 2,
        ("outbound", "completed", "", "do_not_call", ours): 1,
        ("outbound", "failed", "carrier_refused", "", ours): 1,
    }
    assert other.workspace_id not in str(seen)
    assert not any(name.startswith("outdial_event_loop") for name, *_ in seen)
    assert (await told(other.key))["outdial_calls_queued", other.workspace_id] == 0


async def test_the_instance_s_token_sees_the_process_and_all_workspaces(told, engine, tenant, store):
    other = await make_tenant(engine)
    await store(state="queued")
    seen = await told()
    assert seen["outdial_calls_queued", tenant.workspace_id] == 1
    assert seen["outdial_lines", other.workspace_id] == 15
    assert seen["outdial_database_connections", "in_use"] >= 0
    names = {name for name, *_ in seen}
    assert {"outdial_event_loop_late_seconds_count", "outdial_turn_latency_seconds_count"} <= names


@pytest.mark.parametrize("scope", [Scope.READ, Scope.PLACE_CALLS])
async def test_no_other_key_sees_anything(client, engine, tenant, scope):
    key = (await create_api_key(engine, tenant.workspace_id, name="k", scope=scope, by=COMMAND_LINE))["key"]
    answer = await client.get("/metrics", headers={"Authorization": key})
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_too_small")


async def test_strangers_see_nothing_and_without_a_token_none_is_right(client, services, settings, tenant):
    for wrong in ("", "Bearer", f"Bearer {TOKEN}x", "Bearer é", TOKEN[:-1]):
        answer = await client.get("/metrics", headers={"Authorization": wrong.encode()})
        assert answer.status_code == 401, wrong
    without = create_api(replace(services, settings=settings.model_copy(update={"metrics_token": None})))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(without), base_url="https://voice.example") as http:
        for wrong in (f"Bearer {TOKEN}", "Bearer None", "Bearer "):
            assert (await http.get("/metrics", headers={"Authorization": wrong})).status_code == 401
