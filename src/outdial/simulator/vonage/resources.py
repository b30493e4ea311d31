"""Vonage's JSON resources for calls and their reports. Sources: Vonage's OpenAPI documents voice and reports"""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from outdial.simulator.vonage.legs import Leg, address

Json = dict[str, Any]

NETWORK = "310004"
REPORTED_STATUS = {"answered": "The call was answered.", "completed": "The call was successful."}


def call_json(leg: Leg) -> Json:
    shown = {
        "_links": {"self": {"href": f"/calls/{leg.uuid}"}},
        "uuid": leg.uuid,
        "conversation_uuid": leg.conversation_uuid,
        "to": dict(leg.to),
        "from": dict(leg.from_),
        "status": leg.status,
        "direction": leg.direction,
    }
    if leg.answered_at is not None:
        shown["start_time"] = moment(leg.answered_at)
    if leg.answered_at is not None and leg.ended_at is not None:
        shown |= {
            "end_time": moment(leg.ended_at),
            "duration": str(leg.duration_s),
            "rate": leg.rate,
            "price": leg.price,
            "network": NETWORK,
        }
    return shown


def calls_page(legs: list[Leg], *, first: int, size: int, query: list[tuple[str, str]]) -> Json:
    """`legs` from index `first` on; `query` is the request's."""
    filters = [(name, value) for name, value in query if name not in ("page_size", "record_index")]

    def link(index: int) -> Json:
        paging = [("page_size", str(size)), ("record_index", str(index))]
        return {"href": f"/calls?{urlencode([*paging, *filters])}"}

    links = {"self": link(first), "first": link(0), "last": link(max((len(legs) - 1) // size * size, 0))}
    if first:
        links["prev"] = link(max(first - size, 0))
    if first + size < len(legs):
        links["next"] = link(first + size)
    return {
        "count": len(legs),
        "page_size": size,
        "record_index": first,
        "_links": links,
        "_embedded": {"calls": [call_json(leg) for leg in legs[first : first + size]]},
    }


def moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")


def record_json(leg: Leg, account_id: str) -> Json:
    """A leg as the Reports API shows it."""
    return {
        "account_id": account_id,
        "call_id": leg.uuid,
        "conversation_id": leg.conversation_uuid,
        "direction": leg.direction,
        "from": address(leg.from_),
        "to": address(leg.to),
        "network": NETWORK,
        "network_name": "Simulated network",
        "country": "US",
        "country_name": "United States of America",
        "date_start": offset_time(leg.answered_at or leg.created_at),
        "date_end": offset_time(leg.ended_at or leg.created_at),
        "duration": str(leg.duration_s),
        "status": leg.status,
        "status_description": leg.detail or REPORTED_STATUS.get(leg.status, ""),
        "currency": "EUR",
        "price": leg.rate,
        "total_price": leg.price,
    }


def offset_time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S+0000")
