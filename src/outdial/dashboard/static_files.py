"""Stylesheet, scripts, icons: read once, compressed once, kept by browsers for ever (their URLs hold their version)."""

import gzip
import mimetypes
from dataclasses import dataclass
from functools import cache

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from outdial.dashboard.page import STATIC, static_version

router = APIRouter(include_in_schema=False)

_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".webmanifest": "application/json"}
_TEXT = (".js", ".css", ".svg", ".webmanifest")


@dataclass(frozen=True, slots=True)
class StaticFile:
    body: bytes
    compressed: bytes | None
    media_type: str


@cache
def static_files() -> dict[str, StaticFile]:
    """By path under static/. A closed set, so no path leads anywhere else."""
    return {
        path.relative_to(STATIC).as_posix(): StaticFile(
            body=path.read_bytes(),
            compressed=gzip.compress(path.read_bytes(), mtime=0) if path.suffix in _TEXT else None,
            media_type=_TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream",
        )
        for path in STATIC.rglob("*")
        if path.is_file()
    }


@router.get("/static/{version}/{name:path}")
async def static_file(request: Request, version: str, name: str) -> Response:
    file = static_files().get(name)
    if file is None:
        raise HTTPException(404)
    # Another version's URL comes from a page of before an update: it gets today's file, and doesn't keep it.
    kept = "public, max-age=31536000, immutable" if version == static_version() else "no-cache"
    headers = {"Cache-Control": kept, "X-Content-Type-Options": "nosniff", "Vary": "Accept-Encoding"}
    if file.compressed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.compressed, headers=headers | {"Content-Encoding": "gzip"}, media_type=file.media_type)
    return Response(file.body, headers=headers, media_type=file.media_type)


@router.get("/favicon.ico")
async def favicon() -> Response:
    file = static_files()["icon.svg"]
    return Response(file.body, headers={"Cache-Control": "public, max-age=86400"}, media_type=file.media_type)
