"""The log of deliveries: what was sent, what came back, how long it took."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import RowMapping, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import TypedDict

from outdial.db.webhook_tables import webhook_deliveries, webhook_events
from outdial.instants import to_json
from outdial.refusals import Invalid, NotFound
from outdial.webhooks.attempt import Problem
from outdial.webhooks.deliveries import DeliveryState
from outdial.webhooks.endpoints import find_endpoint
from outdial.webhooks.hints import hint
from outdial.webhooks.payload import body_of

PAGE = 50
MAX_PAGE = 200


class Wanted(StrEnum):
    """Which deliveries are looked for."""

    UNFINISHED = "unfinished"  # not accepted yet
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


class TryView(TypedDict):
    """One try. `problem` is null where it was accepted (2xx); `status` and the beginning of the `answer` are what came
    back, if anything did."""

    at: str
    duration_ms: int
    status: int | None
    problem: Problem | None
    hint: str | None
    answer: str
    retry_after: str | None


class DeliveryView(TypedDict):
    """One event to one endpoint. `blocked`: it goes when an earlier one of its call is through; `waiting`: at
    `next_at`. `sequence` counts what the endpoint is told of a call, null of what isn't about a call."""

    id: int
    event_id: str
    type: str
    call_id: str | None
    sequence: int | None
    url: str
    state: DeliveryState
    created_at: str
    next_at: str | None
    finished_at: str | None
    tries: list[TryView]


class DeliveryInFull(DeliveryView):
    """With the `body`, exactly as it is sent; signed are `webhook-id`, `webhook-timestamp` and these bytes, with dots
    between."""

    body: str


class DeliveryPage(TypedDict):
    """Newest first. `next_cursor` gets the next page, null on the last one."""

    deliveries: list[DeliveryView]
    next_cursor: str | None


async def list_deliveries(
    conn: AsyncConnection,
    workspace_id: str,
    webhook_id: str,
    *,
    state: Wanted | None = None,
    type_: str | None = None,
    call_id: str | None = None,
    cursor: str | None = None,
    limit: int = PAGE,
) -> DeliveryPage:
    """Raises NotFound (the endpoint), Invalid for a cursor that isn't one of ours."""
    endpoint = await find_endpoint(conn, workspace_id, webhook_id)
    row = webhook_deliveries.c
    query = _deliveries().where(row.webhook_id == endpoint.id)
    match state:
        case Wanted.UNFINISHED:
            query = query.where(row.finished_at.is_(None))
        case Wanted.DELIVERED | Wanted.GIVEN_UP:
            query = query.where(row.state == str(state))
    if type_ is not None:
        query = query.where(webhook_events.c.type == type_)
    if call_id is not None:
        query = query.where(row.call_id == call_id)
    if cursor is not None:
        if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
            raise Invalid("cursor", "is not a cursor of this API")
        query = query.where(row.id < int(cursor))
    found = (await conn.execute(query.order_by(row.id.desc()).limit(limit + 1))).mappings().all()
    page = [_view(each) for each in found[:limit]]
    return DeliveryPage(deliveries=page, next_cursor=str(page[-1]["id"]) if len(found) > limit else None)


async def get_delivery(
    conn: AsyncConnection, workspace_id: str, webhook_id: str, delivery_id: int
) -> DeliveryInFull:
    """Raises NotFound."""
    endpoint = await find_endpoint(conn, workspace_id, webhook_id)
    row = webhook_deliveries.c
    query = _deliveries().where(row.webhook_id == endpoint.id, row.id == delivery_id)
    found = (await conn.execute(query)).mappings().one_or_none()
    if found is None:
        raise NotFound("delivery_not_found", "There is no such delivery in the log of this endpoint.")
    event = webhook_events.c
    body = body_of(found[event.id], found[event.type], found[event.at], found[row.sequence], found[event.data])
    return DeliveryInFull(**_view(found), body=body.decode())


def _deliveries() -> Select[Any]:
    row, event = webhook_deliveries.c, webhook_events.c
    return select(
        row.id, row.call_id, row.sequence, row.url, row.state, row.created_at, row.next_at, row.finished_at, row.tries,
        event.id, event.type, event.at, event.data,
    ).join(webhook_events, event.id == row.event_id)  # fmt: skip


def _view(found: RowMapping) -> DeliveryView:
    row = webhook_deliveries.c
    state = DeliveryState(found[row.state])
    return DeliveryView(
        id=found[row.id],
        event_id=found[webhook_events.c.id],
        type=found[webhook_events.c.type],
        call_id=found[row.call_id],
        sequence=found[row.sequence],
        url=found[row.url],
        state=state,
        created_at=to_json(found[row.created_at]),
        next_at=to_json(found[row.next_at]) if state is DeliveryState.WAITING else None,
        finished_at=to_json(found[row.finished_at]),
        tries=tries_of(found[row.tries], found[row.url]),
    )


def tries_of(stored: Sequence[Mapping[str, Any]], url: str) -> list[TryView]:
    return [
        TryView(
            at=to_json(datetime.fromisoformat(each["at"])),
            duration_ms=each["duration_ms"],
            status=each["status"],
            problem=(problem := None if each["problem"] is None else Problem(each["problem"])),
            hint=hint(url, problem, each["status"]),
            answer=each["answer"],
            retry_after=_instant(each["retry_after"]),
        )
        for each in stored
    ]


def _instant(stored: str | None) -> str | None:
    return None if stored is None else to_json(datetime.fromisoformat(stored))


def pretty(body: str) -> str:
    return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
