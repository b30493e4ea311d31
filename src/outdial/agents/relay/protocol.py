"""The messages of Twilio's ConversationRelay, both ways, and the signature of its handshake. No I/O.

We play Twilio's part: the user's server reads what is made here, and writes what is read here.
Source: twilio.com/docs/voice/conversationrelay/websocket-messages. What it doesn't say, docs/relay.md decides.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

MAX_SHOWN = 100         # characters of a wrong message that is quoted back
MAX_LOOPS = 1000        # what `loop: 0` means
MAX_URL = 2000
MOST_MALFORMED = 10     # in a row; then the connection is closed
MALFORMED_CODE, MALFORMED = 1007, "Too many consecutive malformed messages"
SIGNATURE = "X-Twilio-Signature"
_DIGITS = re.compile(r"[0-9w#*]{1,200}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextToken:
    """A piece of what is to be said; "" with `last` is an end alone. None: the agent's setting."""

    token: str
    last: bool = False
    lang: str | None = None
    interruptible: bool | None = None
    preemptible: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    source: str
    loop: int = 1
    interruptible: bool | None = None
    preemptible: bool | None = None


@dataclass(frozen=True, slots=True)
class SendDigits:
    digits: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchLanguage:
    """For what follows; None: as before."""

    spoken: str | None = None
    heard: str | None = None


@dataclass(frozen=True, slots=True)
class End:
    handoff: str = ""


Message = TextToken | Play | SendDigits | SwitchLanguage | End


class WrongMessage(ValueError):
    """The text is the description of the `error` that the server is answered with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Of one connection. `session_id` is new with each; the call's id stays."""

    call_id: str
    user_number: str
    agent_number: str
    is_outbound: bool
    parameters: Mapping[str, str]
    session_id: str = field(default_factory=lambda: f"VX{uuid4().hex}")


def signature(secret: str, url: str) -> str:
    """Base64 of HMAC-SHA1 over the whole URL; of a websocket's nothing else is signed."""
    return base64.b64encode(hmac.new(secret.encode(), url.encode(), hashlib.sha1).digest()).decode()


def call_sid(call_id: str) -> str:
    """Of the shape that servers know, and the same for all connections of a call."""
    return f"CA{hashlib.sha256(call_id.encode()).hexdigest()[:32]}"


# -- from us to the server


def setup(session: Session) -> str:
    ours, theirs = session.agent_number, session.user_number
    return _json(
        {
            "type": "setup",
            "sessionId": session.session_id,
            "accountSid": f"AC{'0' * 32}",
            "parentCallSid": "",
            "callSid": call_sid(session.call_id),
            "from": ours if session.is_outbound else theirs,
            "to": theirs if session.is_outbound else ours,
            "forwardedFrom": "",
            "callType": "PSTN",
            "callerName": "",
            "direction": "outbound-api" if session.is_outbound else "inbound",
            "callStatus": "RINGING",
            "customParameters": {**session.parameters, "call_id": session.call_id},
        }
    )


def prompt(text: str, lang: str, *, last: bool = True) -> str:
    """What the callee said; not `last`: all that it seems to have said so far."""
    return _json({"type": "prompt", "voicePrompt": text, "lang": lang, "last": last})


def dtmf(digit: str) -> str:
    return _json({"type": "dtmf", "digit": digit})


def interrupt(heard: str, played_ms: int) -> str:
    """`heard`: of what the server had said, until the callee interrupted."""
    return _json({"type": "interrupt", "utteranceUntilInterrupt": heard, "durationUntilInterruptMs": played_ms})


def error(description: str) -> str:
    return _json({"type": "error", "description": description})


# -- from the server to us


def read(text: str) -> Message:
    """Unknown keys are ignored. Raises WrongMessage."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        raise _wrong(text) from None
    if not isinstance(given, dict):
        raise _wrong(text)
    match given.get("type"):
        case "text":
            return _text(given, text)
        case "play":
            return _play(given, text)
        case "sendDigits":
            digits = given.get("digits")
            if not isinstance(digits, str) or not _DIGITS.fullmatch(digits):
                raise _wrong(text)
            return SendDigits(digits)
        case "language":
            spoken, heard = _tag(given, "ttsLanguage", text), _tag(given, "transcriptionLanguage", text)
            if spoken is None and heard is None:
                raise _wrong(text)
            return SwitchLanguage(spoken=spoken, heard=heard)
        case "end":
            handoff = given.get("handoffData")
            if handoff is not None and not isinstance(handoff, str):
                raise _wrong(text)
            return End(handoff or "")
    raise _wrong(text)


def _text(given: Mapping[str, Any], text: str) -> TextToken:
    token = given.get("token")
    if not isinstance(token, str):
        raise _wrong(text)
    return TextToken(
        token=token,
        last=_flag(given, "last", text) or False,
        lang=_tag(given, "lang", text),
        interruptible=_flag(given, "interruptible", text),
        preemptible=_flag(given, "preemptible", text),
    )


def _play(given: Mapping[str, Any], text: str) -> Play:
    source, loop = given.get("source"), given.get("loop", 1)
    if not isinstance(source, str) or not 0 < len(source) <= MAX_URL:
        raise _wrong(text)
    if isinstance(loop, bool) or not isinstance(loop, int) or not 0 <= loop <= MAX_LOOPS:
        raise _wrong(text)
    return Play(
        source=source,
        loop=loop or MAX_LOOPS,
        interruptible=_flag(given, "interruptible", text),
        preemptible=_flag(given, "preemptible", text),
    )


def _flag(given: Mapping[str, Any], key: str, text: str) -> bool | None:
    """Also as the words that other SDKs write, and `any`, `speech`, `dtmf`, `none` of the older ones."""
    value = given.get(key)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str) and value in _WORDS:
        return _WORDS[value]
    raise _wrong(text)


_WORDS = {"true": True, "any": True, "speech": True, "dtmf": True, "false": False, "none": False}


def _tag(given: Mapping[str, Any], key: str, text: str) -> str | None:
    value = given.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9-]{2,35}", value):
        raise _wrong(text)
    return value


def _wrong(text: str) -> WrongMessage:
    shown = text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
    return WrongMessage(f"Invalid message received: {shown}")


def _json(message: Mapping[str, Any]) -> str:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))
