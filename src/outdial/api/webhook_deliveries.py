"""What was sent to webhook endpoints: samples by hand, the log, and what is sent again."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from outdial.api.auth import ApiRoute, Caller
from outdial.api.bodies import StrictBody
from outdial.api.docs import errors, example
from outdial.api.services import Use
from outdial.api.webhooks import NO_WEBHOOK, WebhookId, in_body, prepare
from outdial.calls.request import CleanText, Instant
from outdial.db.engine import reading
from outdial.history.example_call import CALL_ID
from outdial.webhooks.event_type import EventType
from outdial.webhooks.log import (
    MAX_PAGE,
    PAGE,
    DeliveryInFull,
    DeliveryPage,
    Wanted,
    get_delivery,
    list_deliveries,
)
from outdial.webhooks.resending import Resending, resend, resend_since
from outdial.webhooks.samples import EVENT_ID
from outdial.webhooks.trying import Tried, try_endpoint

router = APIRouter(route_class=ApiRoute, tags=["Webhooks"])

_TRY = {
    "at": "2026-01-31T09:00:39.700000Z",
    "duration_ms": 84,
    "status": 200,
    "problem": None,
    "hint": None,
    "answer": "ok",
    "retry_after": None,
}
_DELIVERY: dict[str, Any] = {
    "id": 4711,
    "event_id": EVENT_ID,
    "type": "call.ended",
    "call_id": CALL_ID,
    "sequence": 7,
    "url": "https://example.com/webhooks/outdial",
    "state": "delivered",
    "created_at": "2026-01-31T09:00:39.650000Z",
    "next_at": None,
    "finished_at": "2026-01-31T09:00:39.790000Z",
    "tries": [_TRY],
}
_IN_FULL = _DELIVERY | {"body": '{"type":"call.ended","timestamp":"2026-01-31T09:00:39.600000Z",…}'}
_TRIED = {
    "delivered": True,
    "delivery": _IN_FULL | {"call_id": None, "sequence": None},
    "signed": {"length": 2140, "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
}
_NO_DELIVERY = {"s404_delivery_not_found": "There is no such delivery in the log of this endpoint."}
DeliveryId = Annotated[int, Path(ge=1, lt=2**63, description="Id of a delivery")]


class TestRequest(StrictBody):
    type: Annotated[EventType, Field(strict=False)] = EventType.ENDED
    """A sample of which event."""


class ResendRequest(StrictBody):
    since: Instant
    """Events from then on."""
    delivered: bool = False
    """Also those that were accepted. Default: those that were given up."""


class DeliveryFilter(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    state: Wanted | None = None
    """`unfinished`: not accepted yet; `delivered`; `given_up`."""
    type: EventType | None = None
    """Of this event."""
    call_id: Annotated[CleanText, Field(max_length=100)] | None = None
    """Of this call."""
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = PAGE
    """Deliveries a page."""
    cursor: Annotated[CleanText, Field(max_length=100)] | None = None
    """`next_cursor` of the page before."""


@router.post(
    "/v1/webhooks/{webhook_id}/test",
    summary="Send a test event",
    operation_id="test_webhook",
    description=(
        "A whole sample, sent now and once, also while the endpoint is paused or off; the answer is what came of it. "
        "Its `data` has `test` `true`. `signed` is for whoever looks for why a signature isn't taken."
    ),
    response_model=Tried,
    responses=example(_TRIED, "Sent: `delivered` says whether it was accepted")
    | errors(
        413,
        415,
        422,
        **NO_WEBHOOK,
        s409_webhook_has_no_url="The URLs of requests come with the requests: place a call to try one.",
        s409_not_signed="The secret of this endpoint can't be read: make a new one.",
    ),
)
async def post_test(
    services: Use,
    caller: Caller,
    webhook_id: WebhookId,
    body: Annotated[TestRequest | None, in_body({"type": "call.ended"})] = None,
) -> JSONResponse:
    await prepare(services, caller.workspace_id, webhook_id)
    tried = await try_endpoint(
        services.engine,
        services.webhooks,
        services.secret_box,
        caller.workspace_id,
        webhook_id,
        (body or TestRequest()).type,
        by=caller.actor,
    )
    return JSONResponse(tried)


@router.get(
    "/v1/webhooks/{webhook_id}/deliveries",
    summary="List what was sent",
    operation_id="list_webhook_deliveries",
    description="Newest first, with every try: what came back, and how long it took. Kept for 30 days, if not set "
    "otherwise (`OUTDIAL_KEEP_WEBHOOKS_DAYS`).",
    response_model=DeliveryPage,
    responses=example({"deliveries": [_DELIVERY], "next_cursor": None}) | errors(422, **NO_WEBHOOK),
)
async def get_deliveries(
    services: Use, caller: Caller, webhook_id: WebhookId, wanted: Annotated[DeliveryFilter, Query()]
) -> JSONResponse:
    await prepare(services, caller.workspace_id, webhook_id)
    filters = wanted.model_dump(exclude={"type"})
    async with reading(services.engine) as conn:
        page = await list_deliveries(conn, caller.workspace_id, webhook_id, type_=wanted.type, **filters)
    return JSONResponse(page)


@router.get(
    "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}",
    summary="Show what was sent",
    operation_id="get_webhook_delivery",
    description="One delivery, with the body.",
    response_model=DeliveryInFull,
    responses=example(_IN_FULL) | errors(422, **NO_WEBHOOK, **_NO_DELIVERY),
)
async def get_one_delivery(
    services: Use, caller: Caller, webhook_id: WebhookId, delivery_id: DeliveryId
) -> JSONResponse:
    async with reading(services.engine) as conn:
        return JSONResponse(await get_delivery(conn, caller.workspace_id, webhook_id, delivery_id))


@router.post(
    "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/resend",
    summary="Send one again",
    operation_id="resend_webhook_delivery",
    description=(
        "With the same `webhook-id`, so that a receiver knows it. One that waits for its next try is tried now."
    ),
    response_model=DeliveryInFull,
    responses=example(_IN_FULL | {"state": "waiting"}, "It is sent")
    | errors(
        422,
        **NO_WEBHOOK,
        **_NO_DELIVERY,
        s409_delivery_under_way="It is being sent.",
    ),
)
async def post_resend(
    services: Use, caller: Caller, webhook_id: WebhookId, delivery_id: DeliveryId
) -> JSONResponse:
    sent = await resend(services.engine, caller.workspace_id, webhook_id, delivery_id, by=caller.actor)
    return JSONResponse(sent)


@router.post(
    "/v1/webhooks/{webhook_id}/resend",
    summary="Send all again since an instant",
    operation_id="resend_webhooks",
    description=(
        "Everything that was given up since then, each call's in order; with `delivered` also what was accepted."
    ),
    status_code=202,
    response_model=Resending,
    responses=example({"deliveries": 1240, "since": "2026-01-31T09:00:00Z"}, "They are sent", status=202)
    | errors(413, 415, 422, **NO_WEBHOOK),
)
async def post_resend_since(
    services: Use,
    caller: Caller,
    webhook_id: WebhookId,
    body: Annotated[ResendRequest, in_body({"since": "2026-01-31T09:00:00Z"})],
) -> JSONResponse:
    found = await resend_since(
        services.engine, caller.workspace_id, webhook_id, body.since, delivered=body.delivered, by=caller.actor
    )
    return JSONResponse(found, status_code=202)
