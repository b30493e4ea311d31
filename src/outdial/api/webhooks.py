"""Webhook endpoints: made, changed, removed; their secrets; what would have been sent."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from outdial.api.auth import ApiRoute, Caller
from outdial.api.bodies import StrictBody
from outdial.api.docs import errors, example
from outdial.api.services import Services, Use
from outdial.calls.request import CleanText
from outdial.db.engine import reading
from outdial.net.urls import MAX_URL_CHARS
from outdial.refusals import Invalid
from outdial.webhooks.endpoints import (
    MOST,
    REQUESTS,
    NewWebhook,
    WebhookView,
    change_webhook,
    create_webhook,
    ensure_requests,
    get_webhook,
    list_webhooks,
    remove_webhook,
    requests_secret,
    rotate_secret,
)
from outdial.webhooks.endpoints import Wanted as WantedWebhook
from outdial.webhooks.event_type import EventType
from outdial.webhooks.headers import check_headers
from outdial.webhooks.preview import Preview, preview
from outdial.webhooks.samples import payload_of

router = APIRouter(route_class=ApiRoute, tags=["Webhooks"])

_ENDPOINT: dict[str, Any] = {
    "id": "wh_2v7k0t3w6y9r4m1q8x5z",
    "url": "https://example.com/webhooks/outdial",
    "events": ["call.answered", "call.ended"],
    "description": "CRM",
    "headers": ["X-Tenant"],
    "status": "active",
    "off_reason": None,
    "off_at": None,
    "failing_since": None,
    "waiting": 0,
    "old_secret_until": None,
    "created_at": "2026-01-31T09:00:00Z",
}
_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"  # noqa: S105 - of the examples
_REQUESTS = _ENDPOINT | {
    "id": REQUESTS, "url": None, "events": list(EventType), "description": None, "headers": []
}  # fmt: skip
NO_WEBHOOK = {"s404_webhook_not_found": "There is no such webhook endpoint."}
_ORDER = (
    "Every event is told at least once, in order within a call: the next goes when the one before was accepted (2xx) "
    "or given up. What isn't accepted is tried again for three days, with growing pauses."
)


def _sendable(headers: dict[str, str]) -> dict[str, str]:
    check_headers(headers)
    return headers


_Events = Annotated[list[Annotated[EventType, Field(strict=False)]], Field(min_length=1, max_length=len(EventType))]
_Url = Annotated[CleanText, Field(max_length=MAX_URL_CHARS)]
_Description = Annotated[CleanText, Field(max_length=200)]
_Headers = Annotated[dict[str, str], AfterValidator(_sendable)]
WebhookId = Annotated[str, Path(description="Id of an endpoint; `requests`: the URLs that came with requests")]


class WebhookList(TypedDict):
    webhooks: list[WebhookView]


class WebhookRequest(StrictBody):
    url: _Url
    """Where events are sent: `https://…`. Addresses that are private, also by their name, only where the server allows
    them (`OUTDIAL_ALLOWED_PRIVATE_HOSTS`)."""
    events: _Events | None = None
    """Which. Default: all, also those that there will be later."""
    description: _Description | None = None
    """For people."""
    headers: _Headers | None = None
    """Sent along with every request, for receivers that ask for one: 10 at most. Their values are never shown again."""
    paused: bool = False
    """Made paused: what happens is kept for it (three days), and sent when it is resumed."""


class WebhookChanges(StrictBody):
    url: _Url | None = None
    """Also what waits goes there."""
    events: _Events | None = None
    """`null`: all."""
    description: _Description | None = None
    """For people."""
    headers: _Headers | None = None
    """All of them, with their values; `null`: none."""
    paused: bool | None = None
    """`false` also switches one on again that was switched off."""


class RotateRequest(StrictBody):
    force: bool = False
    """Also where the last secret is less than a day old: the one before that ends now."""


class PreviewFilter(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    call_id: Annotated[CleanText, Field(max_length=100)] | None = None
    """Of this call. Default: of the newest five."""


def in_body(value: Mapping[str, Any], **others: Mapping[str, Any]) -> Any:
    """A body with its examples."""
    values = {"example": value} | others
    return Body(openapi_examples={name: {"value": dict(each)} for name, each in values.items()})


@router.get(
    "/v1/webhooks",
    summary="List webhook endpoints",
    operation_id="list_webhooks",
    description="In the order in which they were made.",
    response_model=WebhookList,
    responses=example({"webhooks": [_ENDPOINT]}) | errors(),
)
async def get_webhooks(services: Use, caller: Caller) -> JSONResponse:
    async with reading(services.engine) as conn:
        found = await list_webhooks(conn, services.secret_box, caller.workspace_id)
    return JSONResponse(WebhookList(webhooks=found))


@router.post(
    "/v1/webhooks",
    summary="Add a webhook endpoint",
    operation_id="create_webhook",
    description=f"{_ORDER} The answer is the only place where `secret` is ever shown.",
    status_code=201,
    response_model=NewWebhook,
    responses=example(_ENDPOINT | {"secret": _SECRET}, "Added", status=201)
    | errors(413, 415, 422, s409_too_many_webhooks=f"A workspace has at most {MOST} webhook endpoints."),
)
async def post_webhook(
    services: Use,
    caller: Caller,
    body: Annotated[
        WebhookRequest,
        in_body({"url": "https://example.com/webhooks/outdial", "events": ["call.answered", "call.ended"]}),
    ],
) -> JSONResponse:
    wanted = WantedWebhook(
        given=set(WebhookRequest.model_fields) - {"paused"},
        url=await _checked(services, body.url),
        events=body.events,
        description=body.description,
        headers=body.headers,
        paused=True if body.paused else None,
    )
    made = await create_webhook(
        services.engine, services.secret_box, caller.workspace_id, wanted, by=caller.actor
    )
    return JSONResponse(made, status_code=201, headers={"Cache-Control": "no-store"})


@router.get(
    "/v1/webhooks/preview",
    summary="Show what would have been sent",
    operation_id="preview_webhooks",
    description="The payloads of calls there have been, whether or not there was an endpoint.",
    response_model=Preview,
    responses=example({"events": [payload_of(EventType.RINGING), payload_of(EventType.ENDED)]})
    | errors(422, s404_call_not_found="There is no such call."),
)
async def get_preview(services: Use, caller: Caller, wanted: Annotated[PreviewFilter, Query()]) -> JSONResponse:
    async with reading(services.engine) as conn:
        found = await preview(
            conn, caller.workspace_id, base_url=services.settings.base_url, call_id=wanted.call_id
        )
    return JSONResponse(found)


@router.get(
    "/v1/webhooks/requests/secret",
    summary="Show the secret of requests' URLs",
    operation_id="get_requests_secret",
    description=(
        "What goes to the `webhook_url` of a request is signed with it: one for the workspace. That it was shown is in "
        "the audit log."
    ),
    response_model=NewWebhook,
    responses=example(_REQUESTS | {"secret": _SECRET}) | errors(),
)
async def get_requests_secret(services: Use, caller: Caller) -> JSONResponse:
    found = await requests_secret(services.engine, services.secret_box, caller.workspace_id, by=caller.actor)
    return JSONResponse(found, headers={"Cache-Control": "no-store"})


@router.get(
    "/v1/webhooks/{webhook_id}",
    summary="Show a webhook endpoint",
    operation_id="get_webhook",
    description="Whether it is told, since when it fails, how much waits.",
    response_model=WebhookView,
    responses=example(_ENDPOINT) | errors(**NO_WEBHOOK),
)
async def get_one(services: Use, caller: Caller, webhook_id: WebhookId) -> JSONResponse:
    await prepare(services, caller.workspace_id, webhook_id)
    async with reading(services.engine) as conn:
        return JSONResponse(await get_webhook(conn, services.secret_box, caller.workspace_id, webhook_id))


@router.patch(
    "/v1/webhooks/{webhook_id}",
    summary="Change a webhook endpoint",
    operation_id="change_webhook",
    description=(
        "What isn't given stays. Paused, what is to be told waits, and is sent in order when it is resumed; what has "
        "waited for three days is given up. An endpoint is switched off by itself when nothing was accepted for five "
        "days, or when it answers 410; `paused` `false` switches it on again."
    ),
    response_model=WebhookView,
    responses=example(_ENDPOINT | {"status": "paused"}) | errors(413, 415, 422, **NO_WEBHOOK),
)
async def patch_webhook(
    services: Use,
    caller: Caller,
    webhook_id: WebhookId,
    body: Annotated[WebhookChanges, in_body({"paused": True}, events={"events": ["call.ended"]})],
) -> JSONResponse:
    given = body.model_fields_set - {"paused"}
    if webhook_id == REQUESTS and given:
        raise Invalid(min(given), "can't be changed: it comes with the requests")
    if "url" in given and body.url is None:
        raise Invalid("url", "can't be null")
    wanted = WantedWebhook(
        given=given,
        url=None if body.url is None else await _checked(services, body.url),
        events=body.events,
        description=body.description,
        headers=body.headers,
        paused=body.paused,
    )
    await prepare(services, caller.workspace_id, webhook_id)
    changed = await change_webhook(
        services.engine, services.secret_box, caller.workspace_id, webhook_id, wanted, by=caller.actor
    )
    return JSONResponse(changed)


@router.delete(
    "/v1/webhooks/{webhook_id}",
    summary="Remove a webhook endpoint",
    operation_id="remove_webhook",
    description="What waits for it is sent to nobody.",
    response_model=WebhookView,
    responses=example(_ENDPOINT, "Removed") | errors(**NO_WEBHOOK),
)
async def delete_webhook(services: Use, caller: Caller, webhook_id: WebhookId) -> JSONResponse:
    removed = await remove_webhook(
        services.engine, services.secret_box, caller.workspace_id, webhook_id, by=caller.actor
    )
    return JSONResponse(removed)


@router.post(
    "/v1/webhooks/{webhook_id}/rotate-secret",
    summary="Make a new secret",
    operation_id="rotate_webhook_secret",
    description=(
        "For a day both sign, the new one and the one before: every request has two signatures, and receivers take "
        "either. The answer is the only place where the new one is shown."
    ),
    response_model=NewWebhook,
    responses=example(_ENDPOINT | {"secret": _SECRET, "old_secret_until": "2026-02-01T09:00:00Z"}, "Made")
    | errors(
        413,
        415,
        422,
        **NO_WEBHOOK,
        s409_rotated_already="The secret was changed less than a day ago, and the one before signs until …",
    ),
)
async def post_rotate(
    services: Use,
    caller: Caller,
    webhook_id: WebhookId,
    body: Annotated[RotateRequest | None, in_body({"force": False})] = None,
) -> JSONResponse:
    await prepare(services, caller.workspace_id, webhook_id)
    made = await rotate_secret(
        services.engine,
        services.secret_box,
        caller.workspace_id,
        webhook_id,
        force=body is not None and body.force,
        by=caller.actor,
    )
    return JSONResponse(made, headers={"Cache-Control": "no-store"})


async def _checked(services: Services, url: str) -> str:
    try:
        return await services.webhooks.check(url)
    except ValueError as error:
        raise Invalid("url", str(error)) from None


async def prepare(services: Services, workspace_id: str, webhook_id: str) -> None:
    """The endpoint of the requests is there for whoever asks for it."""
    if webhook_id == REQUESTS:
        async with services.engine.begin() as conn:
            await ensure_requests(conn, services.secret_box, [workspace_id])
