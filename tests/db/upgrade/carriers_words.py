"""Callbacks as the three carriers send them, to 0.1.0's parsers: (kind, headers, body) of each. Nothing is signed."""

import json
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from hashlib import sha256
from urllib.parse import urlencode

from outdial.calls.state import CarrierCall
from outdial.carriers.base import CarrierName

Told = tuple[str, dict[str, str], bytes]

# Our words for the end of a dial: how each carrier says so. A number is the network's SIP code.
ENDS: dict[CarrierName, dict[str, tuple[str, str]]] = {
    CarrierName.TWILIO: {
        "completed": ("completed", "200"),
        "busy": ("busy", "486"),
        "no_answer": ("no-answer", "487"),
        "declined": ("busy", "603"),
        "canceled": ("canceled", "487"),
        "not_in_service": ("failed", "404"),
    },
    CarrierName.VONAGE: {
        "completed": ("completed", ""),
        "busy": ("busy", ""),
        "no_answer": ("timeout", ""),
        "declined": ("rejected", "declined"),
        "canceled": ("cancelled", ""),
        "unreachable": ("failed", "unavailable"),
        "not_allowed": ("failed", "restricted"),
    },
    CarrierName.TELNYX: {
        "completed": ("normal_clearing", "200"),
        "busy": ("user_busy", "486"),
        "no_answer": ("timeout", "487"),
        "declined": ("call_rejected", "603"),
        "canceled": ("originator_cancel", "487"),
        "not_in_service": ("not_found", "404"),
        "refused": ("call_rejected", "403"),
    },
}


@dataclass(slots=True, kw_only=True)
class Dialled:
    """An attempt as its carrier knows it. `sent` counts the callbacks about it."""

    attempt_id: str
    call_id: str
    stream_token: str
    carrier: CarrierName
    call: CarrierCall
    from_: str
    to: str
    inbound: bool = False
    answered_at: datetime | None = None
    sent: int = field(default=0)


def carrier_call(carrier: CarrierName, seed: str) -> CarrierCall:
    digest = sha256(seed.encode()).hexdigest()
    match carrier:
        case CarrierName.TWILIO:
            return CarrierCall(id=f"CA{digest[:32]}")
        case CarrierName.VONAGE:
            uuid = f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"
            return CarrierCall(id=uuid, refs={"conversation_uuid": f"CON-{uuid[::-1]}"})
        case CarrierName.TELNYX:
            refs = {"call_leg_id": digest[:32], "call_session_id": digest[32:]}
            return CarrierCall(id=f"v3:{digest[:40]}", refs=refs)


def ringing(dialled: Dialled, at: datetime) -> Told | None:
    match dialled.carrier:
        case CarrierName.TWILIO:
            return _twilio(dialled, "status", at, CallStatus="ringing")
        case CarrierName.VONAGE:
            return _vonage(dialled, at, status="ringing")
        case CarrierName.TELNYX:
            return None  # has no such event


def answered(dialled: Dialled, at: datetime) -> Told:
    match dialled.carrier:
        case CarrierName.TWILIO:
            return _twilio(dialled, "status", at, CallStatus="in-progress")
        case CarrierName.VONAGE:
            return _vonage(dialled, at, status="answered")
        case CarrierName.TELNYX:
            return _telnyx(dialled, at, "call.answered")


def verdict(dialled: Dialled, at: datetime, word: str) -> Told:
    """`word` is the carrier's."""
    match dialled.carrier:
        case CarrierName.TWILIO:
            return _twilio(dialled, "amd", at, AnsweredBy=word, MachineDetectionDuration="3120")
        case CarrierName.VONAGE:
            return _vonage(dialled, at, status="machine" if word.startswith("beep") else word, sub_state=word)
        case CarrierName.TELNYX:
            what = "greeting" if word in ("ended", "beep_detected") else "detection"
            return _telnyx(dialled, at, f"call.machine.premium.{what}.ended", result=word)


def ended(dialled: Dialled, at: datetime, how: str) -> Told:
    """`how` is one of ENDS."""
    word, detail = ENDS[dialled.carrier][how]
    duration_s = int((at - dialled.answered_at).total_seconds()) if dialled.answered_at else 0
    match dialled.carrier:
        case CarrierName.TWILIO:
            final = {"CallDuration": str(duration_s), "Duration": "1", "SipResponseCode": detail}
            return _twilio(dialled, "status", at, CallStatus=word, **final)
        case CarrierName.VONAGE:
            cost = {"rate": "0.01270000", "price": "0.02540000", "network": "US-FIXED"} if duration_s else {}
            final = {"detail": detail} if detail else {}
            return _vonage(dialled, at, status=word, duration=str(duration_s), end_time=at.isoformat(), **cost, **final)
        case CarrierName.TELNYX:
            return _telnyx(dialled, at, "call.hangup", hangup_cause=word, sip_hangup_cause=detail)


def cost(dialled: Dialled, at: datetime) -> Told:
    """Telnyx alone tells it by itself and apart."""
    parts = [{"call_part": "sip-trunking", "cost": "0.0075", "currency": "USD"}]
    return _telnyx(dialled, at, "call.cost", total_cost="0.0075", cost_parts=parts, status="success")


def _twilio(dialled: Dialled, kind: str, at: datetime, **fields: str) -> Told:
    dialled.sent += 1
    form = {
        "AccountSid": "AC00000000000000000000000000000001",
        "ApiVersion": "2010-04-01",
        "CallSid": dialled.call.id,
        "CallbackSource": "call-progress-events",
        "Direction": "inbound" if dialled.inbound else "outbound-api",
        "From": dialled.from_,
        "To": dialled.to,
        "SequenceNumber": str(dialled.sent),
        "Timestamp": format_datetime(at),
    }
    token = sha256(f"{dialled.call.id} {dialled.sent}".encode()).hexdigest()[:32]
    headers = {
        "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
        "I-Twilio-Idempotency-Token": token,
        "X-Twilio-Signature": "never kept",
    }
    return kind, headers, urlencode(form | fields).encode()


def _vonage(dialled: Dialled, at: datetime, **fields: str) -> Told:
    dialled.sent += 1
    told = {
        "from": dialled.from_.removeprefix("+"),
        "to": dialled.to.removeprefix("+"),
        "uuid": dialled.call.id,
        "conversation_uuid": dialled.call.refs["conversation_uuid"],
        "direction": "inbound" if dialled.inbound else "outbound",
        "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    return "event", {"Content-Type": "application/json"}, json.dumps(told | fields).encode()


def _telnyx(dialled: Dialled, at: datetime, event_type: str, **payload: object) -> Told:
    dialled.sent += 1
    data = {
        "event_type": event_type,
        "id": sha256(f"{dialled.call.id} {dialled.sent}".encode()).hexdigest()[:36],
        "occurred_at": at.isoformat().replace("+00:00", "Z"),
        "payload": {
            "call_control_id": dialled.call.id,
            **dialled.call.refs,
            "connection_id": "1684641123236054244",
            "client_state": b64encode(dialled.attempt_id.encode()).decode(),
            "from": dialled.from_,
            "to": dialled.to,
            **payload,
        },
        "record_type": "event",
    }
    body = {"data": data, "meta": {"attempt": 1, "delivered_to": "https://voice.clinic.example/callbacks/telnyx"}}
    return "event", {"Content-Type": "application/json"}, json.dumps(body).encode()
