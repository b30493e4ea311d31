"""Telnyx's callbacks: is it Telnyx (`verify`), what does it say (`parse`, `incoming`). It reads no answer.

Pure. They are neither ordered nor sent once; `data.id` tells a repeat. Source: developers.telnyx.com,
docs/voice/programmable-voice/receiving-webhooks.
"""

import json
import logging
import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from outdial.carriers.callbacks import BackToAgent, BadCallback, Callback, CallbackReply, IncomingCall
from outdial.carriers.telnyx import mapping
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.price import Price
from outdial.telephony.state import CallEvent, Progress, transfer_result

logger = logging.getLogger(__name__)

TOLERANCE_S = 300
TRANSFER_STATE = "transfer:"  # marks the other leg of a transfer, and says whose it is

_ID = re.compile(r"[\x21-\x7e]{1,512}")
_EVENT_ID = re.compile(r"[\x21-\x7e]{1,128}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


def verify(*, headers: Mapping[str, str], body: bytes, public_key: str, now: datetime) -> bool:
    """Whether the request was signed lately with the account's key. Never raises."""
    sent = {name.lower(): value for name, value in headers.items()}
    timestamp = sent.get("telnyx-timestamp", "")
    if not _TIMESTAMP.fullmatch(timestamp) or abs(now.timestamp() - int(timestamp)) > TOLERANCE_S:
        return False
    try:
        signature = b64decode(sent.get("telnyx-signature-ed25519", ""), validate=True)
        key = Ed25519PublicKey.from_public_bytes(b64decode(public_key, validate=True))
        key.verify(signature, timestamp.encode() + b"|" + body)
    except (ValueError, InvalidSignature):
        return False
    return True


def parse(kind: str, body: bytes, *, headers: Mapping[str, str], received_at: datetime) -> Callback:
    """What a verified callback means. `kind`, the last part of its URL, says nothing here.

    Raises BadCallback for a body that is not a callback.
    """
    data = _data(body)
    event_type, payload = _text(data, "event_type"), _object(data, "payload")
    if not event_type:
        raise BadCallback("no event_type")
    key = _dedupe_key(kind, data, body)
    at = mapping.instant(data.get("occurred_at")) or received_at
    state = mapping.read_client_state(payload.get("client_state"))
    if state.startswith(TRANSFER_STATE):
        return _of_the_other_party(Callback(kind=kind, dedupe_key=key, event=None), event_type, payload, at=at)
    if event_type not in mapping.EVENTS and not event_type.startswith(("call.machine.", "call.cost")):
        if event_type == "streaming.failed":
            logger.warning("Telnyx media stream not opened")
            return Callback(kind=kind, dedupe_key=key, event=None, call=_call(payload), stream_failed=True)
        return Callback(kind=kind, dedupe_key=key, event=None)
    call = _call(payload)
    event: CallEvent | None = None
    price: Price | None = None
    match event_type:
        case "call.initiated" | "call.answered":
            event = mapping.progress(event_type, at=at, carrier_call=call)
        case "call.hangup":
            cause, sip_code = _text(payload, "hangup_cause"), _text(payload, "sip_hangup_cause")
            by_callee = mapping.BY_CALLEE.get(_text(payload, "hangup_source"))
            event = mapping.hangup(cause, sip_code=sip_code, at=at, carrier_call=call)
            event = replace(event, by_callee=by_callee)
        case "call.machine.detection.ended" | "call.machine.premium.detection.ended":
            event = mapping.detection(_text(payload, "result"), at=at, carrier_call=call)
        case "call.machine.greeting.ended" | "call.machine.premium.greeting.ended":
            event = mapping.greeting_ended(_text(payload, "result"), at=at, carrier_call=call)
        case "call.cost":
            price = mapping.price(payload.get("total_cost"), _currency(payload))
        case _:
            logger.info("Telnyx callback unknown", extra={"word": event_type[:40]})
    return Callback(kind=kind, dedupe_key=key, event=event, call=call, price=price)


def reply(kind: str, body: bytes, *, back: BackToAgent | None = None) -> CallbackReply | None:
    """Telnyx is told what to do by requests of ours."""
    return None


def incoming(body: bytes, *, received_at: datetime) -> IncomingCall | None:
    """The call that a callback of the application announces; None for the callbacks that follow it.

    Raises BadCallback.
    """
    data = _data(body)
    payload = _object(data, "payload")
    if data.get("event_type") != "call.initiated" or payload.get("direction") != "incoming":
        return None
    to = _text(payload, "to")
    if not to:
        raise BadCallback("no number")
    at = mapping.instant(data.get("occurred_at")) or received_at
    return IncomingCall(call=_call(payload), from_=_text(payload, "from"), to=to, at=at)


# -- contents ------------------------------------------------------------------------------------------------


def _data(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadCallback("not JSON") from error
    if not isinstance(told, dict) or not isinstance(told.get("data"), dict):
        raise BadCallback("no data")
    data: dict[str, Any] = told["data"]
    return data


def _object(parent: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = parent.get(name)
    return value if isinstance(value, dict) else {}


def _text(parent: Mapping[str, Any], name: str) -> str:
    value = parent.get(name)
    return value if isinstance(value, str) else ""


def _call(payload: Mapping[str, Any]) -> CarrierCall:
    control_id = _text(payload, "call_control_id")
    if not _ID.fullmatch(control_id):
        raise BadCallback("no call_control_id")
    refs = {name: _text(payload, name) for name in ("call_leg_id", "call_session_id")}
    return CarrierCall(id=control_id, refs={name: value for name, value in refs.items() if _ID.fullmatch(value)})


def _of_the_other_party(callback: Callback, event_type: str, payload: Mapping[str, Any], *, at: datetime) -> Callback:
    """What an event of the other leg of a transfer says of the transfer, and of who may be left alone by it. Its leg id
    is kept: by it the log is asked."""
    control_id = mapping.read_client_state(payload.get("client_state")).removeprefix(TRANSFER_STATE)
    if event_type not in mapping.EVENTS or not _ID.fullmatch(control_id):
        return callback
    leg_id, first = _text(payload, "call_leg_id"), CarrierCall(id=control_id)
    other = CarrierCall(id=leg_id) if _ID.fullmatch(leg_id) else None
    leg: Progress
    left_alone = None
    if event_type == "call.hangup":
        cause, sip_code = _text(payload, "hangup_cause"), _text(payload, "sip_hangup_cause")
        leg = mapping.hangup(cause, sip_code=sip_code, at=at, carrier_call=other)
        left_alone = first if mapping.nobody_came(cause, sip_code=sip_code) else None
    else:
        leg = mapping.progress(event_type, at=at, carrier_call=other)
    result = transfer_result(leg, to=_text(payload, "to") or None, of=first)
    return replace(callback, event=result, left_alone=left_alone)


def _currency(payload: Mapping[str, Any]) -> object:
    parts = payload.get("cost_parts")
    first = parts[0] if isinstance(parts, list) and parts else None
    return first.get("currency") if isinstance(first, dict) else None


def _dedupe_key(kind: str, data: Mapping[str, Any], body: bytes) -> str:
    """Equal for a callback and its repeats: the event's id, else the body's hash."""
    event_id = _text(data, "id")
    if _EVENT_ID.fullmatch(event_id):
        return f"{kind}:{event_id}"
    return f"{kind}:sha256:{sha256(body).hexdigest()}"
