"""The audio of a call: its recording, and the waveform of it."""

import re
from pathlib import Path as FilePath
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, JSONResponse

from outdial.api.auth import ApiRoute, Caller
from outdial.api.calls import NO_CALL, CallId
from outdial.api.docs import errors, example
from outdial.api.problems import Problem
from outdial.api.services import Services, Use
from outdial.db.engine import reading
from outdial.history.views import recording_path
from outdial.media.waveform import MAX_POINTS, WaveformView, waveform

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
async def get_recording(request: Request, services: Use, caller: Caller, call_id: CallId) -> FileResponse:
    path, size = await _recording(services, caller.workspace_id, call_id)
    _check_range(request, size)
    return FileResponse(
        path,
        media_type="audio/wav",
        filename=f"{call_id}.wav",
        content_disposition_type="inline",
        headers={"Cache-Control": "private, no-cache"},  # kept for the player, but never played without asking
    )


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
    path, _ = await _recording(services, caller.workspace_id, call_id)
    try:
        wave = await to_thread.run_sync(waveform, path)
    except (OSError, ValueError):
        raise Problem(404, "no_recording", "The recording of this call can't be read.") from None
    return JSONResponse(wave)


async def _recording(services: Services, workspace_id: str, call_id: str) -> tuple[FilePath, int]:
    """Where it lies, and its size. Raises NotFound or a Problem."""
    async with reading(services.engine) as conn:
        stored = await recording_path(conn, workspace_id, call_id)
    path = services.settings.data_dir / stored
    size = await to_thread.run_sync(_size, services.recordings_dir, path)
    if size is None:
        raise Problem(404, "no_recording", "The recording of this call is no longer there.")
    return path, size


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
