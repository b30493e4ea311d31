"""Whoever is in one workspace sees nothing of another, not even of one they were in a moment ago."""

import pytest
from sqlalchemy import insert

from outdial.db.tables import calls, members
from outdial.ids import new_id
from outdial.workspaces.access import Role
from tenants import Tenant, make_tenant


@pytest.fixture
async def elsewhere(engine) -> Tenant:
    return await make_tenant(engine)


@pytest.fixture
async def operator(browser_of):
    return await browser_of(Role.OPERATOR)


async def test_what_belongs_to_another_workspace_is_nowhere_to_be_found(operator, elsewhere, engine):
    call_id = new_id("call")
    async with engine.begin() as conn:
        await conn.execute(
            insert(calls).values(
                id=call_id,
                workspace_id=elsewhere.workspace_id,
                number_id=elsewhere.number_id,
                direction="outbound",
                state="queued",
                from_="+15551230002",
                to="+15551234567",
                ring_timeout_s=30,
                max_duration_s=600,
            )
        )
    call, agent, number = f"/calls/{call_id}", f"/agents/{elsewhere.agent_id}", f"/phone-numbers/{elsewhere.number_id}"
    for page in (
        call,
        f"{call}/callbacks",
        f"{call}/watch",
        f"/live{call}",
        agent,
        f"{agent}/publish",
        f"{agent}/changes?before=1&after=1",
        f"{number}/outbound-call-api",
        f"{number}/outbound-call-api/variables?version=draft",
        f"{number}/edit",
        f"/v1{call}",
        f"/v1{call}/events",
        f"/v1{call}/recording",
        f"/v1{call}/recording/waveform",
        f"/v1{call}/callbacks",
        f"/v1{agent}",
        f"/v1{agent}/versions/1",
        f"/v1{number}",
    ):
        answer = await operator.get(page)
        assert answer.status_code == 404, page
        assert "Reminder" not in answer.text
        assert "no_recording" not in answer.text
    assert (await operator.post(f"{number}/outbound-call-api/code", json={})).status_code == 404


async def test_a_page_of_before_a_switch_changes_nothing_in_the_workspace_that_came_after(
    operator, elsewhere, engine, tenant
):
    async with engine.begin() as conn:
        person_id = operator.signed_in.person_id
        await conn.execute(
            insert(members).values(workspace_id=elsewhere.workspace_id, person_id=person_id, role="operator")
        )
    of_before = {"X-Workspace": tenant.workspace_id}
    assert f'content="{tenant.workspace_id}"' in (await operator.get("/settings")).text
    assert (await operator.post("/v1/me/workspace", json={"workspace_id": elsewhere.workspace_id})).status_code == 200
    answer = await operator.post("/v1/api-keys", json={"name": "Zapier"}, headers=of_before)
    assert (answer.status_code, answer.json()["code"]) == (409, "other_workspace")
    part = await operator.get("/settings", headers=of_before | {"X-Part": "1"})
    assert part.status_code == 401  # which has the browser load the whole page again
    of_now = {"X-Workspace": elsewhere.workspace_id}
    assert (await operator.post("/v1/api-keys", json={"name": "Zapier"}, headers=of_now)).status_code == 201
