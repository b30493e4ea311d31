"""Twilio's callbacks: is it Twilio (`verify`), what does it say (`parse`, `incoming`), what do we answer (`reply`).

Pure. Sources: twilio.com/docs/usage/security (signature), twilio.com/docs/voice/api/call-resource
(status callbacks), twilio.com/docs/voice/twiml/dial and /stream.
"""

import hmac
import logging
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha1, sha256
from urllib.parse import parse_qsl

from outdial import clock
from outdial.carriers.callbacks import (
    TRANSFER_FAILED,
    BackToAgent,
    BadCallback,
    Callback,
    CallbackReply,
    IncomingCall,
)
from outdial.carriers.twilio import answer, mapping
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.state import CallEvent, Progress, transfer_result
from outdial.telephony.transfer import TransferResult

logger = logging.getLogger(__name__)

MAX_FIELDS = 250  # a status callback has about 40

_CALL_SID = re.compile(r"CA[0-9a-fA-F]{32}")
_TOKEN = re.compile(r"[\x21-\x7e]{1,128}")
_BODY_HASH = re.compile(r"[?&]bodySHA256=([0-9a-fA-F]{64})(?:[&#]|$)")
_URL = re.compile(
    r"(?P<scheme>[a-z]+)://(?:[^/?#@]*@)?(?P<host>\[[^]/?#]*]|[^:/?#@]+)(?P<port>:[0-9]*)?"
    r"(?P<path>[^?#]*)(?P<query>\?[^#]*)?(?:#.*)?",
    re.DOTALL,
)


def verify(*, url: str, headers: Mapping[str, str], body: bytes, tokens: Sequence[str]) -> bool:
    """Whether X-Twilio-Signature was made with one of `tokens` over exactly this request. Never raises.

    `url` is the public URL that Twilio was told, with the query, not what a proxy made of it; for the
    handshake of a media websocket the wss URL. Several tokens: while one is rotated, either may sign.
    """
    signature = _header(headers, "x-twilio-signature").encode("utf-8", "replace")
    signed = _signed_fields(url, headers, body)
    if not signature or signed is None:
        return False
    expected = [
        b64encode(hmac.new(token.encode("utf-8", "replace"), text, sha1).digest())
        for token in tokens
        if token  # anyone can sign with an empty one
        for text in ((variant + signed).encode("utf-8", "surrogatepass") for variant in _url_variants(url))
    ]
    return any(hmac.compare_digest(signature, each) for each in expected)


def parse(kind: str, body: bytes, *, headers: Mapping[str, str], received_at: datetime) -> Callback:
    """What a verified callback means. `kind` is the last part of its URL: status, amd, stream, transfer or
    transfer_leg.

    `received_at` stands in where Twilio tells no time. Raises BadCallback for a body that is not a callback
    of this kind.
    """
    form = _form(body)
    call = _call(form)
    event: CallEvent | None = None
    stream_failed = False
    match kind:
        case "status":
            event = _progress(form, received_at)
        case "transfer_leg":
            leg = _progress(form, received_at)
            call = CarrierCall(id=_sid(form, "ParentCallSid"))
            event = None if leg is None else transfer_result(leg, to=form.get("To"), of=call)
        case "amd":
            event = mapping.verdict(
                _required(form, "AnsweredBy"),
                at=received_at,
                carrier_call=call,
                detection_ms=mapping.whole(form.get("MachineDetectionDuration")),
            )
        case "stream":
            stream_failed = _stream_failed(_required(form, "StreamEvent"), form)
        case "transfer":
            event = _dialled(form, received_at)
        case _:
            logger.warning("Twilio callback of unknown kind", extra={"kind": kind[:40]})
    key = _dedupe_key(kind, headers, body)
    return Callback(kind=kind, dedupe_key=key, event=event, call=call, stream_failed=stream_failed)


def reply(kind: str, body: bytes, *, back: BackToAgent | None = None) -> CallbackReply | None:
    """What to answer a verified callback with; None where Twilio doesn't read the answer.

    Only the end of a transfer is answered: what it says runs next on the callee's call. Raises BadCallback.
    """
    if kind != "transfer":
        return None
    if not _dialled(_form(body), clock.now()).has_failed:
        twiml = answer.hang_up()
    elif back is not None:
        twiml = answer.stream_answer(back.stream_url, {"ref": back.ref}, f"{back.callback_url}/stream")
    else:
        twiml = answer.say_and_hang_up(TRANSFER_FAILED)
    return CallbackReply(media_type="application/xml", body=twiml)


def incoming(body: bytes, *, received_at: datetime) -> IncomingCall | None:
    """The call that a request to a number's VoiceUrl announces. Raises BadCallback."""
    form = _form(body)
    if form.get("Direction") != "inbound":
        return None
    call, to = _call(form), _required(form, "To")
    # Without a caller ID, From is a word or a number that spells one (+266696687 is ANONYMOUS).
    return IncomingCall(call=call, from_=form.get("From", ""), to=to, at=received_at)


# -- signature -----------------------------------------------------------------------------------------------


def _signed_fields(url: str, headers: Mapping[str, str], body: bytes) -> str | None:
    """The part of the signed text that stands for the body; None when the body can't be what was signed."""
    body_hash = _BODY_HASH.search(url)
    if body_hash is not None and not hmac.compare_digest(
        body_hash[1].lower().encode(), sha256(body).hexdigest().encode()
    ):
        return None
    if not body:
        return ""
    if not _header(headers, "content-type").lower().startswith("application/x-www-form-urlencoded"):
        return "" if body_hash is not None else None
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:  # not UTF-8, or more fields than any callback has
        return None
    return "".join(name + value for name, value in sorted(set(fields)))


def _url_variants(url: str) -> Iterator[str]:
    """The forms of one URL that Twilio is known to sign: it drops and adds default ports, and a websocket's
    trailing slash. Userinfo and fragment are never signed."""
    parts = _URL.fullmatch(url)
    if parts is None:
        return
    scheme, host, path, query = parts["scheme"], parts["host"], parts["path"], parts["query"] or ""
    paths = [path]
    if scheme in ("ws", "wss"):
        paths.append(path[:-1] if path.endswith("/") else path + "/")
    for port in dict.fromkeys((parts["port"] or "", "", ":443", ":80")):
        for each in paths:
            yield f"{scheme}://{host}{port}{each}{query}"


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((value for key, value in headers.items() if key.lower() == name), "")


# -- contents ------------------------------------------------------------------------------------------------


def _form(body: bytes) -> dict[str, str]:
    try:
        text = body.decode()
        fields = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise BadCallback("not a form") from error
    if "\0" in text:
        raise BadCallback("not a form")
    return dict(reversed(fields))  # of a repeated field, the first


def _call(form: Mapping[str, str]) -> CarrierCall:
    return CarrierCall(id=_sid(form, "CallSid"))


def _sid(form: Mapping[str, str], name: str) -> str:
    call_sid = form.get(name, "")
    if not _CALL_SID.fullmatch(call_sid):
        raise BadCallback(f"no {name}")
    return call_sid


def _progress(form: Mapping[str, str], received_at: datetime) -> Progress | None:
    return mapping.progress(
        _required(form, "CallStatus"),
        at=_exact(mapping.instant(form.get("Timestamp")), received_at),
        carrier_call=_call(form),
        final="CallDuration" in form,  # only the last callback of a call has it
        sip_code=form.get("SipResponseCode", ""),
        duration_s=mapping.whole(form.get("CallDuration")),
    )


def _dialled(form: Mapping[str, str], received_at: datetime) -> TransferResult:
    leg = form.get("DialCallSid", "")  # a number that Twilio wouldn't dial has none
    return mapping.dialled(
        _required(form, "DialCallStatus"),
        at=received_at,
        leg=CarrierCall(id=leg) if _CALL_SID.fullmatch(leg) else None,
        duration_s=mapping.whole(form.get("DialCallDuration")),
        of=_call(form),
    )


def _exact(at: datetime | None, received_at: datetime) -> datetime:
    """Twilio's times are whole seconds, rounded down: a callback that comes within that second is more exact."""
    if at is None or timedelta(0) <= received_at - at < timedelta(seconds=1):
        return received_at
    if timedelta(0) < received_at - at < timedelta(seconds=2):
        return at + timedelta(seconds=1)  # it happened late in its second, and came early in the next
    return at


def _required(form: Mapping[str, str], name: str) -> str:
    value = form.get(name)
    if not value:
        raise BadCallback(f"no {name}")
    return value


def _dedupe_key(kind: str, headers: Mapping[str, str], body: bytes) -> str:
    """Equal for a callback and its repeats: Twilio's token for that, else the body's hash."""
    token = _header(headers, "i-twilio-idempotency-token")
    if _TOKEN.fullmatch(token):
        return f"{kind}:{token}"
    return f"{kind}:sha256:{sha256(body).hexdigest()}"


def _stream_failed(stream_event: str, form: Mapping[str, str]) -> bool:
    """Media has its own websocket, which shows the same; only errors are news (31920, 31921, …)."""
    if stream_event == "stream-error":
        fields = {"code": form.get("StreamError", "").partition(" ")[0][:20], "call_sid": form["CallSid"]}
        logger.warning("Twilio media stream failed", extra=fields)
        return True
    if stream_event not in ("stream-started", "stream-stopped"):
        logger.warning("Twilio stream callback unknown", extra={"word": stream_event[:40]})
    return False
