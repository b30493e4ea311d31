"""A whole sample of everything that is told: for the button that tries an endpoint, and for the API's document. What
learns the shape from the first one it gets (a no-code platform) has seen every field then."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from outdial.history.example_call import CALL_ID, NUMBER_ID, TRANSCRIPT, WHOLE
from outdial.webhooks.event_type import EventType
from outdial.webhooks.payload import API_VERSION

EVENT_ID = "evt_6y9r2v5z8x1q4m7k0t3w"
AT = datetime(2026, 1, 31, 9, 0, 39, 600_000, tzinfo=UTC)

_BRIEF = {
    name: WHOLE[name] for name in ("id", "direction", "from", "to", "number_id", "agent", "metadata", "created_at")
}
_TURN = {name: TRANSCRIPT[1][name] for name in ("seq", "speaker", "text", "start_ms", "end_ms", "interrupted")}
_HEALTH = {
    "number_id": NUMBER_ID,
    "e164": WHOLE["from"],
    "name": "Front desk",
    "carrier": WHOLE["attempts"][0]["carrier"],
    "trouble": "no_funds",
    "message": "The carrier account has no funds left.",
    "advice": "Add funds at the carrier.",
    "call_id": CALL_ID,
    "at": "2026-01-31T09:00:01.700000Z",
}
_ENTRY = {
    "number": WHOLE["to"],
    "reason": None,
    "source": "callee",
    "call_id": CALL_ID,
    "by": None,
    "created_at": "2026-01-31T09:00:31.204211Z",
}
ALERT: dict[str, Any] = {
    "id": "alert_5z2v7k0t3w6y9r4m1q8x",
    "state": "raised",
    "workspace": {"id": "ws_4m1q8x5z2v7k0t3w6y9r", "name": "Clinic"},
    "rule_id": "failure_share",
    "kind": "failure_share",
    "subject": None,
    "code": None,
    "figure": 0.4,
    "unit": "share",
    "threshold": 0.2,
    "window_min": 30,
    "calls": 50,
    "details": {"failed": 20, "dialled": 50, "codes": {"no_funds": 18, "unreachable": 2}},
    "now_figure": 0.4,
    "message": "40 % of 50 calls in the last 30 minutes failed; the threshold is 20 %. "
    "Most often: no_funds (18), unreachable (2).",
    "advice": "Top up the account at the carrier.",
    "url": "https://outdial.example.com/calls?end_reason=failed",
    "raised_at": "2026-01-31T09:00:39.600000Z",
    "cleared_at": None,
    "cleared_because": None,
}
ALERT_OVER = ALERT | {
    "state": "cleared",
    "now_figure": 0.04,
    "cleared_at": "2026-01-31T10:12:39.600000Z",
    "cleared_because": "recovered",
}


def _in(state: str, attempt: int | None = 1) -> dict[str, Any]:
    return {"call": {**_BRIEF, "state": state, "attempt": attempt}}


SAMPLES: Mapping[EventType, Mapping[str, Any]] = {
    EventType.QUEUED: _in("queued", None),
    EventType.DIALING: _in("dialing"),
    EventType.RINGING: _in("ringing"),
    EventType.ANSWERED: _in("in_progress"),
    EventType.ANSWERED_BY: _in("in_progress", None) | {"answered_by": WHOLE["answered_by"]},
    EventType.TRANSCRIPT: _in("in_progress", None) | {"turn": _TURN},
    EventType.ENDED: {"call": WHOLE, "complete": True},
    EventType.UPDATED: {"call": WHOLE},
    EventType.NUMBER_UNHEALTHY: {"number": _HEALTH},
    EventType.DO_NOT_CALL_ADDED: {"entry": _ENTRY},
    EventType.ALERT_RAISED: {"alert": ALERT},
    EventType.ALERT_CLEARED: {"alert": ALERT_OVER},
}


def payload_of(type_: EventType) -> dict[str, Any]:
    """As a receiver reads it."""
    head: dict[str, Any] = {
        "type": type_,
        "timestamp": "2026-01-31T09:00:39.600000Z",
        "id": EVENT_ID,
        "api_version": API_VERSION,
    }
    is_of_call = type_.startswith("call.")
    return head | ({"sequence": list(EventType).index(type_) + 1} if is_of_call else {}) | {"data": SAMPLES[type_]}
