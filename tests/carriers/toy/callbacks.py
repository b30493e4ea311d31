"""Is this callback from the toy, what does it say, what do we answer. Pure."""

import hmac
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from carriers.toy import mapping
from outdial.carriers.callbacks import (
    TRANSFER_FAILED,
    BackToAgent,
    BadCallback,
    Callback,
    CallbackReply,
    IncomingCall,
)
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.state import CallEvent, transfer_result

TOLERANCE = timedelta(minutes=5)


def sign(url: str, at: datetime, body: bytes, key: str) -> dict[str, str]:
    """The headers of a genuine request, of a websocket's handshake too."""
    time = str(int(at.timestamp()))
    signed = f"{time} {url} ".encode() + body
    return {"x-toy-time": time, "x-toy-signature": hmac.new(key.encode(), signed, sha256).hexdigest()}


def verify(*, url: str, headers: Mapping[str, str], body: bytes, key: str, now: datetime) -> bool:
    """Never raises."""
    told = {name.lower(): value for name, value in headers.items()}
    time, signature = told.get("x-toy-time", ""), told.get("x-toy-signature", "")
    if not (time.isascii() and time.isdecimal() and len(time) < 12 and signature.isascii()):
        return False
    at = datetime.fromtimestamp(int(time), now.tzinfo)
    return abs(now - at) <= TOLERANCE and hmac.compare_digest(sign(url, at, body, key)["x-toy-signature"], signature)


def parse(kind: str, body: bytes, *, headers: Mapping[str, str], received_at: datetime) -> Callback:
    """Raises BadCallback."""
    told = _object(body)
    call, at = _call(told), mapping.instant(told.get("at")) or received_at
    event: CallEvent | None = None
    if kind == "event":
        who = told.get("answered_by")
        if isinstance(who, str):
            event = mapping.verdict(who, at=at, carrier_call=call)
        else:
            event = mapping.progress(str(told.get("status")), at=at, carrier_call=call)
    elif kind == "transfer":
        other = mapping.progress(str(told.get("status")), at=at, carrier_call=None)
        event = None if other is None else transfer_result(other, of=call)
    return Callback(kind=kind, dedupe_key=f"{kind}:{told.get('id')}", event=event, call=call)


def reply(kind: str, body: bytes, *, back: BackToAgent | None = None) -> CallbackReply | None:
    """Who is left on the line after a transfer that came to nothing hears a sentence: the toy gives no call back."""
    if kind != "transfer" or _object(body).get("status") == "talks":
        return None
    told = {"sentence": TRANSFER_FAILED, "then": "end"}
    return CallbackReply(media_type="application/json", body=json.dumps(told))


def incoming(body: bytes, *, received_at: datetime) -> IncomingCall | None:
    """The call that a request to a number's answer URL announces. Raises BadCallback."""
    told = _object(body)
    to, from_ = told.get("to"), told.get("from")
    if not isinstance(to, str) or not isinstance(from_, str):
        raise BadCallback("no numbers")
    return IncomingCall(call=_call(told), from_=from_, to=to, at=received_at)


def _object(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadCallback("not JSON") from error
    if not isinstance(told, dict):
        raise BadCallback("not an object")
    return told


def _call(told: Mapping[str, Any]) -> CarrierCall:
    call = told.get("call")
    if not isinstance(call, str) or not call:
        raise BadCallback("no call")
    return CarrierCall(id=call)
