"""An endpoint tried by hand: one sample sent now, whatever the endpoint's state, and what became of it in the log."""

import hashlib

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine
from typing_extensions import TypedDict

from outdial import clock
from outdial.db.engine import reading
from outdial.db.webhook_tables import webhook_deliveries, webhook_events
from outdial.ids import new_id
from outdial.refusals import Conflict
from outdial.webhooks.attempt import Outgoing, WebhookClient
from outdial.webhooks.deliveries import DeliveryState
from outdial.webhooks.endpoints import find_endpoint, named, readable_headers
from outdial.webhooks.event_type import EventType
from outdial.webhooks.log import DeliveryInFull, get_delivery
from outdial.webhooks.payload import body_of
from outdial.webhooks.samples import SAMPLES
from outdial.webhooks.told import as_json
from outdial.workspaces.audit import Actor, record
from outdial.workspaces.secrets import SecretBox, WrongSecretKey


class SignedText(TypedDict):
    """What was signed: `<webhook-id>.<webhook-timestamp>.<body>`. Whose signatures don't agree compares these first."""

    length: int
    sha256: str


class Tried(TypedDict):
    delivered: bool
    delivery: DeliveryInFull
    signed: SignedText


async def try_endpoint(
    engine: AsyncEngine,
    client: WebhookClient,
    secret_box: SecretBox,
    workspace_id: str,
    webhook_id: str,
    type_: EventType,
    *,
    by: Actor,
) -> Tried:
    """Waits for the answer, 15 s at most. Raises NotFound; Conflict where there is no URL, or no secret that can be
    read."""
    async with reading(engine) as conn:
        endpoint = await find_endpoint(conn, workspace_id, webhook_id)
    if endpoint.url is None:
        raise Conflict("webhook_has_no_url", "The URLs of requests come with the requests: place a call to try one.")
    try:
        secret = str(secret_box.decrypt(endpoint.secret))
    except WrongSecretKey:
        raise Conflict("not_signed", "The secret of this endpoint can't be read: make a new one.") from None
    event_id, at = new_id("evt"), clock.now()
    data = as_json({"test": True, **SAMPLES[type_]})
    body = body_of(event_id, type_, at, None, data)
    headers = readable_headers(secret_box, endpoint.headers)
    outgoing = Outgoing(url=endpoint.url, event_id=event_id, body=body, keys=[secret], headers=headers)
    told = await client.attempt(outgoing)
    event = {"id": event_id, "workspace_id": workspace_id, "type": type_, "at": at, "data": data}
    delivery = {
        "webhook_id": endpoint.id,
        "event_id": event_id,
        "lane": endpoint.id,
        "url": endpoint.url,
        "state": DeliveryState.DELIVERED if told.succeeded else DeliveryState.GIVEN_UP,
        "attempts": 1,
        "tries": [told.to_json()],
        "created_at": at,
        "finished_at": clock.now(),
    }
    async with engine.begin() as conn:
        await conn.execute(insert(webhook_events).values(event))
        added = await conn.execute(insert(webhook_deliveries).values(delivery).returning(webhook_deliveries.c.id))
        details = {"event": type_, "delivered": told.succeeded}
        name = named(endpoint.url)
        await record(
            conn, workspace_id, by, "webhook.tested", subject_id=endpoint.id, subject_name=name, details=details
        )
        logged = await get_delivery(conn, workspace_id, webhook_id, added.scalar_one())
    text = f"{event_id}.{int(told.at.timestamp())}.".encode() + body
    signed = SignedText(length=len(text), sha256=hashlib.sha256(text).hexdigest())
    return Tried(delivered=told.succeeded, delivery=logged, signed=signed)
