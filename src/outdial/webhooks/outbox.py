"""What has happened becomes deliveries: the rows that transactions leave in `webhook_outbox`, once they are committed.

Ids are given out before transactions commit, so no place in a row of ids could be kept without passing over one that
turns up late. A row that was dealt with is deleted instead, in the transaction that makes its deliveries, so none can
be passed over and none told twice. One process at a time does so: what a call's events are numbered by is the order in
which they are found here, which is that of their commits.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Boolean, bindparam, func, literal_column, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial import clock
from outdial.alerts.views import alerts_by_id
from outdial.db.engine import autocommit
from outdial.db.tables import call_events
from outdial.db.webhook_tables import webhook_outbox
from outdial.history.number_health import fallen_ill
from outdial.ids import new_id
from outdial.policy.do_not_call import entries_of
from outdial.webhooks.endpoints import ensure_requests
from outdial.webhooks.event_type import WRAPPED_UP, EventType
from outdial.webhooks.fan_out import Told, file_deliveries
from outdial.webhooks.told import CallEvent, as_json, call_events_query, tell
from outdial.workspaces.secrets import SecretBox

BATCH = 200
COMPLETE_WITHIN = timedelta(minutes=2)  # what a conversation brought, after the end of its call
LOOK_AGAIN = ((timedelta(seconds=3), 0.1), (timedelta(seconds=20), 1.0), (COMPLETE_WITHIN, 5.0))  # so often, until then
AFTER_END_S = 1.0  # what waits for the end of its call to be told is looked at again
BUSY_S = 0.02  # the delivery before is just being written to


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A row of the outbox."""

    id: int
    workspace_id: str
    event_id: int | None
    listed_number: str | None
    alert_id: str | None
    alert_is_cleared: bool | None
    left_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Emptied:
    """What was done: how many rows are gone, which lanes have something to send by that, and in how many seconds some
    of the other rows want to be looked at again."""

    rows: int = 0
    lanes: Collection[str] = ()
    again_s: float | None = None


async def empty(
    engine: AsyncEngine, secret_box: SecretBox, *, base_url: str, at_most: int = BATCH
) -> Emptied:
    """Deal with what lies there, the oldest rows first. Nothing is done where another process is at it."""
    async with engine.begin() as conn:
        if not await conn.scalar(_LOCK):
            return Emptied()
        left = [Left(**row) for row in (await conn.execute(_DUE.limit(at_most))).mappings()]
        if not left:
            return Emptied()
        now = clock.now()
        told, waits = await _call_events(conn, left, base_url=base_url, now=now)
        told += await _listed(conn, left)
        told += await _alerts(conn, left, base_url=base_url)
        await ensure_requests(conn, secret_box, {each.workspace_id for each in told if each.webhook_url is not None})
        filed = await file_deliveries(conn, sorted(told, key=lambda each: each.row))
        if waits:
            await conn.execute(_LATER, {"rows": list(waits), "seconds": list(waits.values())})
        done = [row.id for row in left if row.id not in waits and row.id not in filed.busy]
        await conn.execute(_DONE, {"rows": done})
    # Busy ones stay at the head, before what follows them.
    pauses = [*waits.values(), *([BUSY_S] if filed.busy else ())]
    return Emptied(rows=len(done), lanes=filed.lanes, again_s=min(pauses, default=None))


async def put_off_first(engine: AsyncEngine) -> int | None:
    """Look at the first row again in an hour only, for it can't be dealt with; its id."""
    async with autocommit(engine) as conn:
        row: int | None = await conn.scalar(_PUT_OFF_FIRST)
        return row


async def _call_events(
    conn: AsyncConnection, left: Sequence[Left], *, base_url: str, now: datetime
) -> tuple[list[Told], dict[int, float]]:
    """What is told of calls; and of the rows whose time hasn't come, in how many seconds they are looked at again."""
    rows = {row.event_id: row for row in left if row.event_id is not None}
    if not rows:
        return [], {}
    query = call_events_query().where(call_events.c.id == func.any(bindparam("ids", type_=ARRAY(BigInteger))))
    found = [CallEvent.of(row) for row in (await conn.execute(query, {"ids": list(rows)})).mappings()]
    events = sorted((event for event in found if event is not None), key=lambda event: event.id)
    ended = {event.call_id: rows[event.id] for event in events if event.type is EventType.ENDED}
    unwritten = set((await conn.scalars(_UNWRITTEN, {"call_ids": list(ended)})).all()) if ended else set()
    waits = {
        ended[call_id].id: again_s
        for call_id in unwritten
        if (again_s := _look_again_s(now - ended[call_id].left_at)) is not None
    }
    updates = [event for event in events if event.type is EventType.UPDATED]
    told_with_end = {call_id for call_id, row in ended.items() if row.id not in waits}
    now_told, later = await _updates(conn, updates, told_with_end)
    waits |= {rows[event.id].id: AFTER_END_S for event in later}
    left_out = {event.id for event in updates} - {event.id for event in now_told}
    ready = [event for event in events if rows[event.id].id not in waits and event.id not in left_out]
    data = await tell(conn, ready, base_url=base_url, incomplete=unwritten)
    told = [
        Told(
            row=rows[event.id].id,
            event_id=new_id("evt"),
            workspace_id=event.workspace_id,
            call_id=event.call_id,
            type=event.type,
            at=event.at,
            data=each,
            webhook_url=event.webhook_url,
        )
        for event, each in zip(ready, data, strict=True)
    ]
    return told + await _unhealthy(conn, [each for each in told if each.type is EventType.ENDED]), waits


async def _updates(
    conn: AsyncConnection, updates: Sequence[CallEvent], told_with_end: Collection[str]
) -> tuple[list[CallEvent], list[CallEvent]]:
    """Of what became known of calls: what is told now, the newest of each call alone, for each tells the whole call;
    and what waits, because the end of its call wasn't told yet. The end itself tells all that is known by then, so
    nothing else is told before, but for a wrap-up: somebody may listen for nothing else."""
    if not updates:
        return [], []
    ids = {event.call_id for event in updates}
    ends = {row.id: row for row in await conn.execute(_ENDS, {"call_ids": list(ids)})}
    now, later = {}, []
    for event in updates:
        end = ends.get(event.call_id)
        if end is None or not end.has_ended:
            continue
        if not end.is_untold or (event.row_type == WRAPPED_UP and event.call_id in told_with_end):
            now[event.call_id] = event
        elif event.row_type == WRAPPED_UP:
            later.append(event)
    return list(now.values()), later


def _look_again_s(age: timedelta) -> float | None:
    """In how many seconds; None: no more, and the end is told without."""
    return next((seconds for until, seconds in LOOK_AGAIN if age < until), None)


async def _unhealthy(conn: AsyncConnection, ended: Sequence[Told]) -> list[Told]:
    """Of numbers whose trouble is known by the end of these calls."""
    told = []
    for workspace_id in sorted({each.workspace_id for each in ended}):
        by_call = {each.call_id: each for each in ended if each.workspace_id == workspace_id and each.call_id}
        for call_id, health in (await fallen_ill(conn, workspace_id, by_call.keys())).items():
            data = as_json({"number": health})
            told.append(
                replace(
                    by_call[call_id],
                    event_id=new_id("evt"),
                    call_id=None,
                    type=EventType.NUMBER_UNHEALTHY,
                    data=data,
                    webhook_url=None,
                )
            )
    return told


async def _listed(conn: AsyncConnection, left: Sequence[Left]) -> list[Told]:
    """Of numbers that have come onto a do-not-call list, if they are still there."""
    told = []
    for workspace_id in sorted({row.workspace_id for row in left if row.listed_number is not None}):
        rows = {row.listed_number: row for row in left if row.workspace_id == workspace_id and row.listed_number}
        for number, entry in (await entries_of(conn, workspace_id, rows.keys())).items():
            told.append(
                Told(
                    row=rows[number].id,
                    event_id=new_id("evt"),
                    workspace_id=workspace_id,
                    call_id=None,
                    type=EventType.DO_NOT_CALL_ADDED,
                    at=rows[number].left_at,
                    data=as_json({"entry": entry}),
                    webhook_url=None,
                )
            )
    return told


async def _alerts(conn: AsyncConnection, left: Sequence[Left], *, base_url: str) -> list[Told]:
    """Of alerts that were raised, as they were then, and that are over."""
    rows = {(row.alert_id, bool(row.alert_is_cleared)): row for row in left if row.alert_id is not None}
    if not rows:
        return []
    told = []
    for alert_id, alert in (await alerts_by_id(conn, sorted({alert_id for alert_id, _ in rows}))).items():
        for is_cleared in (False, True):
            if (row := rows.get((alert_id, is_cleared))) is None:
                continue
            told.append(
                Told(
                    row=row.id,
                    event_id=new_id("evt"),
                    workspace_id=row.workspace_id,
                    call_id=None,
                    type=EventType.ALERT_CLEARED if is_cleared else EventType.ALERT_RAISED,
                    at=row.left_at,
                    data=as_json({"alert": alert.view(base_url, as_raised=not is_cleared)}),
                    webhook_url=None,
                )
            )
    return told


# -- statements ------------------------------------------------------------------------------------------------

_LOCK = select(func.pg_try_advisory_xact_lock(func.hashtextextended("outdial webhook outbox", 0)))
# What an alert has left is due at once, although it is never so by its time: an older Outdial beside this one, which
# knows of none, doesn't see it.
_IS_DUE = literal_column("(due_at <= clock_timestamp() OR alert_id IS NOT NULL AND due_at = 'infinity')", Boolean)
_DUE = (
    select(
        webhook_outbox.c.id,
        webhook_outbox.c.workspace_id,
        webhook_outbox.c.event_id,
        webhook_outbox.c.listed_number,
        webhook_outbox.c.alert_id,
        webhook_outbox.c.alert_is_cleared,
        webhook_outbox.c.left_at,
    )
    .where(_IS_DUE)
    .order_by(webhook_outbox.c.id)
)
_DONE = text("DELETE FROM webhook_outbox WHERE id = ANY(:rows)")
_LATER = text("""
    UPDATE webhook_outbox SET due_at = clock_timestamp() + make_interval(secs => later.seconds)
    FROM unnest(CAST(:rows AS bigint[]), CAST(:seconds AS float[])) AS later (id, seconds)
    WHERE webhook_outbox.id = later.id
""")
_PUT_OFF_FIRST = text(f"""
    UPDATE webhook_outbox SET due_at = clock_timestamp() + interval '1 hour'
    WHERE id = (SELECT id FROM webhook_outbox WHERE {_IS_DUE} ORDER BY id LIMIT 1)
    RETURNING id
""")  # noqa: S608 - put together of constants
# Calls, whether they have ended, and whether that is still to be told.
_ENDS = text("""
    SELECT calls.id, calls.state = 'ended' AS has_ended, EXISTS (
        SELECT FROM webhook_outbox JOIN call_events ON call_events.id = webhook_outbox.event_id
        WHERE call_events.call_id = calls.id AND call_events.type = 'state' AND call_events.data ->> 'state' = 'ended'
    ) AS is_untold
    FROM calls WHERE calls.id = ANY(:call_ids)
""")
# Calls whose last conversation has not brought yet what it will.
_UNWRITTEN = text("""
    SELECT attempts.call_id FROM attempts
    WHERE attempts.call_id = ANY(:call_ids) AND attempts.stream_opened_at IS NOT NULL AND attempts.result_at IS NULL
        AND attempts.number = (SELECT max(number) FROM attempts AS every WHERE every.call_id = attempts.call_id)
""")
