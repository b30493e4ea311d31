"""Deliveries on their way: taken by a sender, and what became of each, written down.

Of the deliveries of a call to one endpoint one is under way or waits for its time, the first that isn't finished; the
others are `blocked` until that one is. A sender has one for as long as its lease; whoever finds a lease that has run
out, because its sender died, sends it again. Neither waits for the disk: what a crash of the database takes from them
is sent once more. (That an event has become a delivery does: it would be told by another id.)
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from sqlalchemy import RowMapping, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.db.engine import autocommit, reading
from outdial.webhooks.attempt import TOTAL_S, Try

LEASE_S = TOTAL_S + 15.0  # a try, and the database that is to hear of it


class DeliveryState(StrEnum):
    BLOCKED = "blocked"      # an earlier one of its call to the same endpoint isn't finished
    WAITING = "waiting"      # for its time
    SENDING = "sending"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


FINISHED = (DeliveryState.DELIVERED, DeliveryState.GIVEN_UP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One that a sender has taken. `attempts` counts this try, `since` is when its first was due; `secrets` and
    `headers` are encrypted."""

    id: int
    webhook_id: str
    is_endpoint: bool
    is_failing: bool  # as far as was known before
    call_id: str | None
    lane: str
    url: str
    sequence: int | None
    attempts: int
    since: datetime
    event_id: str
    type: str
    at: datetime
    data: str = field(repr=False)
    secrets: Sequence[bytes] = field(repr=False)
    headers: bytes | None = field(repr=False)

    @classmethod
    def of(cls, row: RowMapping) -> Self:
        """Of a row that `take` returns."""
        same: dict[str, Any] = {name: row[name] for name in cls.__slots__ if name in row}
        secrets = [bytes(secret) for secret in (row["secret"], row["old_secret"]) if secret is not None]
        return cls(**same | {"secrets": secrets})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a try. `next_at`: of a delivery that waits again."""

    delivery: Delivery
    state: DeliveryState
    told: Try
    next_at: datetime | None = None


async def due_lanes(engine: AsyncEngine) -> Sequence[str]:
    """Those that have something to send now. A look into an index for each."""
    async with reading(engine) as conn:
        return (await conn.scalars(_DUE_LANES)).all()


async def take(engine: AsyncEngine, owner: str, room: Mapping[str, int]) -> list[Delivery]:
    """Deliveries whose time has come, so many of a lane as there is `room`, the longest due first. What has failed
    often is asked whether it is back: one delivery of its lane in a while, whoever takes it."""
    async with autocommit(engine) as conn:
        given = {"lanes": list(room), "rooms": list(room.values()), "sender": owner, "lease_s": LEASE_S}
        return [Delivery.of(row) for row in (await conn.execute(_TAKE, given)).mappings()]


async def write_outcomes(engine: AsyncEngine, owner: str, outcomes: Sequence[Outcome]) -> Sequence[str]:
    """Enter what became of these, and let the next of their calls go; the lanes that have more to send by that. Of one
    that this sender has lost meanwhile nothing is entered."""
    async with engine.begin() as conn:
        written = (
            await conn.execute(
                _WRITE,
                {
                    "ids": [each.delivery.id for each in outcomes],
                    "attempts": [each.delivery.attempts for each in outcomes],
                    "states": [each.state for each in outcomes],
                    "instants": [each.next_at for each in outcomes],
                    "tries": [each.told.to_json() for each in outcomes],
                    "sender": owner,
                },
            )
        ).all()
        # A second statement: what was made behind a row that was locked until now is seen by it.
        pairs = {(row.webhook_id, row.call_id) for row in written if row.is_finished and row.call_id is not None}
        return await let_go(conn, pairs)


async def let_go(conn: AsyncConnection, pairs: Collection[tuple[str, str]]) -> Sequence[str]:
    """By endpoint and call: the first that is blocked may go where none is before it any more; the lanes of those."""
    if not pairs:
        return ()
    ordered = sorted(pairs)
    given = {"webhook_ids": [pair[0] for pair in ordered], "call_ids": [pair[1] for pair in ordered]}
    return sorted(set((await conn.scalars(_LET_GO, given)).all()))


async def give_back(engine: AsyncEngine, owner: str, ids: Sequence[int] | None = None) -> None:
    """Let others send what this sender has taken, or some of it, and hasn't finished."""
    async with autocommit(engine) as conn:
        await conn.execute(_GIVE_BACK, {"sender": owner, "ids": None if ids is None else list(ids)})


async def take_back(engine: AsyncEngine) -> int:
    """Have what senders that died had taken sent again; how many that were."""
    async with autocommit(engine) as conn:
        return len((await conn.execute(_TAKE_BACK)).all())


async def note_success(engine: AsyncEngine, lanes: Sequence[str]) -> None:
    """Something was accepted: what is known of failures there is over."""
    async with engine.begin() as conn:
        await conn.execute(_LANES_WORK, {"lanes": sorted(lanes)})
        await conn.execute(_ENDPOINTS_WORK, {"lanes": sorted(lanes)})


async def note_failure(
    engine: AsyncEngine, lane: str, *, hold: Mapping[int, float], until: datetime | None
) -> int:
    """One more failure in a row; how many that are. `hold`: by failures, for how many seconds nothing is sent;
    `until`: what the receiver has asked for. Neither makes shorter what was asked for before."""
    async with autocommit(engine) as conn:
        holds = [hold[number] for number in sorted(hold)]
        given = {"lane": lane, "holds": holds, "until": until, "lease_s": LEASE_S}
        await conn.execute(_ENDPOINT_FAILS, {"lane": lane})
        return await conn.scalar(_LANE_FAILS, given) or 0


async def switch_off(engine: AsyncEngine, lane: str, reason: str, *, failing_for: timedelta | None = None) -> bool:
    """Stop telling an endpoint (a URL of a request is none); with `failing_for` only where it has failed so long.
    Whether that was done now."""
    async with autocommit(engine) as conn:
        given = {"lane": lane, "reason": reason, "failing_s": failing_for and failing_for.total_seconds()}
        return (await conn.execute(_SWITCH_OFF, given)).rowcount > 0


async def give_up_rest(engine: AsyncEngine, webhook_id: str, call_id: str) -> None:
    """The URL of a request is gone: nothing more of its call goes there."""
    async with autocommit(engine) as conn:
        await conn.execute(_GIVE_UP_REST, {"webhook": webhook_id, "the_call": call_id})


# -- statements ------------------------------------------------------------------------------------------------

_DUE_LANES = text("""
    SELECT lane FROM webhook_lanes AS lanes
    JOIN webhooks ON webhooks.id = lanes.webhook_id
    WHERE webhooks.paused_at IS NULL AND webhooks.off_at IS NULL AND webhooks.removed_at IS NULL
        AND coalesce(lanes.hold_until, '-infinity') <= clock_timestamp()
        AND EXISTS (
            SELECT FROM webhook_deliveries AS due
            WHERE due.lane = lanes.lane AND due.state = 'waiting' AND due.next_at <= clock_timestamp()
        )
""")
_TAKE = text("""
    WITH given AS (
        SELECT * FROM unnest(CAST(:lanes AS text[]), CAST(:rooms AS integer[])) AS given (lane, room)
    ), open AS (
        SELECT lanes.lane, lanes.failures, given.room, webhooks.url AS endpoint_url, webhooks.headers,
            webhooks.secret,
            lanes.failures > 0 OR lanes.hold_until IS NOT NULL OR webhooks.failing_since IS NOT NULL AS is_failing,
            CASE WHEN webhooks.old_secret_until > clock_timestamp() THEN webhooks.old_secret END AS old_secret
        FROM given JOIN webhook_lanes AS lanes ON lanes.lane = given.lane
        JOIN webhooks ON webhooks.id = lanes.webhook_id
        WHERE webhooks.paused_at IS NULL AND webhooks.off_at IS NULL AND webhooks.removed_at IS NULL
            AND coalesce(lanes.hold_until, '-infinity') <= clock_timestamp()
    ), asked AS (
        UPDATE webhook_lanes SET hold_until = clock_timestamp() + make_interval(secs => :lease_s)
        WHERE lane = ANY(ARRAY(
            SELECT lanes.lane FROM webhook_lanes AS lanes JOIN open ON open.lane = lanes.lane
            WHERE open.failures >= 5 AND coalesce(lanes.hold_until, '-infinity') <= clock_timestamp() AND EXISTS (
                SELECT FROM webhook_deliveries AS due
                WHERE due.lane = lanes.lane AND due.state = 'waiting' AND due.next_at <= clock_timestamp()
            )
            FOR NO KEY UPDATE OF lanes SKIP LOCKED
        ))
        RETURNING lane
    ), chosen AS MATERIALIZED (
        SELECT due.id, open.endpoint_url, open.is_failing, open.headers, open.secret, open.old_secret
        FROM open LEFT JOIN asked ON asked.lane = open.lane
        CROSS JOIN LATERAL (
            SELECT id FROM webhook_deliveries AS due
            WHERE due.lane = open.lane AND due.state = 'waiting' AND due.next_at <= clock_timestamp()
            ORDER BY due.next_at, due.id
            LIMIT CASE WHEN open.failures < 5 THEN open.room WHEN asked.lane IS NOT NULL THEN 1 ELSE 0 END
            FOR NO KEY UPDATE SKIP LOCKED
        ) AS due
    ), taken AS (
        UPDATE webhook_deliveries AS delivery
        SET state = 'sending', owner = :sender, attempts = delivery.attempts + 1,
            url = coalesce(chosen.endpoint_url, delivery.url),
            lease_until = clock_timestamp() + make_interval(secs => :lease_s)
        FROM chosen WHERE delivery.id = chosen.id
        RETURNING delivery.*, chosen.endpoint_url IS NOT NULL AS is_endpoint, chosen.is_failing, chosen.headers,
            chosen.secret, chosen.old_secret
    )
    SELECT taken.id, taken.webhook_id, taken.is_endpoint, taken.is_failing, taken.call_id, taken.lane, taken.url,
        taken.sequence, taken.attempts, taken.since, taken.headers, taken.secret, taken.old_secret, taken.event_id,
        event.type, event.at, event.data, set_config('synchronous_commit', 'off', true)
    FROM taken JOIN webhook_events AS event ON event.id = taken.event_id
    ORDER BY taken.id
""")
_WRITE = text("""
    WITH told AS (
        SELECT * FROM unnest(
            CAST(:ids AS bigint[]), CAST(:attempts AS integer[]), CAST(:states AS text[]),
            CAST(:instants AS timestamptz[])
        ) WITH ORDINALITY AS told (id, attempts, state, next_at, place)
    ), mine AS MATERIALIZED (
        SELECT delivery.id, told.state, told.next_at, CAST(:tries AS jsonb) -> (told.place - 1)::integer AS try
        FROM webhook_deliveries AS delivery JOIN told ON told.id = delivery.id
        WHERE delivery.owner = :sender AND delivery.state = 'sending' AND delivery.attempts = told.attempts
        ORDER BY delivery.id FOR NO KEY UPDATE OF delivery
    )
    UPDATE webhook_deliveries AS delivery
    SET state = mine.state, next_at = coalesce(mine.next_at, delivery.next_at), owner = NULL, lease_until = NULL,
        tries = delivery.tries || mine.try,
        finished_at = CASE WHEN mine.state IN ('delivered', 'given_up') THEN clock_timestamp() END
    FROM mine WHERE delivery.id = mine.id
    RETURNING delivery.webhook_id, delivery.call_id, delivery.finished_at IS NOT NULL AS is_finished,
        set_config('synchronous_commit', 'off', true)
""").bindparams(bindparam("tries", type_=JSONB))
# The first that is blocked, where nothing before it waits or is under way (one that was sent again by hand may be).
_LET_GO = text("""
    UPDATE webhook_deliveries AS delivery SET state = 'waiting'
    FROM unnest(CAST(:webhook_ids AS text[]), CAST(:call_ids AS text[])) AS pair (webhook_id, call_id)
    WHERE delivery.state = 'blocked' AND delivery.id = (
        SELECT next.id FROM webhook_deliveries AS next
        WHERE next.call_id = pair.call_id AND next.webhook_id = pair.webhook_id AND next.state = 'blocked'
        ORDER BY next.sequence LIMIT 1
    ) AND NOT EXISTS (
        SELECT FROM webhook_deliveries AS other
        WHERE other.call_id = pair.call_id AND other.webhook_id = pair.webhook_id
            AND other.state IN ('waiting', 'sending')
    )
    RETURNING delivery.lane
""")
_GIVE_BACK = text("""
    UPDATE webhook_deliveries SET state = 'waiting', owner = NULL, lease_until = NULL, attempts = attempts - 1
    WHERE owner = :sender AND state = 'sending' AND (CAST(:ids AS bigint[]) IS NULL OR id = ANY(CAST(:ids AS bigint[])))
    RETURNING pg_notify('outdial_webhook_lanes', lane)
""")
_TAKE_BACK = text("""
    UPDATE webhook_deliveries SET state = 'waiting', owner = NULL, lease_until = NULL, attempts = attempts - 1
    WHERE id = ANY(ARRAY(
        SELECT id FROM webhook_deliveries WHERE state = 'sending' AND lease_until < clock_timestamp()
        ORDER BY lease_until LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED
    ))
    RETURNING pg_notify('outdial_webhook_lanes', lane)
""")
_LANES_WORK = text("""
    UPDATE webhook_lanes SET failures = 0, hold_until = NULL
    WHERE lane = ANY(ARRAY(
        SELECT lane FROM webhook_lanes WHERE lane = ANY(:lanes) AND (failures > 0 OR hold_until IS NOT NULL)
        ORDER BY lane FOR NO KEY UPDATE SKIP LOCKED
    ))
""")
_ENDPOINTS_WORK = text("""
    UPDATE webhooks SET failing_since = NULL
    WHERE id = ANY(ARRAY(
        SELECT id FROM webhooks WHERE id = ANY(:lanes) AND failing_since IS NOT NULL
        ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
    ))
""")
# A longer hold stays, but for that of the one delivery that asks whether its lane is back: it is what failed now.
_LANE_FAILS = text("""
    UPDATE webhook_lanes SET failures = failures + 1, hold_until = greatest(
        CAST(:until AS timestamptz),
        CASE WHEN failures < 5 OR hold_until > clock_timestamp() + make_interval(secs => :lease_s) THEN hold_until END,
        clock_timestamp() + make_interval(secs => (CAST(:holds AS float[]))[least(failures + 1, array_length(
            CAST(:holds AS float[]), 1))])
    )
    WHERE lane = :lane
    RETURNING failures
""")
_ENDPOINT_FAILS = text("""
    UPDATE webhooks SET failing_since = clock_timestamp() WHERE id = :lane AND failing_since IS NULL
""")
_SWITCH_OFF = text("""
    UPDATE webhooks SET off_at = clock_timestamp(), off_reason = :reason
    WHERE id = :lane AND url IS NOT NULL AND off_at IS NULL AND removed_at IS NULL
        AND (CAST(:failing_s AS float) IS NULL
            OR failing_since < clock_timestamp() - make_interval(secs => CAST(:failing_s AS float)))
""")
_GIVE_UP_REST = text("""
    UPDATE webhook_deliveries SET state = 'given_up', finished_at = clock_timestamp()
    WHERE webhook_id = :webhook AND call_id = :the_call AND state IN ('blocked', 'waiting')
""")
