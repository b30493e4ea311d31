"""Tries of the way to this server (outdial doctor): answered before all else, whatever a proxy made of the path."""

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from outdial.api.callbacks import told_url
from outdial.api.event_stream import event
from outdial.self_test.answering import Arrived, SelfTests
from outdial.self_test.place import EVENTS, place_in

# As every event stream of ours says of itself (sse_starlette): nginx keeps nothing back then.
STREAM = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
MAX_BODY_BYTES = 100_000
SILENT_S = 5.0  # after the first event: who is told of it at the stream's end only, has a proxy that keeps events back


def answering_self_tests(app: ASGIApp, self_tests: SelfTests) -> ASGIApp:
    """`app`, but for tries that are under way."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        place = place_in(scope["path"]) if scope["type"] == "http" else None
        known = None if place is None else await self_tests.known(place)
        if place is None or known is None:
            await app(scope, receive, send)
            return
        request = Request(scope, receive)
        arrived = Arrived(
            path=scope["raw_path"].decode("latin-1"),
            query=scope["query_string"].decode("latin-1"),
            url=told_url(self_tests.settings.base_url, scope),
            scheme=scope["scheme"],
            client=scope["client"][0] if scope["client"] else "",
            headers=dict(request.headers),
            body=await _body(request),
        )
        told = self_tests.seen(place, known, arrived).as_json()
        if place.what == EVENTS:
            await StreamingResponse(_events(told), headers=STREAM)(scope, receive, send)
        else:
            await Response(told, media_type="application/json")(scope, receive, send)

    return wrapped


async def _body(request: Request) -> bytes:
    """No more of it than a try has."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            break
    return body


async def _events(told: str) -> AsyncIterator[bytes]:
    yield event("reached", told)
    await asyncio.sleep(SILENT_S)
    yield event("end", "")
