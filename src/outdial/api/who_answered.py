"""Who answered: the verdicts of a call, what people say it was, and how two detectors compare."""

from datetime import datetime, timedelta
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Body, Query
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import TypedDict

from outdial import clock
from outdial.api.auth import ApiRoute, Caller
from outdial.api.bodies import StrictBody
from outdial.api.calls import NO_CALL, CallId
from outdial.api.docs import errors, example
from outdial.api.example_carrier import CARRIER
from outdial.api.freshness import MAY_BE_OLD, Fresh
from outdial.api.problems import invalid
from outdial.api.services import Use
from outdial.calls.detections import Truth, set_truth
from outdial.calls.request import Instant
from outdial.db.engine import reading
from outdial.history.agreement import Comparison, compare
from outdial.history.compared_calls import (
    ComparedFilter,
    ComparedPage,
    ComparedSearch,
    csv_of_compared,
    list_compared,
)
from outdial.history.example_call import SUMMARY
from outdial.history.verdicts import CallVerdicts, TruthView, get_verdicts, truth_view
from outdial.telephony.verdict import AnsweredBy

router = APIRouter(route_class=ApiRoute, tags=["Who answered"])

DEFAULT_DAYS = timedelta(days=30)

_TRUTH = {"category": "machine", "at": "2026-01-31T09:20:00.120000Z"}
_VERDICTS: dict[str, Any] = {
    "call_id": SUMMARY["id"],
    "verdicts": [
        {
            "by": "carrier",
            "category": "human",
            "evidence": [{"text": f"{CARRIER.name}:human", "heard_at_ms": None}],
            "confidence": None,
            "after_answer_ms": 3400,
            "at_ms": 3150,
            "at": "2026-01-31T09:00:12.800000Z",
        },
        {
            "by": "local",
            "category": "machine",
            "evidence": [
                {"text": "beep at 6.2 s, 1000 Hz", "heard_at_ms": 6200},
                {"text": "said 'leave a message'", "heard_at_ms": 4350},
            ],
            "confidence": 0.98,
            "after_answer_ms": 6700,
            "at_ms": 6450,
            "at": "2026-01-31T09:00:16.100000Z",
        },
    ],
    "truth": _TRUTH,
}


def _share(calls: int, of: int, share: float | None, low: float | None, high: float | None) -> dict[str, Any]:
    return {"calls": calls, "of": of, "share": share, "low": low, "high": high}


_ERRORS: dict[str, Any] = {
    "wrong": _share(4, 60, 0.0667, 0.0262, 0.1593),
    "undecided": _share(1, 60, 0.0167, 0.003, 0.0886),
    "people_as_machines": _share(0, 31, 0.0, 0.0, 0.1103),
    "machines_as_people": _share(3, 25, 0.12, 0.0417, 0.2996),
    "differing": _share(3, 22, 0.1364, 0.0475, 0.3333),
}
_AGREEMENT: dict[str, Any] = {
    "both": 412,
    "only_local": 9,
    "only_carrier": 2,
    "agree": _share(371, 412, 0.9005, 0.8677, 0.9258),
    "confusion": [
        {"local": "human", "carrier": "human", "calls": 259},
        {"local": "machine", "carrier": "machine", "calls": 112},
        {"local": "machine", "carrier": "human", "calls": 27},
        {"local": "human", "carrier": "machine", "calls": 14},
    ],
    "first": {
        "local": {"calls": 398, "median_ms": 2310, "p95_ms": 4020},
        "carrier": {"calls": 14, "median_ms": 640, "p95_ms": 1800},
    },
    "revised": {"local": {"calls": 11, "revisions": 11}, "carrier": {"calls": 0, "revisions": 0}},
    "labelled": {"calls": 60, "local": _ERRORS, "carrier": _ERRORS | {"wrong": _share(9, 60, 0.15, 0.081, 0.261)}},
}
_COMPARISON = {
    "since": "2026-01-01T09:00:00Z",
    "until": "2026-01-31T09:00:00Z",
    "whole": True,
    "default": "both",
    "all": _AGREEMENT,
    "carriers": [_AGREEMENT | {"carrier": CARRIER.name}],
}
_COMPARED = {
    "call_id": SUMMARY["id"],
    "attempt": 1,
    "party": "+15551234567",
    "answered_at": "2026-01-31T09:00:09.400000Z",
    "carrier": CARRIER.name,
    "asked": "both",
    "local": "machine",
    "carrier_said": "human",
    "lead_ms": -3300,
    "local_revisions": 0,
    "carrier_revisions": 0,
    "truth": _TRUTH,
}
_CSV: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A header and a line for each call",
        "content": {
            "text/csv": {
                "schema": {"type": "string"},
                "example": (
                    "call_id,attempt,answered_at,carrier,asked,local,carrier_said,agree,…\r\n"
                    f"{SUMMARY['id']},1,2026-01-31T09:00:09.400000Z,{CARRIER.name},both,machine,human,false,…\r\n"
                ),
            }
        },
    }
}


class ComparedPeriod(BaseModel):
    """Which calls are compared."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    since: Instant | None = None
    """Answered at or after this instant; without it, 30 days before `until`."""
    until: Instant | None = None
    """Answered before this instant; without it, now."""


class NewTruth(StrictBody):
    category: Annotated[AnsweredBy, Field(strict=False)]
    """Who answered, as you know it: by having listened to the recording, say."""


class CallTruth(TypedDict):
    """`truth` is null once it was taken back."""

    call_id: str
    truth: TruthView | None


@router.get(
    "/v1/who-answered",
    summary="Compare two detectors",
    operation_id="compare_detectors",
    description=(
        "Of the calls that were placed with `amd.by` `both`, together and by carrier: what the local detector and the "
        "carrier said of the same calls, how often that was the same, which of them knew first and by how much, how "
        "often each changed its mind; and how often each was wrong, by the labels that people have given. Shares come "
        "with their 95 % interval. Where a period has more than 50,000 such calls its newest ones are counted. "
        + MAY_BE_OLD
    ),
    response_model=Comparison,
    responses=example(_COMPARISON) | errors(422),
)
async def get_comparison(
    services: Use, caller: Caller, period: Annotated[ComparedPeriod, Query()], fresh: Fresh
) -> JSONResponse:
    until = period.until or clock.now()
    since = _since(period.since, until)
    if since >= until:
        raise invalid([{"field": "since", "message": "must be before until"}])
    default = services.settings.amd_by

    async def ask(conn: AsyncConnection) -> Comparison:
        return await compare(conn, caller.workspace_id, since=since, until=until, default=default)

    seen = await services.history.read(ask, fresh=fresh)
    return JSONResponse(seen.value, headers=seen.headers)


@router.get(
    "/v1/who-answered/calls",
    summary="List compared calls",
    operation_id="list_compared_calls",
    description=(
        "Newest first; those on which the two detectors differ, unless `which` or a cell of the table of confusion "
        "(`local` and `carrier_said`) is asked for. " + MAY_BE_OLD
    ),
    response_model=ComparedPage,
    responses=example({"calls": [_COMPARED], "next_cursor": None}) | errors(422),
)
async def get_compared(
    services: Use, caller: Caller, wanted: Annotated[ComparedFilter, Query()], fresh: Fresh
) -> JSONResponse:
    of_period = _of_period(wanted)

    async def ask(conn: AsyncConnection) -> ComparedPage:
        return await list_compared(conn, caller.workspace_id, of_period)

    page = await services.history.read(ask, fresh=fresh)
    return JSONResponse(page.value, headers=page.headers)


@router.get(
    "/v1/who-answered/calls.csv",
    summary="Export compared calls",
    operation_id="export_compared_calls",
    description=(
        "Every call that the filters match, newest first, as CSV (RFC 4180) in UTF-8 with a byte order mark: for "
        "figures of your own ask with `which=both`. `first` knew `lead_ms` earlier. " + MAY_BE_OLD
    ),
    response_class=StreamingResponse,
    responses=_CSV | errors(422),
)
async def get_compared_csv(
    services: Use, caller: Caller, wanted: Annotated[ComparedSearch, Query()], fresh: Fresh
) -> StreamingResponse:
    history, headers = services.history.begin(fresh=fresh)
    named = {"Content-Disposition": 'attachment; filename="who-answered.csv"', "Cache-Control": "no-store", **headers}
    return StreamingResponse(
        csv_of_compared(history, caller.workspace_id, _of_period(wanted)), media_type="text/csv", headers=named
    )


@router.get(
    "/v1/calls/{call_id}/verdicts",
    summary="See each verdict",
    operation_id="list_verdicts",
    description=(
        "Each verdict on who answered, of the last dial, in the order in which they came, with its evidence and when "
        "both were heard or known on the call clock (the recording's); and who it truly was, where somebody has said "
        "so. With `amd.by` `both` these are both detectors'; the call's `answered_by` is what won."
    ),
    response_model=CallVerdicts,
    responses=example(_VERDICTS) | errors(**NO_CALL),
)
async def get_call_verdicts(services: Use, caller: Caller, call_id: CallId) -> JSONResponse:
    async with reading(services.engine) as conn:
        return JSONResponse(await get_verdicts(conn, caller.workspace_id, call_id))


@router.put(
    "/v1/calls/{call_id}/truth",
    summary="Say who truly answered",
    operation_id="set_truth",
    description=(
        "A label, for the figures on how often each detector is wrong; the call itself stays as it is. Of a call with "
        "retries it is of the last dial that was answered. It replaces another label, and can be taken back."
    ),
    response_model=CallTruth,
    responses=example({"call_id": SUMMARY["id"], "truth": _TRUTH})
    | errors(
        413,
        415,
        422,
        **NO_CALL,
        s409_call_not_ended="The call goes on.",
        s409_call_not_answered="Nobody has answered this call.",
    ),
)
async def put_truth(
    services: Use,
    caller: Caller,
    call_id: CallId,
    body: Annotated[NewTruth, Body(openapi_examples={"machine": {"value": {"category": "machine"}}})],
) -> JSONResponse:
    truth = await set_truth(services.engine, caller.workspace_id, call_id, body.category, by=caller.actor)
    return JSONResponse(_told(call_id, truth))


@router.delete(
    "/v1/calls/{call_id}/truth",
    summary="Take back who truly answered",
    operation_id="take_back_truth",
    description="The label goes. Without one it is harmless.",
    response_model=CallTruth,
    responses=example({"call_id": SUMMARY["id"], "truth": None})
    | errors(
        **NO_CALL,
        s409_call_not_ended="The call goes on.",
        s409_call_not_answered="Nobody has answered this call.",
    ),
)
async def delete_truth(services: Use, caller: Caller, call_id: CallId) -> JSONResponse:
    truth = await set_truth(services.engine, caller.workspace_id, call_id, None, by=caller.actor)
    return JSONResponse(_told(call_id, truth))


Search = TypeVar("Search", bound=ComparedSearch)


def _of_period(wanted: Search) -> Search:
    """The calls of the same days as the figures where nobody says of which: else whoever looks for what is rare has all
    that were ever compared looked through."""
    return wanted.model_copy(update={"since": _since(wanted.since, wanted.until or clock.now())})


def _since(since: datetime | None, until: datetime) -> datetime:
    """Raises what answers 422."""
    try:
        return since or until - DEFAULT_DAYS
    except OverflowError:
        raise invalid([{"field": "until", "message": "is too long ago"}]) from None


def _told(call_id: str, truth: Truth) -> CallTruth:
    return CallTruth(call_id=call_id, truth=truth_view(truth.category, truth.at))
