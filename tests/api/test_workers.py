"""The processes that serve, as an operator sees them."""

import pytest
from sqlalchemy import func

from outdial.history.workers import list_workers
from outdial.lines.workspace_pools import create_workspace
from outdial.workspaces.access import Scope
from outdial.workspaces.api_keys import create_api_key
from outdial.workspaces.audit import COMMAND_LINE, list_audit
from seats import set_worker


async def test_an_operator_sees_the_workers_and_their_seats_and_not_where_they_run(client, engine, tenant):
    await set_worker(engine, "worker_seats", roles=["media"], version="0.2.0", live=7)
    (worker,) = (await client.get("/v1/workers")).json()["workers"]
    assert (worker["id"], worker["state"], worker["roles"]) == ("worker_seats", "serves", ["media"])
    assert (worker["seats"], worker["taken"], worker["free"], worker["live"]) == (200, 0, 200, 7)
    assert not {"host", "pid", "internal_url"} & worker.keys()


async def test_other_keys_see_none(client, engine, tenant):
    key = await create_api_key(engine, tenant.workspace_id, name="Eyes", scope=Scope.READ, by=COMMAND_LINE)
    answer = await client.get("/v1/workers", headers={"Authorization": f"Bearer {key['key']}"})
    assert answer.status_code == 403


@pytest.mark.parametrize("act", ["drain", "undrain"])
async def test_an_operator_of_every_workspace_drains_a_worker_and_has_it_take_calls_again(
    operator, engine, tenant, act
):
    await set_worker(engine, "worker_seats", drain_requested_at=None if act == "drain" else func.now())
    answer = await operator.post(f"/v1/workers/worker_seats/{act}")
    assert answer.status_code == 200
    assert answer.json()["state"] == {"drain": "drains", "undrain": "serves"}[act]
    async with engine.connect() as conn:
        entry = (await list_audit(conn, tenant.workspace_id, act="worker"))["entries"][0]
    assert (entry["act"], entry["subject"]["id"]) == (f"worker.{act}ed", "worker_seats")
    missing = await operator.post(f"/v1/workers/worker_none/{act}")
    assert (missing.status_code, missing.json()["code"]) == (404, "worker_not_found")


async def test_an_operator_of_one_workspace_of_several_can_not_drain_what_serves_the_others(operator, engine):
    await set_worker(engine, "worker_seats", live=0)
    await create_workspace(engine, name="Others", lines=1)
    answer = await operator.post("/v1/workers/worker_seats/drain")
    assert (answer.status_code, answer.json()["code"]) == (403, "not_of_all_workspaces")
    async with engine.connect() as conn:
        assert [worker.state for worker in await list_workers(conn)] == ["serves"]
