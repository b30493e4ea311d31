"""How long calls are kept, over HTTP: changed by people, tried before, undone after."""

from functools import partial

import pytest
from sqlalchemy import func, text, update

from outdial.db.retention_tables import retention_rules
from outdial.retention.too_old import erase_too_old
from outdial.workspaces.secrets import SecretBox
from personal import told_call

DAYS = {"recordings_days": 30, "transcripts_days": 60, "details_days": 90, "callbacks_days": 7}
TO = "+12025550166"


async def test_a_new_workspace_has_days_and_they_are_shown(client):
    shown = (await client.get("/v1/retention")).json()
    of_workspace = shown["workspace"]
    assert [of_workspace[f"{kind}_days"] for kind in ("recordings", "transcripts", "details")] == [90, 365, 730]
    assert (of_workspace["before"], shown["agents"]) == (None, [])


async def test_days_are_changed_shown_and_undone(operator):
    changed = (await operator.put("/v1/retention", json=DAYS)).json()["workspace"]
    assert {name: changed[name] for name in DAYS} == DAYS
    assert (changed["before"]["recordings_days"], changed["applies_at"] is not None) == (90, True)
    # Of two changes in a row the first one's days come back.
    await operator.put("/v1/retention", json=DAYS | {"recordings_days": 5})
    undone = (await operator.post("/v1/retention/undo", json={})).json()["workspace"]
    assert (undone["recordings_days"], undone["before"]) == (90, None)
    again = await operator.post("/v1/retention/undo", json={})
    assert (again.status_code, again.json()["code"]) == (409, "nothing_to_undo")


async def test_a_change_that_a_run_has_gone_by_is_not_undone(operator, engine):
    await operator.put("/v1/retention", json=DAYS)
    await erase_too_old(engine, partial(SecretBox, "a key"))
    async with engine.begin() as conn:
        await conn.execute(update(retention_rules).values(changed_at=func.now() - text("interval '61 minutes'")))
    await erase_too_old(engine, partial(SecretBox, "a key"))
    assert (await operator.post("/v1/retention/undo", json={})).json()["code"] == "nothing_to_undo"


async def test_an_agent_has_its_own_days(operator, tenant):
    path = f"/v1/agents/{tenant.agent_id}/retention"
    (own,) = (await operator.put(path, json={"recordings_days": 3})).json()["agents"]
    assert (own["agent_id"], own["agent_name"]) == (tenant.agent_id, "Reminder")
    assert (own["recordings_days"], own["details_days"], own["before"]["recordings_days"]) == (3, None, None)
    undone = (await operator.post("/v1/retention/undo", json={"agent_id": tenant.agent_id})).json()["agents"][0]
    assert undone["recordings_days"] is None
    assert (await operator.put("/v1/agents/agent_x/retention", json={})).json()["code"] == "agent_not_found"


async def test_what_other_days_would_erase_is_counted(operator, engine, settings, tenant, tmp_path):
    ended_at = func.now() - text("interval '40 days'")
    await told_call(engine, tmp_path, tenant.workspace_id, tenant.number_id, settings, TO, ended_at=ended_at)
    counted = (await operator.post("/v1/retention/preview", json=DAYS)).json()
    assert counted == {"recordings": 1, "transcripts": 0, "details": 0, "callbacks": 1}
    own = {"agent_id": tenant.agent_id, "transcripts_days": 10}
    assert (await operator.post("/v1/retention/preview", json=own)).json()["transcripts"] == 1
    progress = (await operator.get("/v1/retention/progress")).json()
    assert (progress["due"]["recordings"], progress["last_run_at"]) == (0, None)


@pytest.mark.parametrize("days", [{}, {"recordings_days": -1}, {"recordings_days": 40_000}, {"recordings_days": None}])
async def test_days_that_are_none_are_refused(operator, days):
    usual = {} if days == {} else DAYS
    assert (await operator.put("/v1/retention", json=usual | days)).status_code == 422


async def test_a_key_may_not_change_them(client, tenant):
    for asked in (
        client.put("/v1/retention", json=DAYS),
        client.put(f"/v1/agents/{tenant.agent_id}/retention", json={}),
        client.post("/v1/retention/undo", json={}),
    ):
        refused = await asked
        assert (refused.status_code, refused.json()["code"]) == (403, "people_only")
