"""Deliveries sent again because somebody wants it: one, or all since an instant."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import TypedDict

from outdial.instants import to_json
from outdial.jobs.job import Job, add_job
from outdial.refusals import Conflict
from outdial.webhooks.deliveries import DeliveryState, let_go
from outdial.webhooks.endpoints import Endpoint, find_endpoint, named
from outdial.webhooks.log import DeliveryInFull, get_delivery
from outdial.workspaces.audit import Actor, record

JOB = "webhooks.resend"  # never changes
BATCH = 500


class Resending(TypedDict):
    """`deliveries`: so many are sent again (counted to 10000), the oldest first, each call's in order."""

    deliveries: int
    since: str


async def resend(
    engine: AsyncEngine, workspace_id: str, webhook_id: str, delivery_id: int, *, by: Actor
) -> DeliveryInFull:
    """Send one again, at once: with the same `webhook-id`, so that a receiver knows it. One that waits for its next try
    is tried now. Raises NotFound, and Conflict where it is under way, or not its turn yet."""
    async with engine.begin() as conn:
        endpoint = await find_endpoint(conn, workspace_id, webhook_id)
        delivery = await get_delivery(conn, workspace_id, webhook_id, delivery_id)
        if delivery["state"] in (DeliveryState.BLOCKED, DeliveryState.SENDING):
            raise Conflict(
                "delivery_under_way",
                "It is being sent." if delivery["state"] is DeliveryState.SENDING
                else "It goes as soon as the one before of its call is through: send that one.",
            )
        await conn.execute(_AGAIN, {"delivery": delivery_id})
        await _keep_lanes(conn, [delivery_id])
        await _record(conn, endpoint, by, {"delivery": delivery_id})
        return await get_delivery(conn, workspace_id, webhook_id, delivery_id)


async def resend_since(
    engine: AsyncEngine,
    workspace_id: str,
    webhook_id: str,
    since: datetime,
    *,
    delivered: bool,
    by: Actor,
) -> Resending:
    """Have everything sent again that was to be told since then and was given up; `delivered`: also what was accepted.
    A job does it. Raises NotFound."""
    async with engine.begin() as conn:
        endpoint = await find_endpoint(conn, workspace_id, webhook_id)
        wanted = _wanted(endpoint, since, delivered=delivered)
        row = (await conn.execute(_COUNT, wanted)).one()
        if row.deliveries:
            arguments = wanted | {"since": to_json(since), "up_to": row.last}
            await add_job(conn, Job(name=JOB, run=_nothing), **arguments)
            details = {"since": to_json(since), "deliveries": row.deliveries}
            await _record(conn, endpoint, by, details)
    return Resending(deliveries=row.deliveries, since=to_json(since))


def resend_job(engine: AsyncEngine) -> Job:
    """May be done twice, at the same time too: what is on its way already is passed over."""

    async def run(webhook: str, since: str, states: list[str], up_to: int) -> None:
        place = 0
        while True:
            async with engine.begin() as conn:
                given = {"webhook": webhook, "since": datetime.fromisoformat(since), "states": states, "up_to": up_to}
                rows = (await conn.execute(_AGAIN_MANY, given | {"place": place, "at_most": BATCH})).all()
                await _keep_lanes(conn, [row.id for row in rows])
                await let_go(conn, {(webhook, row.call_id) for row in rows if row.call_id is not None})
                await _wake(conn, webhook)
            if len(rows) < BATCH:
                return
            place = max(row.id for row in rows)

    return Job(name=JOB, run=run)


async def _nothing() -> None: ...


async def _keep_lanes(conn: AsyncConnection, delivery_ids: Sequence[int]) -> None:
    """Lanes that were never used, or not for so long that they were forgotten, are there again."""
    await conn.execute(_LANES, {"ids": list(delivery_ids)})


async def _record(conn: AsyncConnection, endpoint: Endpoint, by: Actor, details: Mapping[str, Any]) -> None:
    await record(
        conn,
        endpoint.workspace_id,
        by,
        "webhook.resent",
        subject_id=endpoint.public_id,
        subject_name=named(endpoint.url),
        details=details,
    )


async def _wake(conn: AsyncConnection, webhook_id: str) -> None:
    await conn.execute(_WAKE, {"webhook": webhook_id})


def _wanted(endpoint: Endpoint, since: datetime, *, delivered: bool) -> dict[str, Any]:
    states = [DeliveryState.GIVEN_UP, *([DeliveryState.DELIVERED] if delivered else [])]
    return {"webhook": endpoint.id, "since": since, "states": [str(state) for state in states]}


_AGAIN = text("""
    UPDATE webhook_deliveries SET state = 'waiting', finished_at = NULL, next_at = now(), since = now(), attempts = 0
    WHERE id = :delivery AND state IN ('waiting', 'delivered', 'given_up')
    RETURNING pg_notify('outdial_webhook_lanes', lane)
""")
_COUNT = text("""
    SELECT count(*) AS deliveries,
        (SELECT max(id) FROM webhook_deliveries WHERE webhook_id = :webhook) AS last
    FROM (
        SELECT FROM webhook_deliveries
        WHERE webhook_id = :webhook AND created_at >= :since AND state = ANY(:states) LIMIT 10000
    ) AS found
""")
# Of a call the first goes and the others wait for it; what isn't about a call goes at once.
_AGAIN_MANY = text("""
    UPDATE webhook_deliveries
    SET state = CASE WHEN call_id IS NULL THEN 'waiting' ELSE 'blocked' END, finished_at = NULL, next_at = now(),
        since = now(), attempts = 0
    WHERE id = ANY(ARRAY(
        SELECT id FROM webhook_deliveries
        WHERE webhook_id = :webhook AND created_at >= :since AND state = ANY(:states) AND id <= :up_to AND id > :place
        ORDER BY id LIMIT :at_most FOR NO KEY UPDATE
    ))
    RETURNING id, call_id
""")
# Used now: the upkeep, should it be about to forget one, sees that.
_LANES = text("""
    INSERT INTO webhook_lanes (lane, webhook_id)
    SELECT DISTINCT lane, webhook_id FROM webhook_deliveries WHERE id = ANY(:ids) ORDER BY lane
    ON CONFLICT (lane) DO UPDATE SET used_at = now() WHERE webhook_lanes.used_at < now() - interval '1 hour'
""")
_WAKE = text("SELECT pg_notify('outdial_webhook_lanes', lane) FROM webhook_lanes WHERE webhook_id = :webhook LIMIT 50")
