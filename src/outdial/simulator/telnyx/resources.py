"""Telnyx's JSON resources, and lists of them. Source: Telnyx's OpenAPI document."""

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from outdial.simulator.telnyx import cost, errors
from outdial.simulator.telnyx.callbacks import Attempt, Delivery
from outdial.simulator.telnyx.destinations import countries_of
from outdial.simulator.telnyx.inventory import Application, Number, OutboundVoiceProfile
from outdial.simulator.telnyx.leg import Event, Leg, stamp

Json = dict[str, Any]
Query = Mapping[str, str]
T = TypeVar("T")


# -- calls

def dialled_json(leg: Leg) -> Json:
    """The reply to a dial: `is_alive` is false, dialling is asynchronous."""
    return {"record_type": "call", **_call_ids(leg), "is_alive": False}


def call_json(leg: Leg, now: datetime) -> Json:
    """Neither cause nor price."""
    call = leg.call
    shown: Json = {
        "record_type": "call",
        **_call_ids(leg),
        "is_alive": call.dialled_at is not None and call.ended_at is None,
        "start_time": stamp(call.dialled_at or call.created_at, "milliseconds"),
        "call_duration": leg.duration_s(now),
    }
    if call.ended_at is not None:
        shown["end_time"] = stamp(call.ended_at, "milliseconds")
    return shown


def active_call_json(leg: Leg, now: datetime) -> Json:
    return {"record_type": "call", **_call_ids(leg), "call_duration": leg.duration_s(now)}


def event_json(leg: Leg, event: Event) -> Json:
    return {
        "record_type": "call_event",
        "call_leg_id": leg.leg_id,
        "call_session_id": leg.session_id,
        "event_timestamp": stamp(event.at),
        "name": event.name,
        "type": event.type,
        "metadata": event.metadata,
    }


def detail_record_json(leg: Leg, record_type: str) -> Json:
    """Of an ended call. The fields are those of Telnyx's other voice records."""
    call = leg.call
    part = next(
        (part for part in cost.payload(leg)["cost_parts"] if part["call_part"] == record_type),
        {"cost": "0.0000", "rate": "0.0000", "billed_duration_secs": 0},
    )
    return {
        "record_type": record_type,
        "id": leg.leg_id,
        "call_leg_id": leg.leg_id,
        "call_session_id": leg.session_id,
        "connection_id": leg.application.id,
        "direction": "inbound" if leg.incoming else "outbound",
        "cli": call.from_,
        "cld": call.to,
        "started_at": stamp(call.dialled_at or call.created_at),
        "answered_at": stamp(call.answered_at) if call.answered_at else None,
        "finished_at": stamp(call.ended_at) if call.ended_at else None,
        "call_sec": call.duration_s,
        "billed_sec": part["billed_duration_secs"] if call.answered_at else 0,
        "cost": part["cost"] if call.answered_at else "0.0000",
        "rate": part["rate"],
        "rate_measured_in": "minutes",
        "currency": "USD",
    }


def _call_ids(leg: Leg) -> Json:
    return {
        "call_control_id": leg.call.id,
        "call_leg_id": leg.leg_id,
        "call_session_id": leg.session_id,
        "client_state": leg.client_state,
    }


# -- configuration

def balance_json() -> Json:
    return {
        "record_type": "balance",
        "balance": "300.00",
        "available_credit": "400.00",
        "credit_limit": "100.00",
        "pending": "10.00",
        "currency": "USD",
    }


def application_json(application: Application) -> Json:
    outbound: Json = {}
    if application.outbound_voice_profile_id:
        outbound["outbound_voice_profile_id"] = application.outbound_voice_profile_id
    if application.outbound_channel_limit is not None:
        outbound["channel_limit"] = application.outbound_channel_limit
    return {
        "id": application.id,
        "record_type": "call_control_application",
        "application_name": application.name,
        "active": application.active,
        "anchorsite_override": application.anchorsite_override,
        "call_cost_in_webhooks": application.call_cost_in_webhooks,
        "dtmf_type": application.dtmf_type,
        "first_command_timeout": application.first_command_timeout,
        "first_command_timeout_secs": application.first_command_timeout_s,
        "inbound": {},
        "outbound": outbound,
        "tags": application.tags,
        "webhook_api_version": application.webhook_api_version,
        "webhook_event_url": application.webhook_event_url,
        "webhook_event_failover_url": application.webhook_event_failover_url,
        "webhook_timeout_secs": application.webhook_timeout_s,
        "created_at": stamp(application.created_at, "milliseconds"),
        "updated_at": stamp(application.updated_at, "milliseconds"),
    }


def profile_json(profile: OutboundVoiceProfile, connections: int) -> Json:
    shown: Json = {
        "id": profile.id,
        "record_type": "outbound_voice_profile",
        "name": profile.name,
        "connections_count": connections,
        "traffic_type": "conversational",
        "service_plan": "global",
        "usage_payment_method": "rate-deck",
        "concurrent_call_limit": profile.concurrent_call_limit,
        "enabled": profile.enabled,
        "tags": profile.tags,
        "daily_spend_limit_enabled": profile.daily_spend_limit_enabled,
        "whitelisted_destinations": profile.whitelisted_destinations,
        "billing_group_id": None,
        "created_at": stamp(profile.created_at, "milliseconds"),
        "updated_at": stamp(profile.updated_at, "milliseconds"),
    }
    if profile.daily_spend_limit is not None:
        shown["daily_spend_limit"] = profile.daily_spend_limit
    if profile.max_destination_rate is not None:
        shown["max_destination_rate"] = profile.max_destination_rate
    return shown


def number_json(number: Number, application: Application | None) -> Json:
    return {
        "id": number.id,
        "record_type": "phone_number",
        "phone_number": number.phone_number,
        "phone_number_type": "local",
        "country_iso_alpha2": "US" if "US" in countries_of(number.phone_number) else "GB",
        "status": "active",
        "connection_id": number.connection_id,
        "connection_name": application.name if application else None,
        "customer_reference": number.customer_reference,
        "tags": number.tags,
        "external_pin": None,
        "deletion_lock_enabled": False,
        "created_at": stamp(number.created_at, "milliseconds"),
        "purchased_at": stamp(number.created_at, "milliseconds"),
        "updated_at": stamp(number.updated_at, "milliseconds"),
    }


def verified_number_json(phone_number: str, verified_at: datetime) -> Json:
    return {
        "record_type": "verified_number",
        "phone_number": phone_number,
        "verified_at": stamp(verified_at),
    }


def delivery_json(delivery: Delivery, user_id: str) -> Json:
    status = "delivered" if delivery.delivered else "failed"
    shown: Json = {
        "id": delivery.id,
        "record_type": "webhook_delivery",
        "user_id": user_id,
        "status": status,
        "started_at": stamp(delivery.started_at),
        "webhook": delivery.event,
        "attempts": [_attempt_json(attempt) for attempt in delivery.attempts],
    }
    if delivery.attempts:
        shown["finished_at"] = stamp(delivery.attempts[-1].finished_at)
    return shown


def _attempt_json(attempt: Attempt) -> Json:
    http: Json = {
        "request": {"url": attempt.url, "headers": [[name, value] for name, value in attempt.headers.items()]}
    }
    if attempt.status is not None:
        http["response"] = {"status": attempt.status, "headers": [], "body": attempt.body}
    succeeded = attempt.status is not None and 200 <= attempt.status < 300
    return {
        "status": "delivered" if succeeded else "failed",
        "started_at": stamp(attempt.started_at),
        "finished_at": stamp(attempt.finished_at),
        "http": http,
        "errors": [],
    }


# -- lists

def numbered_page(items: Sequence[T], query: Query, show: Callable[[T], Json], *, largest: int = 250) -> Json:
    """`page[number]` and `page[size]`."""
    number = _natural(query, "page[number]", 1, 10**9)
    size = _natural(query, "page[size]", 20, largest)
    return {
        "data": [show(item) for item in items[(number - 1) * size : number * size]],
        "meta": {
            "page_number": number,
            "page_size": size,
            "total_pages": math.ceil(len(items) / size),
            "total_results": len(items),
        },
    }


def cursor_page(
    items: Sequence[T], query: Query, key: Callable[[T], str], show: Callable[[T], Json], path: str
) -> Json:
    """`page[after]` or `page[before]`, and `page[limit]`; or `page[number]` and `page[size]`, as the SDK does it."""
    limit = _natural(query, "page[limit]", _natural(query, "page[size]", 20, 250), 250)
    keys = [key(item) for item in items]
    first = (_natural(query, "page[number]", 1, 10**9) - 1) * limit
    last = first + limit
    if query.get("page[after]"):
        first = _position(keys, query["page[after]"]) + 1
        last = first + limit
    elif query.get("page[before]"):
        last = max(0, _position(keys, query["page[before]"]))
        first = max(0, last - limit)
    shown = items[first:last]
    cursors: Json = {}
    meta: Json = {"cursors": cursors, "total_items": len(items)}
    if shown:
        cursors["before"], cursors["after"] = _cursor(key(shown[0])), _cursor(key(shown[-1]))
        if first:
            meta["previous"] = f"{path}?page[before]={cursors['before']}&page[limit]={limit}"
        if last < len(items):
            meta["next"] = f"{path}?page[after]={cursors['after']}&page[limit]={limit}"
    return {"data": [show(item) for item in shown], "meta": meta}


def _cursor(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _position(keys: list[str], cursor: str) -> int:
    """Where the cursor's item is; before all when it has gone."""
    return next((i for i, key in enumerate(keys) if _cursor(key) == cursor), -1)


def _natural(query: Query, name: str, default: int, largest: int) -> int:
    text = query.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= largest):
        raise errors.invalid(name, f"The '{name}' parameter must be from 1 to {largest}.", status=400)
    return int(text)
