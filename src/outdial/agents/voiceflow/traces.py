"""What the traces of a Voiceflow project mean to a call. Pure."""

import html
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from outdial.conversation.keypad import USUAL, Keying

MAX_NO_REPLY_S = 60.0
MAX_BUTTONS = 20
MOST_KEYS = 20
PAUSE_S = (0.5, 20.0)  # after a key, at least and at most
_TAG = re.compile(r"<[^<>]{1,300}>")
_NUMBER_NAMES = ("address", "number", "phoneNumber", "to")


@dataclass(frozen=True, slots=True)
class Say:
    """Something whole."""

    text: str


@dataclass(frozen=True, slots=True)
class Piece:
    """Of what a model writes. `ends`: it is the last one."""

    text: str
    ends: bool = False


@dataclass(frozen=True, slots=True)
class PlayAudio:
    source: str


@dataclass(frozen=True, slots=True)
class Choices:
    """What the callee may choose: names, and the request that each is."""

    buttons: Sequence[tuple[str, Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class NoReply:
    """What a flow does when the callee says nothing for so long."""

    after_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """How many a flow takes at most; 0: none. One of those in `ends` is the last, and so is one that none follows for
    `pause_s` (None: for as long as usual)."""

    most: int
    ends: str = USUAL.ends
    pause_s: float | None = None

    @property
    def keying(self) -> Keying:
        return Keying(ends=self.ends, gap_ms=None if self.pause_s is None else round(self.pause_s * 1000))


NO_KEYS = Keys(most=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """`number` "": to what is no number. `has_extension`: keys are to be pressed once somebody has answered there."""

    number: str
    has_extension: bool = False


@dataclass(frozen=True, slots=True)
class Interruptions:
    """Whether the callee may interrupt, from here on."""

    allowed: bool


@dataclass(frozen=True, slots=True)
class Goto:
    request: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ended:
    """The flow is over."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nothing that a call does anything about."""

    type: str


Trace = Say | Piece | PlayAudio | Choices | NoReply | Keys | Forward | Interruptions | Goto | Ended | Unknown


def read_trace(trace: Any) -> Trace:
    """Never raises: what isn't as it should be is Unknown."""
    if not isinstance(trace, Mapping):
        return Unknown("")
    type_, payload = str(trace.get("type", ""))[:60], _payload(trace.get("payload"))
    read = _READ.get(type_)
    return (None if read is None else read(payload)) or Unknown(type_)


def spoken(text: str) -> str:
    """Without SSML, on one line."""
    return " ".join(html.unescape(_TAG.sub(" ", text)).split())


def _payload(payload: Any) -> Mapping[str, Any]:
    """An object, or a text with one in it."""
    if isinstance(payload, str):
        try:
            payload = json.loads(payload)
        except (ValueError, RecursionError):
            return {}
    return payload if isinstance(payload, Mapping) else {}


def _text(payload: Mapping[str, Any]) -> Trace | None:
    text = payload.get("message")
    return Say(spoken(text)) if isinstance(text, str) and spoken(text) else None


def _speak(payload: Mapping[str, Any]) -> Trace | None:
    source = payload.get("src")
    if payload.get("type") == "audio" and isinstance(source, str) and source:
        return PlayAudio(source)
    return _text(payload)


def _completion(payload: Mapping[str, Any]) -> Trace | None:
    content = payload.get("content")
    state = payload.get("state")
    if state == "content" and isinstance(content, str):
        return Piece(content)
    return Piece("", ends=state == "end") if state in ("start", "end") else None


def _choice(payload: Mapping[str, Any]) -> Trace | None:
    buttons = payload.get("buttons")
    found = [
        (one["name"], one["request"])
        for one in (buttons if isinstance(buttons, list) else [])
        if isinstance(one, Mapping) and isinstance(one.get("name"), str) and isinstance(one.get("request"), Mapping)
    ]
    return Choices(tuple(found[:MAX_BUTTONS])) if found else None


def _no_reply(payload: Mapping[str, Any]) -> Trace | None:
    after_s = _seconds(payload.get("timeout"))
    return None if after_s is None else NoReply(min(MAX_NO_REPLY_S, after_s))


def _keys(payload: Mapping[str, Any]) -> Trace | None:
    if payload.get("enabled") is False:
        return NO_KEYS
    most, ends = payload.get("maxDigits"), payload.get("delimiter")
    pause_s = _seconds(payload.get("timeoutInSeconds"))
    least_s, most_s = PAUSE_S
    return Keys(
        most=min(MOST_KEYS, most) if isinstance(most, int) and most > 0 else MOST_KEYS,
        ends="".join(key for key in "#*" if isinstance(ends, list | str) and key in ends) or USUAL.ends,
        pause_s=None if pause_s is None else min(most_s, max(least_s, pause_s)),
    )


def _seconds(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and value > 0 else None


def _forward(payload: Mapping[str, Any]) -> Trace | None:
    number = next((payload[name] for name in _NUMBER_NAMES if isinstance(payload.get(name), str)), "")
    number = re.sub(r"[\s().-]", "", number)
    is_phone = payload.get("addressType", "phone") == "phone" and re.fullmatch(r"\+[1-9]\d{6,14}", number)
    return Forward(number=number if is_phone else "", has_extension=bool(payload.get("extension")))


def _interruption(payload: Mapping[str, Any]) -> Trace | None:
    allowed = payload.get("allowInterrupts")
    return Interruptions(allowed) if isinstance(allowed, bool) else None


def _goto(payload: Mapping[str, Any]) -> Trace | None:
    request = payload.get("request")
    return Goto(request) if isinstance(request, Mapping) else None


_READ: Mapping[str, Callable[[Mapping[str, Any]], Trace | None]] = {
    "text": _text,
    "speak": _speak,
    "completion": _completion,
    "choice": _choice,
    "no-reply": _no_reply,
    "dtmf": _keys,
    "call-forward": _forward,
    "forward-call": _forward,
    "interruption": _interruption,
    "goto": _goto,
    "end": lambda payload: Ended(),
}


@dataclass(slots=True)
class Expects:
    """What a turn has said about the callee's next answer."""

    no_reply_s: float | None = None
    keys: Keys = NO_KEYS
    choices: Sequence[tuple[str, Mapping[str, Any]]] = ()
    goto: Mapping[str, Any] | None = None

    def chosen(self, text: str, digits: str) -> Mapping[str, Any] | None:
        """The request of the choice that the callee named, or whose place it pressed."""
        if digits.isdecimal() and len(digits) <= 2 and 0 < int(digits) <= len(self.choices):
            return self.choices[int(digits) - 1][1]
        named = [request for name, request in self.choices if _plain(name) == _plain(text) != ""]
        return named[0] if len(named) == 1 else None


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
