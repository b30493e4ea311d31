"""A stop: dialling paused and resumed, and everything that waits canceled, for the workspace and for a number."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body
from fastapi.responses import JSONResponse
from pydantic import Field
from typing_extensions import TypedDict

from outdial.api.auth import ApiRoute, Caller
from outdial.api.bodies import StrictBody
from outdial.api.docs import errors, example
from outdial.api.numbers import NO_NUMBER, NumberId
from outdial.api.services import Use
from outdial.calls.cancel_waiting import cancel_waiting, what_waits
from outdial.calls.request import CleanText, Instant
from outdial.instants import to_json
from outdial.numbers.records import checked_id
from outdial.policy.import_file import clean_reason
from outdial.policy.pauses import MAX_REASON_CHARS, PEOPLE_RESUME, PauseAnswer, pause, resume

router = APIRouter(route_class=ApiRoute, tags=["Pause"])

_PAUSE = {
    "at": "2026-01-31T09:00:00Z",
    "by": {"kind": "person", "id": "person_4m1q8x5z2v7k0t3w6y9r", "name": "Jane Doe"},
    "reason": "Wrong list imported",
}
_PAUSED = {"paused": True, "changed": True, "pause": _PAUSE}
_RESUMED = {"paused": False, "changed": True, "pause": None}
_CANCELED: dict[str, Any] = {
    "canceled": 1240,
    "waiting": 0,
    "being_dialled": 3,
    "accepted_before": "2026-01-31T09:00:00.120000Z",
}
_HOLDS = (
    "No call is dialled any more, further attempts included: calls are accepted and wait (`waiting_for`), those with "
    "`on_limit` `reject` are refused with 429 `paused`. Live calls and those that come in go on, what waits expires as "
    "ever, and the pause lasts until it is resumed, also over a restart. Pausing again is harmless: the first pause "
    "stays, and `changed` is false."
)
_GO_ON = (
    "What waits is dialled, the longest due first. A key resumes what a key has paused; what a person wants paused a "
    "person resumes. Resuming what isn't paused is harmless: `changed` is false."
)
_CANCEL = (
    "Every call that waits ends (`canceled`, `ended_by` `operator`), whatever it waits for; calls that are being "
    "dialled, ring or talk are left. It takes a few seconds at most, about 10,000 calls: while `waiting` isn't 0, ask "
    "again, with the `accepted_before` of the answer. Where `waiting` stays, somebody else is changing these calls. "
    "A call that is being dialled may be held back at the last moment, and then waits again: pause first, so that the "
    "request waits for these and cancels them, too."
)


class PauseBody(StrictBody):
    reason: Annotated[CleanText, Field(max_length=MAX_REASON_CHARS)] | None = None
    """For everybody who sees that calls wait."""


class CancelBody(StrictBody):
    accepted_before: Instant | None = None
    """Only calls that were accepted before. Default: all."""
    dry_run: bool = False
    """Only tell how many there are."""


class CanceledView(TypedDict):
    """`canceled` calls have ended now. Of those that were accepted before `accepted_before` so many are still `waiting`
    (counted to 10,000). `being_dialled` calls are left alone."""

    canceled: int
    waiting: int
    being_dialled: int
    accepted_before: str


_Reason = Annotated[
    PauseBody | None,
    Body(openapi_examples={"reason": {"summary": "For who sees it", "value": {"reason": "Wrong list imported"}}}),
]
_Which = Annotated[
    CancelBody | None,
    Body(
        openapi_examples={
            "look": {"summary": "A look first", "value": {"dry_run": True}},
            "rest": {"summary": "Go on", "value": {"accepted_before": "2026-01-31T09:00:00.120000Z"}},
        }
    ),
]
_RESUME_ERRORS = {"s403_paused_by_people": PEOPLE_RESUME}


@router.post(
    "/v1/workspace/pause",
    summary="Pause dialling",
    operation_id="pause_workspace",
    description=f"Of the whole workspace. {_HOLDS}",
    response_model=PauseAnswer,
    responses=example(_PAUSED) | errors(413, 415, 422),
)
async def pause_workspace(services: Use, caller: Caller, body: _Reason = None) -> JSONResponse:
    return await _pause(services, caller, None, body)


@router.post(
    "/v1/workspace/resume",
    summary="Resume dialling",
    operation_id="resume_workspace",
    description=f"Of the whole workspace, but for numbers that are paused by themselves. {_GO_ON}",
    response_model=PauseAnswer,
    responses=example(_RESUMED) | errors(**_RESUME_ERRORS),
)
async def resume_workspace(services: Use, caller: Caller) -> JSONResponse:
    return JSONResponse(await resume(services.engine, caller.workspace_id, by=caller.actor))


@router.post(
    "/v1/calls/cancel-waiting",
    summary="Cancel everything that waits",
    operation_id="cancel_waiting_calls",
    description=f"Of the whole workspace. {_CANCEL}",
    response_model=CanceledView,
    responses=example(_CANCELED) | errors(413, 415, 422),
)
async def cancel_waiting_calls(services: Use, caller: Caller, body: _Which = None) -> JSONResponse:
    return await _cancel(services, caller, None, body)


@router.post(
    "/v1/phone-numbers/{number_id}/pause",
    summary="Pause dialling by a number",
    operation_id="pause_number",
    description=f"The workspace's other numbers go on. {_HOLDS}",
    response_model=PauseAnswer,
    responses=example(_PAUSED) | errors(413, 415, 422, **NO_NUMBER),
)
async def pause_number(services: Use, caller: Caller, number_id: NumberId, body: _Reason = None) -> JSONResponse:
    return await _pause(services, caller, number_id, body)


@router.post(
    "/v1/phone-numbers/{number_id}/resume",
    summary="Resume dialling by a number",
    operation_id="resume_number",
    description=f"While the workspace is paused, its calls go on waiting for that. {_GO_ON}",
    response_model=PauseAnswer,
    responses=example(_RESUMED) | errors(**NO_NUMBER, **_RESUME_ERRORS),
)
async def resume_number(services: Use, caller: Caller, number_id: NumberId) -> JSONResponse:
    return JSONResponse(await resume(services.engine, caller.workspace_id, checked_id(number_id), by=caller.actor))


@router.post(
    "/v1/phone-numbers/{number_id}/calls/cancel-waiting",
    summary="Cancel everything that waits for a number",
    operation_id="cancel_waiting_calls_of_number",
    description=f"Of the calls of one number. {_CANCEL}",
    response_model=CanceledView,
    responses=example(_CANCELED) | errors(413, 415, 422, **NO_NUMBER),
)
async def cancel_waiting_of_number(
    services: Use, caller: Caller, number_id: NumberId, body: _Which = None
) -> JSONResponse:
    return await _cancel(services, caller, number_id, body)


async def _pause(services: Use, caller: Caller, number_id: str | None, body: PauseBody | None) -> JSONResponse:
    subject = None if number_id is None else checked_id(number_id)
    reason = None if body is None or body.reason is None else clean_reason(body.reason)
    return JSONResponse(
        await pause(services.engine, caller.workspace_id, subject, reason=reason, by=caller.actor)
    )


async def _cancel(services: Use, caller: Caller, number_id: str | None, body: CancelBody | None) -> JSONResponse:
    wanted, engine = body or CancelBody(), services.engine
    subject = (caller.workspace_id, None if number_id is None else checked_id(number_id))
    before: datetime | None = wanted.accepted_before
    if wanted.dry_run:
        ended, left = 0, await what_waits(engine, *subject, accepted_before=before)
    else:
        done = await cancel_waiting(engine, *subject, by=caller.actor, accepted_before=before)
        ended, left = done.canceled, done.left
    return JSONResponse(
        CanceledView(
            canceled=ended,
            waiting=left.waiting,
            being_dialled=left.being_dialled,
            accepted_before=to_json(left.accepted_before),
        )
    )
