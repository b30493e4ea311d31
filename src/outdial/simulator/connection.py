"""Closing a client's connection without a reply, for the fault of that name."""

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

SCOPE_KEY = "outdial.simulator.send"


class Dropped(Response):
    """ASGI has no way to close a connection; uvicorn's `send` belongs to an object that has the transport.

    On another server the reply is cut off after its first byte, which clients report as a protocol error.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transport = getattr(getattr(scope.get(SCOPE_KEY), "__self__", None), "transport", None)
        if transport is None:
            headers = [(b"content-length", b"2")]
            await send({"type": "http.response.start", "status": 201, "headers": headers})
            await send({"type": "http.response.body", "body": b"{", "more_body": True})
            return
        transport.abort()
        while (await receive())["type"] != "http.disconnect":
            pass

