"""Vonage's callbacks: is it Vonage (`verify`), what does it say (`parse`, `incoming`), what do we answer (`reply`).

Pure. A call to us or from us is one leg, our media websocket another with a uuid and events of its own; those
are sent to a URL of the kind `stream`, and told by their `to`, the websocket's URI, should they come elsewhere.
Sources: developer.vonage.com/en/voice/voice-api/webhook-reference and en/getting-started/concepts/webhooks.
"""

import hmac
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from outdial.carriers.callbacks import (
    TRANSFER_FAILED,
    BackToAgent,
    BadCallback,
    Callback,
    CallbackReply,
    IncomingCall,
)
from outdial.carriers.vonage import answer, mapping, tokens
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.state import CallEvent, transfer_result
from outdial.telephony.transfer import TransferResult

logger = logging.getLogger(__name__)

TOLERANCE = timedelta(minutes=5)  # between Vonage's clock and ours, and for the way

_UUID = re.compile(r"[0-9a-zA-Z-]{8,64}")
_REF = re.compile(r"[\x21-\x7e]{1,200}")
_JTI = re.compile(r"[\x21-\x7e]{1,128}")
_BEARER = "bearer "


def verify(
    *,
    headers: Mapping[str, str],
    body: bytes,
    secret: str,
    api_key: str,
    application_id: str | None,
    now: datetime,
) -> bool:
    """Whether the request's token was made with the account's signature secret, lately and for us. Never raises.

    A token without the body's hash is good for a request without a body only: the handshake of a websocket.
    """
    claims = tokens.signed_claims(_token(headers), secret)
    if claims is None or claims.get("iss") != "Vonage" or claims.get("api_key") != api_key:
        return False
    if application_id and claims.get("application_id") != application_id:
        return False
    issued_at = claims.get("iat")
    if type(issued_at) is not int or abs(now.timestamp() - issued_at) > TOLERANCE.total_seconds():
        return False
    payload_hash = claims.get("payload_hash")
    if payload_hash is None:
        return not body
    expected = sha256(body).hexdigest()
    return isinstance(payload_hash, str) and hmac.compare_digest(
        payload_hash.lower().encode("utf-8", "replace"), expected.encode()
    )


def parse(kind: str, body: bytes, *, headers: Mapping[str, str], received_at: datetime) -> Callback:
    """What a verified callback means. `kind` is the last part of its URL: event, stream or transfer.

    Raises BadCallback for a body that is not a callback.
    """
    told = _object(body)
    status = _text(told, "status")
    key = _dedupe_key(kind, headers, body)
    if kind == "transfer":
        return Callback(kind=kind, dedupe_key=key, event=_transfer_result(told, received_at))
    if kind == "stream" or _is_of_the_websocket(told):
        if status == "failed":
            logger.warning("Vonage leg not connected", extra={"kind": kind[:40]})
        return Callback(kind=kind, dedupe_key=key, event=None)
    if not status:
        if not any(name in told for name in ("recording_url", "dtmf", "speech", "reason", "conversation_uuid_to")):
            raise BadCallback("neither a status nor another event")
        if "reason" in told:
            logger.warning("Vonage error reported", extra={"kind": kind[:40]})  # its text may quote our NCCO
        return Callback(kind=kind, dedupe_key=key, event=None)
    call = _call(told)
    at = mapping.instant(told.get("timestamp")) or received_at
    event: CallEvent | None
    if status in mapping.ANSWERED_BY:
        event = mapping.verdict(status, sub_state=_text(told, "sub_state"), at=at, carrier_call=call)
    else:
        progress = mapping.progress(
            status,
            at=at,
            carrier_call=call,
            final="disconnected_by" in told or "end_time" in told,
            detail=_text(told, "detail"),
            sip_code=_sip_code(told),
            duration_s=mapping.seconds(told.get("duration")),
        )
        event = None
        if progress is not None:
            event = replace(progress, by_callee=mapping.BY_CALLEE.get(_text(told, "disconnected_by")))
    return Callback(kind=kind, dedupe_key=key, event=event, call=call, price=mapping.price(told.get("price")))


def reply(kind: str, body: bytes, *, back: BackToAgent | None = None) -> CallbackReply | None:
    """What to answer a verified callback with; None where Vonage doesn't read the answer.

    Only a transfer that came to nothing is answered: what it says runs next on the callee's call.
    Raises BadCallback.
    """
    if kind != "transfer" or _text(_object(body), "status") not in mapping.NOBODY_CAME:
        return None
    return answer.reply(answer.talk(TRANSFER_FAILED) if back is None else answer.back_to_agent(back))


def incoming(body: bytes, *, received_at: datetime) -> IncomingCall | None:
    """The call that a request to the application's answer URL announces. Raises BadCallback."""
    told = _object(body)
    to = mapping.from_vonage(told.get("to"))
    if not to:
        raise BadCallback("no number")
    return IncomingCall(call=_call(told), from_=mapping.from_vonage(told.get("from")), to=to, at=received_at)


# -- contents ------------------------------------------------------------------------------------------------


def _token(headers: Mapping[str, str]) -> str:
    value = next((value for name, value in headers.items() if name.lower() == "authorization"), "")
    return value[len(_BEARER) :].strip() if value.lower().startswith(_BEARER) else ""


def _object(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadCallback("not JSON") from error
    if not isinstance(told, dict):
        raise BadCallback("not an object")
    return told


def _call(told: Mapping[str, Any]) -> CarrierCall:
    """Detection names the call in `call_uuid`, everything else in `uuid`."""
    uuid = _text(told, "uuid") or _text(told, "call_uuid")
    if not _UUID.fullmatch(uuid):
        raise BadCallback("no uuid")
    refs = {name: _text(told, name) for name in ("conversation_uuid", "region_url")}
    return CarrierCall(id=uuid, refs={name: value for name, value in refs.items() if _REF.fullmatch(value)})


def _transfer_result(told: Mapping[str, Any], received_at: datetime) -> TransferResult | None:
    """What the other party's leg says of a transfer; None for what is not about its progress."""
    uuid = _text(told, "uuid")
    leg = mapping.progress(
        _text(told, "status"),
        at=mapping.instant(told.get("timestamp")) or received_at,
        carrier_call=CarrierCall(id=uuid) if _UUID.fullmatch(uuid) else None,
        final="disconnected_by" in told or "end_time" in told,
        detail=_text(told, "detail"),
        sip_code=_sip_code(told),
        duration_s=mapping.seconds(told.get("duration")),
    )
    return None if leg is None else transfer_result(leg, to=mapping.from_vonage(told.get("to")) or None)


def _is_of_the_websocket(told: Mapping[str, Any]) -> bool:
    return any(_text(told, name).startswith(("ws://", "wss://")) for name in ("to", "from"))


def _sip_code(told: Mapping[str, Any]) -> str:
    code = told.get("sip_code")
    return str(code) if type(code) is int and 100 <= code <= 699 else ""


def _text(told: Mapping[str, Any], name: str) -> str:
    value = told.get(name)
    return value if isinstance(value, str) else ""


def _dedupe_key(kind: str, headers: Mapping[str, str], body: bytes) -> str:
    """Equal for a callback and its replay: the token's id, else the body's hash."""
    jti = tokens.unverified_claims(_token(headers)).get("jti")
    if isinstance(jti, str) and _JTI.fullmatch(jti):
        return f"{kind}:{jti}"
    return f"{kind}:sha256:{sha256(body).hexdigest()}"
