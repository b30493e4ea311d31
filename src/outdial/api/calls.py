"""Calls: list, export, look at, hang up. The feed of a call is in api.events, its audio in api.recordings."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.responses import JSONResponse, Response, StreamingResponse
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import TypedDict

from outdial.api.auth import ApiRoute, Caller
from outdial.api.docs import errors, example
from outdial.api.etag import NOT_MODIFIED, IfNoneMatch, answer
from outdial.api.example_carrier import CARRIER
from outdial.api.freshness import MAY_BE_OLD, Fresh
from outdial.api.services import Use
from outdial.calls.hang_up import request_hang_up
from outdial.calls.wrap_ups import want_again
from outdial.db.engine import reading
from outdial.history.call_filter import CallFilter, CallSearch
from outdial.history.callback_log import MAX_CALLBACKS, CallbackView, list_callbacks
from outdial.history.csv_export import csv_of_calls
from outdial.history.example_call import FAILED, SUMMARY, WAITING, WHOLE
from outdial.history.views import CallPage, CallView, get_call, list_calls
from outdial.retention.erase_call import ErasedCall, erase_call
from outdial.telephony.state import CallState

router = APIRouter(route_class=ApiRoute, tags=["Calls"])

CallId = Annotated[str, Path(description="`call_id` of the answer that accepted the call")]
NO_CALL = {"s404_call_not_found": "There is no such call."}

_CALLBACK = {
    "id": 4711,
    "attempt": 1,
    "carrier": CARRIER.name,
    "kind": "status",
    "received_at": "2026-01-31T09:00:02.910000Z",
    "handled_at": "2026-01-31T09:00:02.930000Z",
    "headers": {"content-type": "application/x-www-form-urlencoded"},
    "body": "CallSid=CA0123456789abcdef0123456789abcdef&CallStatus=ringing",
}
_ERASED = {"call_id": SUMMARY["id"], "erased_at": "2026-02-03T14:00:00.120000Z", "recording": True}
_CSV: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A header and a line for each call",
        "content": {
            "text/csv": {
                "schema": {"type": "string"},
                "example": (
                    "id,created_at,direction,state,end_reason,from,to,…\r\n"
                    f"{SUMMARY['id']},{SUMMARY['created_at']},outbound,ended,completed,+15551230002,+15551234567,…\r\n"
                ),
            }
        },
    }
}


class CallbacksAnswer(TypedDict):
    callbacks: list[CallbackView]


class HangUpAnswer(TypedDict):
    """`state` is `ended` when the call was still waiting; a live call ends a moment later."""

    call_id: str
    state: CallState
    status_url: str


@router.get(
    "/v1/calls",
    summary="List calls",
    operation_id="list_calls",
    description=(
        "Newest first, without transcripts. Pass `next_cursor` as `cursor` to get the next page, with the same "
        "filters; what is placed meanwhile moves no page. To learn by asking again what has ended, ask with "
        "`ended_after`, five minutes before you last asked (the end of a call may be known a little late), and know "
        "calls by their `id`. "
        "`metadata.<key>=<value>` finds calls by what the request sent along; `metadata[<key>]` is the same. "
        + MAY_BE_OLD
    ),
    response_model=CallPage,
    responses=example({"calls": [WAITING, SUMMARY, FAILED], "next_cursor": None, "previous_cursor": None})
    | errors(422),
)
async def get_calls(
    services: Use, caller: Caller, wanted: Annotated[CallFilter, Query()], fresh: Fresh
) -> JSONResponse:
    async def ask(conn: AsyncConnection) -> CallPage:
        return await list_calls(conn, caller.workspace_id, wanted, base_url=services.settings.base_url)

    page = await services.history.read(ask, fresh=fresh)
    return JSONResponse(page.value, headers=page.headers)


@router.get(
    "/v1/calls.csv",
    summary="Export calls",
    operation_id="export_calls",
    description=(
        "Every call that the filters match, newest first, as CSV (RFC 4180) in UTF-8 with a byte order mark, which "
        "spreadsheets want. Variables, noted and metadata are JSON. A cell that a spreadsheet would take for a "
        "formula gets an apostrophe in front; numbers, and so phone numbers, stay as they are. " + MAY_BE_OLD
    ),
    response_class=StreamingResponse,
    responses=_CSV | errors(422),
)
async def get_csv(
    services: Use, caller: Caller, wanted: Annotated[CallSearch, Query()], fresh: Fresh
) -> StreamingResponse:
    history, headers = services.history.begin(fresh=fresh)
    lines = csv_of_calls(history, caller.workspace_id, wanted, base_url=services.settings.base_url)
    return StreamingResponse(
        lines,
        media_type="text/csv",
        headers={
            "Content-Disposition": 'attachment; filename="calls.csv"',
            "Cache-Control": "no-store",
            **headers,
        },
    )


@router.get(
    "/v1/calls/{call_id}",
    summary="Get a call",
    operation_id="get_call",
    description="With its transcript, which grows while the call goes on. Follow a live call by its events instead "
    "of asking again, or ask with `If-None-Match`: while it is as you have it, 304 is the answer.",
    response_model=CallView,
    responses=example(WHOLE) | NOT_MODIFIED | errors(**NO_CALL),
)
async def get_one_call(services: Use, caller: Caller, call_id: CallId, if_none_match: IfNoneMatch = None) -> Response:
    async with reading(services.engine) as conn:
        call = await get_call(conn, caller.workspace_id, call_id, base_url=services.settings.base_url)
    return answer(call, if_none_match)


@router.delete(
    "/v1/calls/{call_id}",
    summary="Erase a call",
    operation_id="erase_call",
    description=(
        "All that is personal in a call that has ended goes for good: the other party's number, variables, metadata, "
        "what was said and noted, the recording, callbacks of the carrier, and what webhooks were told with the log "
        "of that. The call stays, with its times, end, counts and price, and counts as before. Again it is harmless. "
        "A do-not-call entry that it brought stays."
    ),
    response_model=ErasedCall,
    responses=example(_ERASED)
    | errors(
        **NO_CALL,
        s409_call_not_ended="The call goes on, or waits to be dialled. Hang up first; then it can be erased.",
    ),
)
async def delete_call(services: Use, caller: Caller, call_id: CallId) -> JSONResponse:
    erased = await erase_call(
        services.engine, lambda: services.secret_box, caller.workspace_id, call_id, by=caller.actor
    )
    return JSONResponse(erased)


@router.get(
    "/v1/calls/{call_id}/callbacks",
    summary="See the carrier's callbacks",
    operation_id="list_callbacks",
    description=(
        f"What the carrier told about this call, as it came and in that order, {MAX_CALLBACKS} at most. Only verified "
        "callbacks are kept, with the few headers that mean something; of secrets in these the first characters."
    ),
    response_model=CallbacksAnswer,
    responses=example({"callbacks": [_CALLBACK]}) | errors(**NO_CALL),
)
async def get_callbacks(services: Use, caller: Caller, call_id: CallId) -> JSONResponse:
    async with reading(services.engine) as conn:
        found = await list_callbacks(conn, caller.workspace_id, call_id)
    return JSONResponse(CallbacksAnswer(callbacks=found))


@router.post(
    "/v1/calls/{call_id}/hang-up",
    summary="Hang up",
    operation_id="hang_up",
    description="Ends a waiting call at once and asks for the end of a live one; asking twice is harmless.",
    response_model=HangUpAnswer,
    responses=example(
        {
            "call_id": SUMMARY["id"],
            "state": "in_progress",
            "status_url": f"https://voice.example/v1/calls/{SUMMARY['id']}",
        }
    )
    | errors(**NO_CALL, s409_call_ended="The call has ended already."),
)
async def hang_up(services: Use, caller: Caller, call_id: CallId) -> JSONResponse:
    state = await request_hang_up(services.engine, caller.workspace_id, call_id)
    url = f"{services.settings.base_url}/v1/calls/{call_id}"
    return JSONResponse(HangUpAnswer(call_id=call_id, state=state, status_url=url))


class WrapUpAnswer(TypedDict):
    """`changed` is false where a wrap-up was on its way already."""

    call_id: str
    changed: bool
    status_url: str


@router.post(
    "/v1/calls/{call_id}/wrap-up",
    summary="Make the wrap-up again",
    operation_id="wrap_up",
    description="Has the agent's model make summary, facts and outcome of a call that has ended, as its version asks "
    "for (`after`); also where that failed. What was made before stays until the new one is there. Asking twice is "
    "harmless. `call.updated` tells what came of it.",
    response_model=WrapUpAnswer,
    responses=example(
        {
            "call_id": SUMMARY["id"],
            "changed": True,
            "status_url": f"https://voice.example/v1/calls/{SUMMARY['id']}",
        }
    )
    | errors(
        **NO_CALL,
        s409_call_not_ended="The call goes on.",
        s409_no_wrap_up="The call wasn't answered, or its agent's version asks for no wrap-up.",
    ),
)
async def wrap_up(services: Use, caller: Caller, call_id: CallId) -> JSONResponse:
    changed = await want_again(services.engine, caller.workspace_id, call_id, by=caller.actor)
    url = f"{services.settings.base_url}/v1/calls/{call_id}"
    return JSONResponse(WrapUpAnswer(call_id=call_id, changed=changed, status_url=url))
