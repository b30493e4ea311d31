"""Calls: list, look at, hang up, listen to. The feed of a call is in api.events."""

import re
from pathlib import Path as FilePath
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import FileResponse, JSONResponse
from typing_extensions import TypedDict

from outdial.api.auth import ApiRoute, Caller
from outdial.api.docs import errors, example
from outdial.api.problems import Problem
from outdial.api.services import Use
from outdial.calls.intake import request_hang_up
from outdial.calls.state import CallState
from outdial.calls.views import CallFilter, CallPage, CallView, get_call, list_calls, recording_path
from outdial.db.engine import reading

router = APIRouter(route_class=ApiRoute, tags=["Calls"])

CallId = Annotated[str, Path(description="`call_id` of the answer that accepted the call")]
NO_CALL = {"s404_call_not_found": "There is no such call."}

_RANGE = re.compile(r"bytes=\s*(\d{1,18}\s*-\s*\d{0,18}|-\s*\d{1,18})(\s*,\s*(\d{1,18}\s*-\s*\d{0,18}|-\s*\d{1,18}))*")

_SUMMARY: dict[str, Any] = {
    "id": "call_8r5v1kz3m0q4t7w2x9y6",
    "direction": "outbound",
    "state": "ended",
    "end_reason": "completed",
    "error": None,
    "number_id": "num_4m1q8x5z2v7k0t3w6y9r",
    "from": "+15551230002",
    "to": "+15551234567",
    "agent": {"id": "agent_7k2v5x8z1q4m0t3w6y9r", "version": 3},
    "variables": {"user_name": "Jane"},
    "metadata": {"crm_id": "4711"},
    "amd": {"on_machine": None, "message": None, "max_wait_s": 30},
    "retry": None,
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
    "attempts": [
        {
            "number": 1,
            "carrier": "twilio",
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
    "recording_url": "https://voice.example/v1/calls/call_8r5v1kz3m0q4t7w2x9y6/recording",
}
_ERROR = {
    "code": "number_not_in_service",
    "message": "This number does not exist or is not in service.",
    "carrier_code": "sip_404",
}
_FAILED = _SUMMARY | {
    "id": "call_3w6y9r4m1q8x5z2v7k0t",
    "end_reason": "failed",
    "error": _ERROR,
    "answered_by": None,
    "answered_at": None,
    "ended_at": "2026-01-31T09:00:01.700000Z",
    "duration_s": None,
    "attempts": [
        _SUMMARY["attempts"][0]
        | {
            "end_reason": "failed",
            "error": _ERROR,
            "ringing_at": None,
            "answered_at": None,
            "ended_at": "2026-01-31T09:00:01.700000Z",
        }
    ],
    "recording_url": None,
}
_TRANSCRIPT = [
    {
        "speaker": "agent",
        "text": "Hello Jane, this is the clinic's automated assistant.",
        "start_ms": 420,
        "end_ms": 3510,
        "interrupted": False,
        "latency": None,
    },
    {
        "speaker": "callee",
        "text": "Yes, that's fine.",
        "start_ms": 4100,
        "end_ms": 5020,
        "interrupted": False,
        "latency": None,
    },
]


_AUDIO = {"audio/wav": {"schema": {"type": "string", "format": "binary"}}}
_WAV: dict[int | str, dict[str, Any]] = {
    200: {"description": "The whole recording", "content": _AUDIO},
    206: {"description": "The range asked for", "content": _AUDIO},
}


class HangUpAnswer(TypedDict):
    """`state` is `ended` when the call was still waiting; a live call ends a moment later."""

    call_id: str
    state: CallState
    status_url: str


@router.get(
    "/v1/calls",
    summary="List calls",
    operation_id="list_calls",
    description="Newest first, without transcripts. Pass `next_cursor` as `cursor` to get the next page.",
    response_model=CallPage,
    responses=example({"calls": [_SUMMARY, _FAILED], "next_cursor": None}) | errors(422),
)
async def get_calls(services: Use, caller: Caller, wanted: Annotated[CallFilter, Query()]) -> JSONResponse:
    async with reading(services.engine) as conn:
        page = await list_calls(conn, caller.workspace_id, wanted, base_url=services.settings.base_url)
    return JSONResponse(page)


@router.get(
    "/v1/calls/{call_id}",
    summary="Get a call",
    operation_id="get_call",
    response_model=CallView,
    responses=example(_SUMMARY | {"transcript": _TRANSCRIPT}) | errors(**NO_CALL),
)
async def get_one_call(services: Use, caller: Caller, call_id: CallId) -> JSONResponse:
    async with reading(services.engine) as conn:
        call = await get_call(conn, caller.workspace_id, call_id, base_url=services.settings.base_url)
    return JSONResponse(call)


@router.post(
    "/v1/calls/{call_id}/hang-up",
    summary="Hang up",
    operation_id="hang_up",
    description="Ends a waiting call at once and asks for the end of a live one; asking twice is harmless.",
    response_model=HangUpAnswer,
    responses=example(
        {
            "call_id": _SUMMARY["id"],
            "state": "in_progress",
            "status_url": f"https://voice.example/v1/calls/{_SUMMARY['id']}",
        }
    )
    | errors(**NO_CALL, s409_call_ended="The call has ended already."),
)
async def hang_up(services: Use, caller: Caller, call_id: CallId) -> JSONResponse:
    state = await request_hang_up(services.engine, caller.workspace_id, call_id)
    url = f"{services.settings.base_url}/v1/calls/{call_id}"
    return JSONResponse(HangUpAnswer(call_id=call_id, state=state, status_url=url))


@router.get(
    "/v1/calls/{call_id}/recording",
    summary="Listen to a call",
    operation_id="get_recording",
    description="WAV, stereo: the callee on the left, the agent on the right. Takes Range requests.",
    response_class=FileResponse,
    responses=_WAV
    | errors(
        **NO_CALL,
        s404_no_recording="This call has no recording (yet).",
        s416_range_not_satisfiable="The recording doesn't have the bytes asked for.",
    ),
)
async def get_recording(request: Request, services: Use, caller: Caller, call_id: CallId) -> FileResponse:
    async with reading(services.engine) as conn:
        stored = await recording_path(conn, caller.workspace_id, call_id)
    size = await to_thread.run_sync(_size, services.recordings_dir, services.settings.data_dir / stored)
    if size is None:
        raise Problem(404, "no_recording", "The recording of this call is no longer there.")
    _check_range(request, size)
    return FileResponse(
        services.settings.data_dir / stored,
        media_type="audio/wav",
        filename=f"{call_id}.wav",
        content_disposition_type="inline",
        headers={"Cache-Control": "private"},
    )


def _size(folder: FilePath, path: FilePath) -> int | None:
    """None when there is no such file, or it lies elsewhere than recordings do."""
    path = path.resolve()
    return path.stat().st_size if path.is_relative_to(folder.resolve()) and path.is_file() else None


def _check_range(request: Request, size: int) -> None:
    """RFC 9110, 14.2: a range that makes no sense may be refused; other units than bytes are ignored."""
    wanted = request.headers.get("range")
    if wanted is None:
        return
    if not wanted.lower().startswith("bytes="):
        request.scope["headers"] = [header for header in request.scope["headers"] if header[0] != b"range"]
        return
    ranges = [part.strip().partition("-") for part in wanted[6:].split(",")]
    if not _RANGE.fullmatch(wanted.lower()) or not all(_has_bytes(first, last, size) for first, _, last in ranges):
        raise Problem(
            416,
            "range_not_satisfiable",
            "The recording doesn't have the bytes asked for.",
            headers={"Content-Range": f"bytes */{size}"},
        )


def _has_bytes(first: str, last: str, size: int) -> bool:
    if not first.strip():
        return int(last) > 0 and size > 0
    return int(first) < size and (not last.strip() or int(first) <= int(last))
