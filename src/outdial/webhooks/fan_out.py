"""Who is told of an event: one delivery for each endpoint that wants it, and for the URL that came with the request."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import httpx
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.db.webhook_tables import webhooks
from outdial.webhooks.deliveries import DeliveryState
from outdial.webhooks.event_type import EventType, wants


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An event as it will be told. `row`: of the outbox, which is its order."""

    row: int
    event_id: str
    workspace_id: str
    call_id: str | None
    type: EventType
    at: datetime
    data: str
    webhook_url: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Receiver:
    """`url` None: of the workspace's requests."""

    webhook_id: str
    url: str | None
    events: list[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Delivery:
    event_id: str
    call_id: str | None
    webhook_id: str
    url: str
    lane: str


def lane_of(webhook_id: str, url: str, *, is_endpoint: bool) -> str:
    """Deliveries that are held back together: those of an endpoint; of requests' URLs those to the same host."""
    if is_endpoint:
        return webhook_id
    parsed = httpx.URL(url)
    return f"{webhook_id} {parsed.scheme}://{parsed.netloc.decode()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filed:
    """`lanes` have something to send. `busy`: rows of the outbox that have to come again in a moment, because the
    delivery before is just being written to (of a call all that follow, too, for their order)."""

    lanes: Collection[str] = ()
    busy: Collection[int] = ()


async def file_deliveries(conn: AsyncConnection, told: Sequence[Told]) -> Filed:
    """Make the deliveries of these events."""
    if not told:
        return Filed()
    receivers = await _receivers(conn, told)
    wanted = [(each, list(_deliveries(each, receivers.get(each.workspace_id, ())))) for each in told]
    pairs = {(delivery.webhook_id, each.call_id) for each, made in wanted for delivery in made if each.call_id}
    last = await _last(conn, sorted(pairs))
    busy_calls = {call_id for (_, call_id), (_, _, is_busy) in last.items() if is_busy}
    ready = [(each, made) for each, made in wanted if made and each.call_id not in busy_calls]
    if ready:
        await _insert(conn, [each for each, _ in ready], [one for _, made in ready for one in made], last)
    return Filed(
        lanes={one.lane for _, made in ready for one in made},
        busy={each.row for each, made in wanted if made and each.call_id in busy_calls},
    )


def _deliveries(told: Told, receivers: Iterable[_Receiver]) -> Iterable[_Delivery]:
    for receiver in receivers:
        is_endpoint = receiver.url is not None
        url = receiver.url if is_endpoint else told.webhook_url
        if url is None or not wants(receiver.events, told.type):
            continue
        yield _Delivery(
            event_id=told.event_id,
            call_id=told.call_id,
            webhook_id=receiver.webhook_id,
            url=url,
            lane=lane_of(receiver.webhook_id, url, is_endpoint=is_endpoint),
        )


async def _receivers(conn: AsyncConnection, told: Sequence[Told]) -> Mapping[str, list[_Receiver]]:
    """By workspace, in the order in which they were made."""
    hook = webhooks.c
    query = (
        select(hook.workspace_id, hook.id, hook.url, hook.events)
        .where(hook.workspace_id.in_({each.workspace_id for each in told}), hook.removed_at.is_(None))
        .order_by(hook.created_at, hook.id)
    )
    by_workspace: dict[str, list[_Receiver]] = {}
    for row in await conn.execute(query):
        receiver = _Receiver(webhook_id=row.id, url=row.url, events=row.events)
        by_workspace.setdefault(row.workspace_id, []).append(receiver)
    return by_workspace


_Last = Mapping[tuple[str, str], tuple[int, bool, bool]]


async def _last(conn: AsyncConnection, pairs: Sequence[tuple[str, str | None]]) -> _Last:
    """By endpoint and call: the last sequence number, whether an earlier delivery is under way or waits, and whether
    it can't be said, because its row is being changed. One that waits is locked: whoever finishes it sees ours."""
    if not pairs:
        return {}
    given = {"webhook_ids": [pair[0] for pair in pairs], "call_ids": [pair[1] for pair in pairs]}
    rows = await conn.execute(_LAST, given)
    return {
        (row.webhook_id, row.call_id): (row.sequence, row.locked is not None, row.unfinished and row.locked is None)
        for row in rows
    }


async def _insert(conn: AsyncConnection, told: Sequence[Told], made: Sequence[_Delivery], last: _Last) -> None:
    sequences = {pair: sequence for pair, (sequence, _, _) in last.items()}
    after = {pair for pair, (_, unfinished, _) in last.items() if unfinished}
    numbers: list[int | None] = []
    states = []
    for delivery in made:
        pair = (delivery.webhook_id, delivery.call_id or "")
        if delivery.call_id is None:
            numbers.append(None)
            states.append(DeliveryState.WAITING)
            continue
        sequences[pair] = sequences.get(pair, 0) + 1
        numbers.append(sequences[pair])
        states.append(DeliveryState.BLOCKED if pair in after else DeliveryState.WAITING)
        after.add(pair)
    await conn.execute(
        _EVENTS,
        {
            "ids": [each.event_id for each in told],
            "workspace_ids": [each.workspace_id for each in told],
            "call_ids": [each.call_id for each in told],
            "types": [each.type for each in told],
            "instants": [each.at for each in told],
            "data": [each.data for each in told],
        },
    )
    await conn.execute(
        _DELIVERIES,
        {
            "webhook_ids": [each.webhook_id for each in made],
            "event_ids": [each.event_id for each in made],
            "call_ids": [each.call_id for each in made],
            "lanes": [each.lane for each in made],
            "urls": [each.url for each in made],
            "sequences": numbers,
            "states": states,
        },
    )
    lanes = {each.lane: each.webhook_id for each in made}
    await conn.execute(_LANES, {"lanes": list(lanes), "webhook_ids": list(lanes.values())})


_LAST = text("""
    SELECT pair.webhook_id, pair.call_id, locked.id AS locked,
        coalesce((
            SELECT max(sequence) FROM webhook_deliveries AS earlier
            WHERE earlier.call_id = pair.call_id AND earlier.webhook_id = pair.webhook_id
        ), 0) AS sequence,
        EXISTS (
            SELECT FROM webhook_deliveries AS earlier
            WHERE earlier.call_id = pair.call_id AND earlier.webhook_id = pair.webhook_id
                AND earlier.finished_at IS NULL
        ) AS unfinished
    FROM unnest(CAST(:webhook_ids AS text[]), CAST(:call_ids AS text[])) AS pair (webhook_id, call_id)
    LEFT JOIN LATERAL (
        SELECT id FROM webhook_deliveries AS earlier
        WHERE earlier.call_id = pair.call_id AND earlier.webhook_id = pair.webhook_id AND earlier.finished_at IS NULL
        ORDER BY sequence DESC LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
    ) AS locked ON true
""")
_EVENTS = text("""
    INSERT INTO webhook_events (id, workspace_id, call_id, type, at, data)
    SELECT * FROM unnest(
        CAST(:ids AS text[]), CAST(:workspace_ids AS text[]), CAST(:call_ids AS text[]), CAST(:types AS text[]),
        CAST(:instants AS timestamptz[]), CAST(:data AS text[])
    )
""")
_DELIVERIES = text("""
    INSERT INTO webhook_deliveries (webhook_id, event_id, call_id, lane, url, sequence, state)
    SELECT * FROM unnest(
        CAST(:webhook_ids AS text[]), CAST(:event_ids AS text[]), CAST(:call_ids AS text[]), CAST(:lanes AS text[]),
        CAST(:urls AS text[]), CAST(:sequences AS integer[]), CAST(:states AS text[])
    )
""")
_LANES = text("""
    INSERT INTO webhook_lanes (lane, webhook_id)
    SELECT * FROM unnest(CAST(:lanes AS text[]), CAST(:webhook_ids AS text[]))
    ON CONFLICT (lane) DO UPDATE SET used_at = now() WHERE webhook_lanes.used_at < now() - interval '1 hour'
""")
