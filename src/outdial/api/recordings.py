"""The audio of a call: its recording, and the waveform of it."""

import re
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse

from outdial.api.auth import ApiRoute, Caller
from outdial.api.calls import NO_CALL, CallId
from outdial.api.docs import errors, example
from outdial.api.problems import Problem, unavailable
from outdial.api.services import Services, Use
from outdial.db.engine import reading
from outdial.history.views import recording_path
from outdial.media.waveform import MAX_POINTS, WaveformView
from outdial.recordings.errors import StoreUnreachable
from outdial.recordings.recordings import Kept, Recordings

router = APIRouter(route_class=ApiRoute, tags=["Calls"])

NO_RECORDING = {"s404_no_recording": "This call has no recording (yet)."}

_RANGE = re.compile(r"bytes=\s*(\d{1,18}\s*-\s*\d{0,18}|-\s*\d{1,18})(\s*,\s*(\d{1,18}\s*-\s*\d{0,18}|-\s*\d{1,18}))*")
_AUDIO = {"audio/wav": {"schema": {"type": "string", "format": "binary"}}}
_WAV: dict[int | str, dict[str, Any]] = {
    200: {"description": "The whole recording", "content": _AUDIO},
    206: {"description": "The range asked for", "content": _AUDIO},
}


@router.get(
    "/v1/calls/{call_id}/recording",
    summary="Listen to a call",
    operation_id="get_recording",
    description="WAV, stereo: the callee on the left, the agent on the right. Takes Range requests.",
    response_class=FileResponse,
    responses=_WAV
    | errors(
        **NO_CALL,
        **NO_RECORDING,
        s416_range_not_satisfiable="The recording doesn't have the bytes asked for.",
    ),
)
async def get_recording(request: Request, services: Use, caller: Caller, call_id: CallId) -> Response:
    recording, kept = await _recording(services, caller.workspace_id, call_id)
    wanted = _range(request, kept.size)
    if kept.path is None:
        return _from_store(services.recordings, recording, kept.size, wanted, _named(call_id))
    return FileResponse(kept.path, media_type="audio/wav", headers=_named(call_id))


@router.get(
    "/v1/calls/{call_id}/recording/waveform",
    summary="See the waveform of a call",
    operation_id="get_waveform",
    description=(
        f"Both channels of the recording as peaks, 0 to 1, at equal distances from its beginning to its end: up to "
        f"{MAX_POINTS} of each."
    ),
    response_model=WaveformView,
    responses=example({"duration_ms": 31200, "callee": [0.0, 0.02, 0.41], "agent": [0.6, 0.55, 0.0]})
    | errors(**NO_CALL, **NO_RECORDING),
)
async def get_waveform(services: Use, caller: Caller, call_id: CallId) -> JSONResponse:
    recording, kept = await _recording(services, caller.workspace_id, call_id)
    try:
        wave = await services.recordings.waveform(recording, kept)
    except (OSError, ValueError):
        raise Problem(404, "no_recording", "The recording of this call can't be read.") from None
    except StoreUnreachable:
        raise _away() from None
    return JSONResponse(wave)


async def _recording(services: Services, workspace_id: str, call_id: str) -> tuple[str, Kept]:
    """What it is called, and where it lies. Raises NotFound or a Problem."""
    async with reading(services.engine) as conn:
        recording = await recording_path(conn, workspace_id, call_id)
    try:
        kept = await services.recordings.find(recording)
    except StoreUnreachable:
        raise _away() from None
    if kept is not None:
        return recording, kept
    if services.recordings.in_store:
        raise Problem(404, "no_recording", "The recording of this call isn't in the store of recordings (yet).")
    raise Problem(404, "no_recording", "The recording of this call is no longer there.")


def _away() -> Problem:
    return unavailable("The store of recordings can't be reached. Try again.")


def _named(call_id: str) -> dict[str, str]:
    """Kept for the player, but never played without asking."""
    return {"Content-Disposition": f'inline; filename="{call_id}.wav"', "Cache-Control": "private, no-cache"}


def _from_store(
    recordings: Recordings, recording: str, size: int, wanted: str | None, headers: dict[str, str]
) -> Response:
    """One range, or all of it: RFC 9110, 14.2 lets several be ignored."""
    first, last, status = 0, size - 1, 200
    if wanted is not None and "," not in wanted:
        first, last = _bounds(wanted, size)
        status, headers = 206, headers | {"Content-Range": f"bytes {first}-{last}/{size}"}
    headers |= {"Content-Length": str(last - first + 1), "Accept-Ranges": "bytes"}
    parts = recordings.read(recording, first, last)
    return StreamingResponse(parts, status_code=status, headers=headers, media_type="audio/wav")


def _bounds(wanted: str, size: int) -> tuple[int, int]:
    """Of a range that has bytes in `size`, both included."""
    first, _, last = wanted.partition("-")
    if not first.strip():
        return max(0, size - int(last)), size - 1
    return int(first), min(int(last), size - 1) if last.strip() else size - 1


def _range(request: Request, size: int) -> str | None:
    """The bytes asked for. RFC 9110, 14.2: a range that makes no sense may be refused; other units than bytes are
    ignored."""
    wanted = request.headers.get("range")
    if wanted is None:
        return None
    if not wanted.lower().startswith("bytes="):
        request.scope["headers"] = [header for header in request.scope["headers"] if header[0] != b"range"]
        return None
    ranges = [part.strip().partition("-") for part in wanted[6:].split(",")]
    if not _RANGE.fullmatch(wanted.lower()) or not all(_has_bytes(first, last, size) for first, _, last in ranges):
        raise Problem(
            416,
            "range_not_satisfiable",
            "The recording doesn't have the bytes asked for.",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return wanted[6:]


def _has_bytes(first: str, last: str, size: int) -> bool:
    if not first.strip():
        return int(last) > 0 and size > 0
    return int(first) < size and (not last.strip() or int(first) <= int(last))
