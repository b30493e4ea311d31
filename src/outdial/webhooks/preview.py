"""What would have been sent: the payloads of calls there have been, for who has no endpoint yet or seeks a field."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import TypedDict

from outdial.db.tables import call_events, calls
from outdial.refusals import NotFound
from outdial.webhooks.payload import body_of
from outdial.webhooks.told import CallEvent, call_events_query, tell

CALLS = 5      # the newest
MOST = 200     # events


class Preview(TypedDict):
    """Of each call the oldest first, the newest call's first. The `id` of each stands for the one it would have had."""

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
    return Preview(events=_by_call(bodies))


def _by_call(bodies: Sequence[tuple[int, dict[str, Any]]]) -> list[dict[str, Any]]:
    return [body for _, body in sorted(bodies, key=lambda each: each[0])]
