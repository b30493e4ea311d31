"""The bodies of Vonage's events. Source: developer.vonage.com/en/voice/voice-api/webhook-reference"""

from datetime import datetime
from typing import Any

from outdial.simulator.vonage.legs import Leg, LegStatus, address

Json = dict[str, Any]

# The names by which faults know events.
INITIATED, RINGING, ANSWERED, ENDED = "initiated", "ringing", "answered", "completed"
DETECTION, STREAM, OTHER = "amd", "stream", "other"

NETWORK = "US-FIXED"


def timestamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def progress(leg: Leg, at: datetime, **facts: Any) -> Json:
    """started, ringing, and what ends a leg that nobody answered."""
    return {**_parties(leg), "status": leg.status, "direction": leg.direction, **facts, "timestamp": timestamp(at)}


def answered(leg: Leg, at: datetime) -> Json:
    empty = {"start_time": None, "rate": None, "network": None} if leg.is_phone else {}
    return progress(leg, at, **empty)


def completed(leg: Leg, at: datetime, *, disconnected_by: str) -> Json:
    if not leg.is_phone:
        return progress(leg, at)
    return progress(
        leg,
        at,
        end_time=timestamp(leg.ended_at or at),
        start_time=timestamp(leg.answered_at or at),
        duration=str(leg.duration_s),
        rate=leg.rate,
        price=leg.price,
        network=NETWORK,
        sip_code=200,
        disconnected_by=disconnected_by,
    )


def disconnected(leg: Leg, at: datetime) -> Json:
    """A websocket that the other side closed, or that broke."""
    return {**progress(leg, at), "status": "disconnected"}


def detected(leg: Leg, at: datetime, status: str, sub_state: str = "") -> Json:
    """human or machine: with `call_uuid`, unlike every other event."""
    body = progress(leg, at, **({"sub_state": sub_state} if sub_state else {}))
    body["call_uuid"] = body.pop("uuid")
    return {**body, "status": status}


def pressed(leg: Leg, at: datetime, digits: str | None, *, timed_out: bool, **facts: Any) -> Json:
    return {
        "from": address(leg.from_),
        "to": address(leg.to),
        "dtmf": {"digits": digits, "timed_out": timed_out},
        **facts,
        "uuid": leg.uuid,
        "conversation_uuid": leg.conversation_uuid,
        "timestamp": timestamp(at),
    }


def transferred(leg: Leg, at: datetime, *, before: str) -> Json:
    return {
        "conversation_uuid_from": before,
        "conversation_uuid_to": leg.conversation_uuid,
        "uuid": leg.uuid,
        "timestamp": timestamp(at),
    }


def recorded(leg: Leg, at: datetime, *, url: str, recording_uuid: str, size: int, start: datetime) -> Json:
    return {
        "start_time": timestamp(start),
        "recording_url": url,
        "size": size,
        "recording_uuid": recording_uuid,
        "end_time": timestamp(at),
        "conversation_uuid": leg.conversation_uuid,
        "timestamp": timestamp(at),
    }


def notified(leg: Leg, at: datetime, payload: Json) -> Json:
    return {
        "payload": payload,
        "uuid": leg.uuid,
        "conversation_uuid": leg.conversation_uuid,
        "timestamp": timestamp(at),
    }


def error(leg: Leg, at: datetime, reason: str) -> Json:
    return {"reason": reason, "conversation_uuid": leg.conversation_uuid, "timestamp": timestamp(at)}


def answer_request(leg: Leg, region_url: str) -> Json:
    """What an answer URL is asked with; a GET request has the first four only."""
    body = {
        "from": address(leg.from_),
        "to": address(leg.to),
        "uuid": leg.uuid,
        "conversation_uuid": leg.conversation_uuid,
    }
    return {**body, "endpoint_type": "phone", **({"region_url": region_url} if region_url else {})}


def name_of(status: LegStatus) -> str:
    """By which name a fault knows the event of a status."""
    match status:
        case LegStatus.STARTED:
            return INITIATED
        case LegStatus.RINGING:
            return RINGING
        case LegStatus.ANSWERED:
            return ANSWERED
        case _:
            return ENDED


def _parties(leg: Leg) -> Json:
    return {
        "headers": dict(leg.headers),
        "from": address(leg.from_),
        "to": address(leg.to),
        "uuid": leg.uuid,
        "conversation_uuid": leg.conversation_uuid,
    }
