"""Lines, queues and deliveries, counted at once for all workspaces."""

from sqlalchemy import func, insert, update

from outdial.db.tables import calls, pools
from outdial.db.webhook_tables import webhook_deliveries, webhook_events, webhooks
from outdial.history.gauges import calls_ended, lines_of
from outdial.ids import new_id
from rows_read import rows_read
from tenants import make_tenant


async def test_each_workspace_has_its_own_numbers(engine):
    one, two = await make_tenant(engine), await make_tenant(engine)
    row = {"workspace_id": one.workspace_id, "number_id": one.number_id, "direction": "outbound",
           "from_": "+15551230002", "to": "+12025550115", "ring_timeout_s": 30, "max_duration_s": 600}  # fmt: skip
    ended = {"state": "ended", "end_reason": "completed"}
    async with engine.begin() as conn:
        for values in ({"state": "queued"}, {"state": "queued"}, ended, {"state": "ringing"}):
            await conn.execute(insert(calls).values({"id": new_id("call")} | row | values))
        await conn.execute(
            update(pools).where(pools.c.workspace_id == one.workspace_id).values(used_outbound=1, used_inbound=2)
        )
        webhook, event = {"id": "wh_1", "workspace_id": one.workspace_id}, "evt_1"
        url = "https://a.example"
        await conn.execute(insert(webhooks).values(webhook | {"url": url, "secret": b""}))
        told = {"id": event, "workspace_id": one.workspace_id, "type": "call.ended", "at": func.now(), "data": "{}"}
        await conn.execute(insert(webhook_events).values(told))
        for state in ("waiting", "waiting", "delivered"):
            values = {"webhook_id": "wh_1", "event_id": event, "state": state, "lane": "wh_1", "url": url}
            await conn.execute(insert(webhook_deliveries).values(values))
    async with engine.connect() as conn:
        everyone = {lines.workspace_id: lines for lines in await lines_of(conn)}
        assert [everyone[one.workspace_id]] == await lines_of(conn, one.workspace_id)
        groups = await calls_ended(conn, one.workspace_id)
    found, other = everyone[one.workspace_id], everyone[two.workspace_id]
    assert (found.used_outbound, found.used_inbound, found.queued, found.deliveries_waiting) == (1, 2, 2, 2)
    assert (other.used_outbound, other.queued, other.deliveries_waiting) == (0, 0, 0)
    assert sum(group.calls for group in groups) == 1
    assert (await rows_read(engine, lines_of))["calls"] == 0  # however many there are
