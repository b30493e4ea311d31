"""Webhooks, among the settings: endpoints, what was sent to each, and what would have been sent."""

import json
from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from outdial import clock
from outdial.dashboard.page import Here, PageRoute
from outdial.db.engine import reading
from outdial.instants import to_json
from outdial.webhooks.attempt import Problem
from outdial.webhooks.deliveries import DeliveryState
from outdial.webhooks.endpoints import REQUESTS, OffReason, Status, ensure_requests, get_webhook, list_webhooks
from outdial.webhooks.event_type import EventType
from outdial.webhooks.log import Wanted, get_delivery, list_deliveries
from outdial.webhooks.preview import preview

ON_A_PAGE = 25  # deliveries, each with its body

router = APIRouter(include_in_schema=False, route_class=PageRoute)

EVENTS = {
    EventType.ENDED: "The call is over, with all that came of it",
    EventType.UPDATED: "More is known of it: its wrap-up, or what came late",
    EventType.ANSWERED: "It was answered",
    EventType.ANSWERED_BY: "It is known who answered",
    EventType.TRANSCRIPT: "One side has said something",
    EventType.QUEUED: "It waits, for a line or its next attempt",
    EventType.DIALING: "The carrier dials",
    EventType.RINGING: "The phone rings",
    EventType.NUMBER_UNHEALTHY: "A number of yours doesn't work any more",
    EventType.DO_NOT_CALL_ADDED: "A number came onto the do-not-call list",
    EventType.ALERT_RAISED: "An alert was raised",
    EventType.ALERT_CLEARED: "An alert is over",
}
STATUSES = {Status.ACTIVE: ("Active", "good"), Status.PAUSED: ("Paused", "warn"), Status.OFF: ("Switched off", "bad")}
REASONS = {
    OffReason.FAILING: "Nothing was accepted for five days.",
    OffReason.GONE: "It answered that it is gone (410).",
}
STATES = {
    DeliveryState.BLOCKED: ("Waits for the one before", ""),
    DeliveryState.WAITING: ("Waits", "warn"),
    DeliveryState.SENDING: ("Being sent", ""),
    DeliveryState.DELIVERED: ("Accepted", "good"),
    DeliveryState.GIVEN_UP: ("Given up", "bad"),
}
PROBLEMS = {
    Problem.NOT_2XX: "not accepted",
    Problem.REDIRECT: "a redirect",
    Problem.TIMEOUT: "no answer in time",
    Problem.CONNECTION: "no connection",
    Problem.HOST_NOT_FOUND: "no such host",
    Problem.TLS: "certificate not valid",
    Problem.REFUSED_ADDRESS: "private address",
    Problem.BAD_URL: "not a URL to be asked",
    Problem.NOT_SIGNED: "not signed",
}
SINCES = (("an hour ago", timedelta(hours=1)), ("a day ago", timedelta(days=1)), ("30 days ago", timedelta(days=30)))
FILTERS = {Wanted.UNFINISHED: "Not accepted yet", Wanted.GIVEN_UP: "Given up", Wanted.DELIVERED: "Accepted"}


@router.get("/settings/webhooks")
async def webhooks(page: Here) -> Response:
    async with reading(page.services.engine) as conn:
        found = await list_webhooks(conn, page.services.secret_box, page.workspace_id)
    return await page.render(
        "settings/webhooks.html", webhooks=found, events=EVENTS, statuses=STATUSES, reasons=REASONS
    )


@router.get("/settings/webhooks/preview")
async def what_would_have_been_sent(page: Here) -> Response:
    base_url = page.services.settings.base_url
    async with reading(page.services.engine) as conn:
        found = await preview(conn, page.workspace_id, base_url=base_url)
    events = [(event, json.dumps(event, indent=2, ensure_ascii=False)) for event in found["events"]]
    return await page.render("settings/webhook_preview.html", events=events)


@router.get("/settings/webhooks/{webhook_id}")
async def deliveries(
    page: Here,
    webhook_id: str,
    state: Wanted | Literal[""] = "",
    cursor: Annotated[str | None, Query(max_length=20)] = None,
) -> Response:
    engine, secret_box = page.services.engine, page.services.secret_box
    if webhook_id == REQUESTS:
        async with engine.begin() as conn:
            await ensure_requests(conn, secret_box, [page.workspace_id])
    async with reading(engine) as conn:
        webhook = await get_webhook(conn, secret_box, page.workspace_id, webhook_id)
        found = await list_deliveries(
            conn, page.workspace_id, webhook_id, state=state or None, cursor=cursor, limit=ON_A_PAGE
        )
        sent = [await get_delivery(conn, page.workspace_id, webhook_id, each["id"]) for each in found["deliveries"]]
    return await page.render(
        "settings/webhook.html",
        webhook=webhook,
        deliveries=[(each, json.dumps(json.loads(each["body"]), indent=2, ensure_ascii=False)) for each in sent],
        next_cursor=found["next_cursor"],
        state=state,
        filters=FILTERS,
        statuses=STATUSES,
        reasons=REASONS,
        states=STATES,
        problems=PROBLEMS,
        events=EVENTS,
        sinces=_sinces(clock.now()),
        is_first=cursor is None,
    )


def _sinces(now: datetime) -> list[tuple[str, str]]:
    return [(text, to_json(now - ago)) for text, ago in SINCES]
