"""A whole sample of everything that is told: for the button that tries an endpoint, and for the API's document. What
learns the shape from the first one it gets (a no-code platform) has seen every field then."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from outdial.carriers.registry import CARRIERS
from outdial.webhooks.event_type import EventType
from outdial.webhooks.payload import API_VERSION

EVENT_ID = "evt_6y9r2v5z8x1q4m7k0t3w"
CALL_ID = "call_8r5v1kz3m0q4t7w2x9y6"
NUMBER_ID = "num_4m1q8x5z2v7k0t3w6y9r"
AT = datetime(2026, 1, 31, 9, 0, 39, 600_000, tzinfo=UTC)

_CARRIER = str(next(iter(CARRIERS)))
_AGENT = {"id": "agent_7k2v5x8z1q4m0t3w6y9r", "version": 3}
_BRIEF = {
    "id": CALL_ID,
    "direction": "outbound",
    "state": "in_progress",
    "from": "+15551230002",
    "to": "+15551230001",
    "number_id": NUMBER_ID,
    "agent": _AGENT,
    "attempt": 1,
    "metadata": {"crm_id": "4711"},
    "created_at": "2026-01-31T09:00:00.120000Z",
}
_ANSWERED_BY = {
    "category": "human",
    "confidence": None,
    "evidence": ["carrier: human"],
    "after_answer_ms": 1840,
}
_WHOLE = {
    "id": CALL_ID,
    "direction": "outbound",
    "state": "ended",
    "end_reason": "completed",
    "ended_by": "agent",
    "outcome": "confirmed",
    "outcome_from": {"by": "agent", "evidence": [4101]},
    "summary": "Jane confirmed her appointment on Tuesday at ten.",
    "facts": {"will_come": True},
    "wrap_up": {
        "state": "done",
        "error": None,
        "wanted_at": "2026-01-31T09:00:39.640000Z",
        "finished_at": "2026-01-31T09:00:42.810000Z",
        "model": "gpt-4o-mini",
        "tokens": 642,
        "dollars": "0.000131",
        "summary": "Jane confirmed her appointment on Tuesday at ten.",
        "facts": [{"name": "will_come", "value": True, "evidence": [4101]}],
        "outcome": "confirmed",
        "outcome_evidence": [4101],
        "unproved": [],
    },
    "error": None,
    "advice": None,
    "number_id": NUMBER_ID,
    "from": "+15551230002",
    "to": "+15551230001",
    "agent": _AGENT,
    "variables": {"user_name": "Jane"},
    "noted": {"outcome": "confirmed"},
    "metadata": {"crm_id": "4711"},
    "amd": {"on_machine": None, "message": None, "max_wait_s": 30},
    "retry": None,
    "ring_timeout_s": 30,
    "max_duration_s": 1800,
    "answered_by": _ANSWERED_BY,
    "message_delivered": None,
    "created_at": "2026-01-31T09:00:00.120000Z",
    "due_at": "2026-01-31T09:00:00.120000Z",
    "expires_at": None,
    "answered_at": "2026-01-31T09:00:08.400000Z",
    "ended_at": "2026-01-31T09:00:39.600000Z",
    "duration_s": 31.2,
    "hang_up_requested_at": None,
    "waiting_for": None,
    "call_back_of": None,
    "call_back": None,
    "attempts": [
        {
            "number": 1,
            "carrier": _CARRIER,
            "carrier_call_id": "0123456789abcdef",
            "state": "ended",
            "end_reason": "completed",
            "error": None,
            "created_at": "2026-01-31T09:00:00.131000Z",
            "ringing_at": "2026-01-31T09:00:02.900000Z",
            "answered_at": "2026-01-31T09:00:08.400000Z",
            "ended_at": "2026-01-31T09:00:39.600000Z",
            "price": None,
            "price_currency": None,
        }
    ],
    "transfers": [],
    "recording_url": f"https://voice.example/v1/calls/{CALL_ID}/recording",
    "transcript": [
        {
            "seq": 4100,
            "speaker": "agent",
            "text": "Hello Jane, this is the clinic's automated assistant.",
            "start_ms": 420,
            "end_ms": 3510,
            "interrupted": False,
            "recorded": True,
            "latency": None,
        },
        {
            "seq": 4101,
            "speaker": "callee",
            "text": "Yes, that's fine.",
            "start_ms": 4100,
            "end_ms": 5020,
            "interrupted": False,
            "recorded": True,
            "latency": None,
        },
    ],
}
_TURN = {
    "seq": 4101,
    "speaker": "callee",
    "text": "Yes, that's fine.",
    "start_ms": 4100,
    "end_ms": 5020,
    "interrupted": False,
}
_HEALTH = {
    "number_id": NUMBER_ID,
    "e164": "+15551230002",
    "name": "Front desk",
    "carrier": _CARRIER,
    "trouble": "no_funds",
    "message": "The carrier account has no funds left.",
    "advice": "Add funds at the carrier.",
    "call_id": CALL_ID,
    "at": "2026-01-31T09:00:01.700000Z",
}
_ENTRY = {
    "number": "+15551230001",
    "reason": None,
    "source": "callee",
    "call_id": CALL_ID,
    "by": None,
    "created_at": "2026-01-31T09:00:31.204211Z",
}


def _in(state: str, attempt: int | None = 1) -> dict[str, Any]:
    return {"call": {**_BRIEF, "state": state, "attempt": attempt}}


SAMPLES: Mapping[EventType, Mapping[str, Any]] = {
    EventType.QUEUED: _in("queued", None),
    EventType.DIALING: _in("dialing"),
    EventType.RINGING: _in("ringing"),
    EventType.ANSWERED: _in("in_progress"),
    EventType.ANSWERED_BY: _in("in_progress", None) | {"answered_by": _ANSWERED_BY},
    EventType.TRANSCRIPT: _in("in_progress", None) | {"turn": _TURN},
    EventType.ENDED: {"call": _WHOLE, "complete": True},
    EventType.UPDATED: {"call": _WHOLE},
    EventType.NUMBER_UNHEALTHY: {"number": _HEALTH},
    EventType.DO_NOT_CALL_ADDED: {"entry": _ENTRY},
}


def payload_of(type_: EventType) -> dict[str, Any]:
    """As a receiver reads it."""
    head: dict[str, Any] = {
        "type": type_,
        "timestamp": "2026-01-31T09:00:39.600000Z",
        "id": EVENT_ID,
        "api_version": API_VERSION,
    }
    is_of_call = type_ not in (EventType.NUMBER_UNHEALTHY, EventType.DO_NOT_CALL_ADDED)
    return head | ({"sequence": list(EventType).index(type_) + 1} if is_of_call else {}) | {"data": SAMPLES[type_]}
