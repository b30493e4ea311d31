"""What nobody waits for any more, given up; what is used no more, forgotten. And how long the log is kept."""

import logging

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.db.clearing import Clearing
from outdial.db.webhook_tables import webhook_deliveries, webhook_events, webhook_outbox
from outdial.jobs.job import Job
from outdial.webhooks.deliveries import let_go
from outdial.webhooks.retry import LONGEST

logger = logging.getLogger(__name__)

EVERY_FIVE_MINUTES = "*/5 * * * *"
BATCH = 1000

# Deliveries go with their event.
OLD_EVENTS = Clearing(
    table=webhook_events,
    since=webhook_events.c.created_at,
    over=~select(webhook_deliveries.c.id)
    .where(webhook_deliveries.c.event_id == webhook_events.c.id, webhook_deliveries.c.finished_at.is_(None))
    .exists(),
)
# What couldn't be told for so long, and so was put off again and again.
OLD_LEFT = Clearing(table=webhook_outbox, since=webhook_outbox.c.left_at)


def upkeep_job(engine: AsyncEngine) -> Job:
    async def run() -> None:
        await look_after(engine)

    return Job(name="webhooks.upkeep", run=run, every=EVERY_FIVE_MINUTES)


async def look_after(engine: AsyncEngine) -> int:
    """Give up what has waited for more than three days (an endpoint was paused, switched off, or away), and what
    endpoints were to be told that were removed; how many deliveries that were. The next of their calls may go then. May
    run twice at once."""
    given_up = 0
    while True:
        async with engine.begin() as conn:
            found = {"longest_s": LONGEST.total_seconds(), "at_most": BATCH}
            rows = (await conn.execute(_GIVE_UP, found)).all()
            await let_go(conn, {(row.webhook_id, row.call_id) for row in rows if row.call_id is not None})
            gone = len(rows)
        given_up += gone
        if gone < BATCH:
            break
    if given_up:
        logger.warning("Webhooks given up that had waited too long", extra={"deliveries": given_up})
    async with engine.begin() as conn:
        await conn.execute(_FORGET_LANES)
        await conn.execute(_FORGET_SECRETS)
    return given_up


_GIVE_UP = text("""
    UPDATE webhook_deliveries SET state = 'given_up', finished_at = clock_timestamp()
    WHERE id = ANY(ARRAY(
        SELECT waits.id FROM webhooks CROSS JOIN LATERAL (
            SELECT id FROM webhook_deliveries
            WHERE webhook_id = webhooks.id AND finished_at IS NULL AND state <> 'sending'
                AND (since < now() - make_interval(secs => :longest_s) OR webhooks.removed_at IS NOT NULL)
            ORDER BY since LIMIT :at_most FOR NO KEY UPDATE SKIP LOCKED
        ) AS waits
        LIMIT :at_most
    ))
    RETURNING webhook_id, call_id
""")
# Of requests' hosts, which may be many.
_FORGET_LANES = text("""
    DELETE FROM webhook_lanes WHERE used_at < now() - interval '7 days' AND NOT EXISTS (
        SELECT FROM webhook_deliveries
        WHERE webhook_deliveries.webhook_id = webhook_lanes.webhook_id
            AND webhook_deliveries.lane = webhook_lanes.lane AND finished_at IS NULL
    )
""")
_FORGET_SECRETS = text("UPDATE webhooks SET old_secret = NULL, old_secret_until = NULL WHERE old_secret_until < now()")
