"""Answers that whoever asks again gets only when they have changed (RFC 9110, sections 8.8.3 and 13.1.2)."""

import hashlib
from typing import Annotated, Any

from fastapi import Header
from fastapi.responses import JSONResponse, Response

IfNoneMatch = Annotated[
    str | None,
    Header(
        description="`ETag` of the answer that you have: unless the call has changed since, you get 304.",
        max_length=1000,
    ),
]
NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "As you have it; without a body."}}


def answer(content: Any, if_none_match: str | None) -> Response:
    """`content` as JSON with an ETag, or nothing but that (304) where it is among those of If-None-Match."""
    whole = JSONResponse(content)
    tag = f'W/"{hashlib.sha256(bytes(whole.body)).hexdigest()[:32]}"'  # weak: proxies may compress it
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if if_none_match is not None and _has(if_none_match, tag):
        return Response(status_code=304, headers=headers)
    whole.headers.update(headers)
    return whole


def _has(if_none_match: str, tag: str) -> bool:
    tags = [one.strip().removeprefix("W/") for one in if_none_match.split(",")]
    return tags == ["*"] or tag.removeprefix("W/") in tags
