"""Values as people read them: durations, states in words. Times are left to the browser, which knows the zone."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

from markupsafe import Markup

from outdial.carriers.registry import CARRIERS, carrier_named
from outdial.instants import parse_instant

_KEYS = re.compile(r"\[([0-9A-D*#]|pressed \d+ digits)\]")
NONE = "\N{EN DASH}"

Tone = str  # good | warn | bad | live | quiet: how a badge looks

STATES: dict[str, tuple[str, Tone]] = {
    "queued": ("Queued", "quiet"),
    "dialing": ("Dialing", "live"),
    "ringing": ("Ringing", "live"),
    "in_progress": ("In progress", "live"),
    "unknown": ("Unknown", "warn"),
}
END_REASONS: dict[str, tuple[str, Tone]] = {
    "completed": ("Completed", "good"),
    "busy": ("Busy", "quiet"),
    "no_answer": ("No answer", "quiet"),
    "declined": ("Declined", "quiet"),
    "failed": ("Failed", "bad"),
    "canceled": ("Canceled", "quiet"),
    "machine": ("Machine", "quiet"),
    "expired": ("Expired", "warn"),
}
SOURCES = {  # how a number came onto the do-not-call list
    "callee": "Said so during a call",
    "page": "Added here",
    "api": "Added by a program",
    "csv": "Imported",
    "cli": "Added on the server",
    "upgrade": "Said so during an earlier call",
}
DESTINATION_SOURCES = {  # how a destination came to be allowed
    "number": "A number of yours",
    "person": "Added here",
    "cli": "Added on the server",
    "upgrade": "Called before there was a list",
}
TRANSFER_RESULTS: dict[str, tuple[str, Tone]] = {
    "answered": ("Answered", "good"),
    "busy": ("Busy", "warn"),
    "no_answer": ("No answer", "warn"),
    "declined": ("Declined", "warn"),
    "voicemail": ("Nobody took it", "warn"),
    "failed": ("Failed", "bad"),
}
ANSWERED_BY = {
    "human": "Human",
    "machine": "Machine",
    "screening": "Screening service",
    "network": "Network announcement",
    "silence": "Silence",
    "menu": "Phone menu",
    "fax": "Fax",
    "unknown": "Unknown",
}


def instant(value: str | datetime | None, show: str = "auto") -> Markup:
    """A moment: shown in the reader's zone by times.js, exact on hover. `show`: auto, time, date or ago."""
    if value is None:
        return Markup('<span class="quiet">{}</span>').format(NONE)
    at = parse_instant(value) if isinstance(value, str) else value
    iso = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    exact = f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03} UTC"
    # Nothing in it needs escaping, and a page has a hundred of them: Markup.format would take ten times as long.
    return Markup(f'<time datetime="{iso}" data-show="{show}" title="{exact}">{at:%Y-%m-%d %H:%M} UTC</time>')  # noqa: S704


def duration(seconds: float | None) -> str:
    """`0:31`, `12:05`, `1:02:03`; a dash for none."""
    if seconds is None:
        return NONE
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def minutes(seconds: float) -> str:
    """`0.7`, `12`, `1,204`."""
    return f"{seconds / 60:,.1f}" if seconds < 600 else f"{seconds / 60:,.0f}"


def money(cost: Mapping[str, str]) -> str:
    """`12.34 USD`; of less than one, what a single call may cost: `0.0140 USD`."""
    amount = Decimal(cost["amount"])
    decimals = 4 if 0 < abs(amount) < 1 else 2
    return f"{amount:,.{decimals}f} {cost['currency']}"


def clock_ms(ms: float | None) -> str:
    """A point of a call, from the start of its audio: `0:07.4`."""
    if ms is None:
        return NONE
    return f"{int(ms) // 60_000}:{ms % 60_000 / 1000:04.1f}"


def milliseconds(ms: float | None) -> str:
    return NONE if ms is None else f"{ms:,.0f} ms"


def percent(share: float | None) -> str:
    return NONE if share is None else f"{share:.0%}"


def state(call: dict[str, Any]) -> Markup:
    """A call's or attempt's state, or why it ended, as a badge."""
    if any(dial["state"] == "unknown" for dial in call.get("attempts", ())):
        text, tone = STATES["unknown"]
    elif call["state"] == "ended":
        text, tone = END_REASONS.get(call["end_reason"] or "", ("Ended", "quiet"))
    else:
        text, tone = STATES.get(call["state"], (call["state"], "quiet"))
    return badge(text, tone)


def badge(text: str, tone: Tone = "quiet") -> Markup:
    return Markup('<span class="badge" data-tone="{}">{}</span>').format(tone, text)


def dollars(amount: float | None) -> str:
    """What a model cost: a few of them cost a hundredth of a cent. None: nobody knows."""
    if amount is None:
        return "price not known"
    return f"${amount:.4f}" if amount < 1 else f"${amount:,.2f}"


def transfer_result(transfer: dict[str, Any]) -> Markup:
    """What became of a transfer, as a badge."""
    result = transfer["result"]
    return badge(*TRANSFER_RESULTS.get(result, (result, "quiet")) if result else ("Rings", "live"))


def answered_by(value: dict[str, Any] | None) -> str:
    return NONE if value is None else ANSWERED_BY.get(value["category"], value["category"])


def carrier_label(name: str) -> str:
    known = carrier_named(name)
    return name if known is None else CARRIERS[known].label


def any_carrier() -> str:
    """`Twilio, Vonage or Telnyx`: of whom a number can be connected."""
    *others, last = (kind.label for kind in CARRIERS.values())
    return f"{', '.join(others)} or {last}" if others else last


def pretty_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def pretty_body(text: str) -> str:
    """What a carrier sent: JSON indented, a form line by line, anything else as it is."""
    try:
        return pretty_json(json.loads(text))
    except ValueError:
        pass
    fields = parse_qsl(text, keep_blank_values=True)
    return "\n".join(f"{name} = {value}" for name, value in fields) if fields else text


def is_keys(text: str) -> bool:
    """Whether a turn tells of keys that were pressed, not of words."""
    return _KEYS.fullmatch(text) is not None


def counted(number: int, one: str, many: str | None = None) -> str:
    """`1 call`, `12 calls`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


FILTERS: dict[str, Callable[..., Any]] = {
    "instant": instant,
    "duration": duration,
    "minutes": minutes,
    "money": money,
    "clock_ms": clock_ms,
    "milliseconds": milliseconds,
    "percent": percent,
    "state": state,
    "badge": badge,
    "transfer_result": transfer_result,
    "answered_by": answered_by,
    "carrier": carrier_label,
    "pretty_json": pretty_json,
    "tojson_text": json.dumps,
    "pretty_body": pretty_body,
    "is_keys": is_keys,
    "counted": counted,
}
