"""The processes that serve, as an operator sees them."""

from outdial.workspaces.access import Scope
from outdial.workspaces.api_keys import create_api_key
from outdial.workspaces.audit import COMMAND_LINE
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
