"""Closing a client's connection without a reply, or in the middle of one, for the faults of that kind."""

import socket
import struct
from asyncio import Transport

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

SCOPE_KEY = "outdial.simulator.send"
AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: whoever closes sends a reset


class Dropped(Response):
    """ASGI has no way to close a connection; uvicorn's `send` belongs to an object that has the transport.

    On another server the reply is cut off after its first byte, which clients report as a protocol error.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transport = _transport(scope)
        if transport is None:
            headers = [(b"content-length", b"2")]
            await send({"type": "http.response.start", "status": 201, "headers": headers})
            await send({"type": "http.response.body", "body": b"{", "more_body": True})
            return
        transport.abort()
        while (await receive())["type"] != "http.disconnect":
            pass


def reset(scope: Scope) -> bool:
    """Break a connection in the middle of a reply; False on another server than uvicorn, where that can't be done."""
    transport = _transport(scope)
    if transport is None:
        return False
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    transport.abort()
    return True


def _transport(scope: Scope) -> Transport | None:
    return getattr(getattr(scope.get(SCOPE_KEY), "__self__", None), "transport", None)
