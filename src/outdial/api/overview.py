"""The overview: a workspace at a glance."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial import clock
from outdial.api.auth import ApiRoute, Caller
from outdial.api.docs import errors, example
from outdial.api.example_carrier import ACCOUNT, CARRIER
from outdial.api.freshness import MAY_BE_OLD, Fresh
from outdial.api.problems import invalid
from outdial.api.services import Use
from outdial.history.overview import Overview, get_overview
from outdial.history.periods import Days, last_days
from outdial.telephony.failures import FailureCode

router = APIRouter(route_class=ApiRoute, tags=["Overview"])

_NUMBER = "num_4m1q8x5z2v7k0t3w6y9r"
_CALL = "call_8r5v1kz3m0q4t7w2x9y6"
_COUNTS: dict[str, Any] = {
    "since": "2026-01-31T00:00:00Z",
    "outbound": 250,
    "inbound": 14,
    "dialled": 208,
    "answered": 121,
    "by_people": 96,
    "undetected": 4,
    "completed": 92,
    "outcomes": [
        {"outcome": "confirmed", "calls": 61},
        {"outcome": "moved", "calls": 14},
        {"outcome": "hung_up_early", "calls": 11},
        {"outcome": "do_not_call", "calls": 2},
        {"outcome": None, "calls": 8},
    ],
    "other_outcomes": 0,
    "failed": 3,
}
_ENDS: dict[str, Any] = {
    "completed": 103,
    "machine": 25,
    "no_answer": 52,
    "busy_or_declined": 33,
    "failed": 3,
    "canceled_or_expired": 5,
}
_NO_ENDS: dict[str, Any] = dict.fromkeys(_ENDS, 0)
_HOURS: dict[int, dict[str, Any]] = {
    8: {"completed": 61, "machine": 14, "no_answer": 30, "busy_or_declined": 20, "canceled_or_expired": 5},
    9: {"completed": 42, "machine": 11, "no_answer": 22, "busy_or_declined": 13, "failed": 3},
}
_OVERVIEW: dict[str, Any] = {
    "lines": {"plan": "team", "lines": 15, "reserved_inbound": 2, "used_outbound": 4, "used_inbound": 1},
    "queue": {"waiting": 12, "scheduled": 30, "oldest_due_at": "2026-01-31T09:29:40Z"},
    "today": _COUNTS,
    "period": _COUNTS
    | {
        "days": 1,
        "time_zone": "UTC",
        "until": "2026-02-01T00:00:00Z",
        "answer_rate": 0.5817,
        "ends": _ENDS,
        "unended": 43,
        "intervals": [
            {"since": f"2026-01-31T{hour:02}:00:00Z"} | _NO_ENDS | _HOURS.get(hour, {}) for hour in range(24)
        ],
        "carriers": [
            {
                "carrier": CARRIER.name,
                "answered": 133,
                "duration_s": 6912.4,
                "costs": [{"currency": "USD", "amount": "2.0160"}],
                "unpriced": 5,
            }
        ],
    },
    "failures": [{"code": "no_funds", "meaning": FailureCode.NO_FUNDS.meaning, "calls": 3}],
    "latency": {"median_ms": 640, "turns": 410},
    "attention": {
        "numbers": [
            {
                "number_id": _NUMBER,
                "e164": "+15551230002",
                "name": "Front desk",
                "carrier": CARRIER.name,
                "trouble": "no_funds",
                "message": f"The {CARRIER.label} account is out of money.",
                "advice": "Top up the account at the carrier.",
                "call_id": _CALL,
                "at": "2026-01-31T09:20:00Z",
            }
        ],
        "unknown_calls": [{"call_id": _CALL, "carrier": CARRIER.name, "since": "2026-01-31T09:25:00Z"}],
        "stuck_callbacks": 0,
        "refused_callbacks": [{"carrier": CARRIER.name, "account": ACCOUNT, "refused": 7}],
        "webhooks": [
            {
                "webhook_id": "wh_2v7k0t3w6y9r4m1q8x5z",
                "host": "example.com",
                "off": False,
                "since": "2026-01-31T08:40:00Z",
            }
        ],
    },
}


@router.get(
    "/v1/overview",
    summary="See how things are going",
    operation_id="get_overview",
    description=(
        "Lines and queue now, the calls of one day, a week or a month by what came of them and when they were made, "
        "minutes and cost by carrier, and what needs attention: numbers whose last call failed for a reason that "
        "stays, calls of unknown outcome, callbacks that don't get through, webhook endpoints that fail. " + MAY_BE_OLD
    ),
    response_model=Overview,
    responses=example(_OVERVIEW) | errors(422),
)
async def overview(
    services: Use,
    caller: Caller,
    fresh: Fresh,
    days: Annotated[Days, Query(description="Today alone, or so many days up to today")] = Days.ONE,
    time_zone: Annotated[
        str, Query(max_length=64, description="Whose days: the IANA name of a time zone, such as Europe/Vienna")
    ] = "UTC",
) -> JSONResponse:
    try:
        period = last_days(days, time_zone, now=clock.now())
    except ValueError as error:
        raise invalid([{"field": "time_zone", "message": str(error)}]) from None

    async def ask(conn: AsyncConnection) -> Overview:
        return await get_overview(conn, caller.workspace_id, period)

    seen = await services.history.read(ask, fresh=fresh)
    return JSONResponse(seen.value, headers=seen.headers)
