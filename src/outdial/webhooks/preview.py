"""What would have been sent: the payloads of calls there have been, for who has no endpoint yet or seeks a field."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import TypedDict

from outdial.alerts.views import ROWS, Alert
from outdial.db.alert_tables import alerts
from outdial.db.tables import call_events, calls
from outdial.refusals import NotFound
from outdial.webhooks.event_type import EventType
from outdial.webhooks.payload import body_of
from outdial.webhooks.told import CallEvent, as_json, call_events_query, tell

CALLS = 5      # the newest
ALERTS = 3     # the same
MOST = 200     # events


class Preview(TypedDict):
    """Of each call the oldest first, the newest call's first; then those of the newest alerts. The `id` of each stands
    for the one it would have had."""

    events: list[dict[str, Any]]


async def preview(
    conn: AsyncConnection, workspace_id: str, *, base_url: str, call_id: str | None = None
) -> Preview:
    """Of one call, or of the newest. Raises NotFound."""
    call = calls.c
    query = select(call.id).where(call.workspace_id == workspace_id)
    query = query.order_by(call.created_at.desc()).limit(CALLS) if call_id is None else query.where(call.id == call_id)
    found = list((await conn.scalars(query)).all())
    if call_id is not None and not found:
        raise NotFound("call_not_found", "There is no such call.")
    told = call_events_query().where(call_events.c.call_id.in_(found)).order_by(call_events.c.id).limit(MOST)
    events = [event for row in (await conn.execute(told)).mappings() if (event := CallEvent.of(row)) is not None]
    data = await tell(conn, events, base_url=base_url)
    bodies: list[tuple[int, dict[str, Any]]] = []
    sequences: dict[str, int] = {}
    for event, each in zip(events, data, strict=True):
        sequence = sequences[event.call_id] = sequences.get(event.call_id, 0) + 1
        body = body_of(f"evt_{event.id}", event.type, event.at, sequence, each)
        bodies.append((found.index(event.call_id), json.loads(body)))
    of_alerts = [] if call_id is not None else await _of_alerts(conn, workspace_id, base_url=base_url)
    return Preview(events=_by_call(bodies) + of_alerts)


async def _of_alerts(conn: AsyncConnection, workspace_id: str, *, base_url: str) -> list[dict[str, Any]]:
    query = ROWS.where(alerts.c.workspace_id == workspace_id).order_by(alerts.c.raised_at.desc()).limit(ALERTS)
    bodies = []
    for alert in [Alert.of(row) for row in (await conn.execute(query)).mappings()]:
        told = [(EventType.ALERT_RAISED, alert.found.raised_at)]
        told += [] if alert.cleared_at is None else [(EventType.ALERT_CLEARED, alert.cleared_at)]
        for type_, at in told:
            view = alert.view(base_url, as_raised=type_ is EventType.ALERT_RAISED)
            bodies.append(json.loads(body_of(f"evt_{alert.found.id}", type_, at, None, as_json({"alert": view}))))
    return bodies


def _by_call(bodies: Sequence[tuple[int, dict[str, Any]]]) -> list[dict[str, Any]]:
    return [body for _, body in sorted(bodies, key=lambda each: each[0])]
