"""/docs: the OpenAPI document as a page of ours. The usual viewers load their scripts from elsewhere: that fails
offline, and no foreign script belongs on a page where people handle API keys."""

import asyncio
import gzip
import hashlib
import re
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from markupsafe import Markup, escape

from outdial.dashboard.api_operations import read_tags
from outdial.dashboard.page import safe_headers, templates, theme

router = APIRouter(include_in_schema=False)

MEDIA_TYPE = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The page in one theme, and its name among all there ever were (ETag)."""

    body: bytes
    compressed: bytes
    etag: str


@router.get("/docs")
async def docs(request: Request) -> Response:
    page = await _reference(request)
    headers = safe_headers() | {
        "Cache-Control": "no-cache",  # asked for again each time, sent again when it has changed
        "ETag": f'W/"{page.etag}"',  # weak: the same page, compressed or not
        "Vary": "Accept-Encoding, Cookie",
    }
    if page.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(page.compressed, headers=headers | {"Content-Encoding": "gzip"}, media_type=MEDIA_TYPE)
    return Response(page.body, headers=headers, media_type=MEDIA_TYPE)


async def _reference(request: Request) -> Reference:
    """Made once for each theme and kept: the document doesn't change while the process lives."""
    made: dict[str, Reference] = request.app.state.references
    chosen = theme(request)
    if chosen not in made:
        document = request.app.openapi()
        made[chosen] = await asyncio.to_thread(make, document, chosen)  # calls' audio goes on meanwhile
    return made[chosen]


def make(document: dict[str, Any], theme: str) -> Reference:
    html = templates().get_template("api_reference.html").render(
        theme=theme, document=document, tags=read_tags(document), prose=prose, words=words
    )
    body = html.encode()
    return Reference(
        body=body, compressed=gzip.compress(body, mtime=0), etag=hashlib.sha256(body).hexdigest()[:16]
    )


def prose(text: str) -> Markup:
    """The little Markdown that the document uses: paragraphs, `code`, **strong**."""
    paragraphs = re.split(r"\n\s*\n", text.strip())
    return Markup("").join(Markup("<p>{}</p>").format(words(each)) for each in paragraphs if each)


def words(text: str) -> Markup:
    """Within a paragraph."""
    html = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text)))
    return Markup(re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", html))  # noqa: S704 - escaped above
