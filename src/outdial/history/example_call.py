"""Calls as they are shown, for the API's document and for trying webhooks: one that went well, one that failed, and one
that waits."""

from typing import Any

from outdial.carriers.registry import default_carrier
from outdial.telephony.advice import AFTER_FAILURE
from outdial.telephony.failures import FailureCode

CALL_ID = "call_8r5v1kz3m0q4t7w2x9y6"
NUMBER_ID = "num_4m1q8x5z2v7k0t3w6y9r"

SUMMARY: dict[str, Any] = {
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
    "to": "+15551234567",
    "agent": {"id": "agent_7k2v5x8z1q4m0t3w6y9r", "version": 3},
    "variables": {"user_name": "Jane"},
    "noted": {"outcome": "confirmed"},
    "metadata": {"crm_id": "4711"},
    "amd": {"on_machine": None, "message": None, "max_wait_s": 30, "by": "carrier"},
    "retry": None,
    "ring_timeout_s": 30,
    "max_duration_s": 1800,
    "answered_by": {
        "category": "human",
        "confidence": None,
        "evidence": ["carrier: human"],
        "after_answer_ms": 1840,
    },
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
            "carrier": default_carrier().name,
            "carrier_call_id": "CA0123456789abcdef0123456789abcdef",
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
    "transfers": [
        {
            "to": "+15551230009",
            "at": "2026-01-31T09:00:27.300000Z",
            "result": "answered",
            "duration_s": 11.0,
            "error": None,
            "warm": False,
            "accepted_by": None,
            "price": None,
            "price_currency": None,
        }
    ],
    "recording_url": f"https://voice.example/v1/calls/{CALL_ID}/recording",
    "disclosure": {"heard": True, "heard_at_ms": 3510},
    "recording_erased_at": None,
    "transcript_erased_at": None,
    "erased_at": None,
}
_ERROR = {
    "code": "number_not_in_service",
    "message": "This number does not exist or is not in service.",
    "carrier_code": "sip_404",
}
FAILED: dict[str, Any] = SUMMARY | {
    "id": "call_3w6y9r4m1q8x5z2v7k0t",
    "end_reason": "failed",
    "ended_by": "carrier",
    "outcome": None,
    "outcome_from": None,
    "summary": None,
    "facts": {},
    "wrap_up": None,
    "error": _ERROR,
    "advice": AFTER_FAILURE[FailureCode.NUMBER_NOT_IN_SERVICE],
    "answered_by": None,
    "answered_at": None,
    "ended_at": "2026-01-31T09:00:01.700000Z",
    "duration_s": None,
    "disclosure": None,
    "attempts": [
        SUMMARY["attempts"][0]
        | {
            "end_reason": "failed",
            "error": _ERROR,
            "ringing_at": None,
            "answered_at": None,
            "ended_at": "2026-01-31T09:00:01.700000Z",
        }
    ],
    "transfers": [],
    "recording_url": None,
}
WAITING: dict[str, Any] = FAILED | {
    "id": "call_5z8x1q4m7k0t3w6y9r2v",
    "state": "queued",
    "end_reason": None,
    "ended_by": None,
    "error": None,
    "noted": {},
    "ended_at": None,
    "waiting_for": {"reason": "line", "position": 12, "expected_at": None},
    "attempts": [],
}
TRANSCRIPT: list[dict[str, Any]] = [
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
]
USAGE = {
    "models": [{"model": "openai:gpt-5-mini", "tokens": 1210, "dollars": 0.00041}],
    "speech": [
        {"part": "voice", "vendor": "cartesia", "characters": 412, "audio_s": None, "open_s": None, "dollars": 0.0206}
        | {"times": {"count": 7, "median_ms": 210, "longest_ms": 480}}
    ],
    "dollars": 0.02101,
}
WHOLE: dict[str, Any] = SUMMARY | {"usage": USAGE, "transcript": TRANSCRIPT}
