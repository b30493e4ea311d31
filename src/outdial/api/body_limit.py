"""No request body is kept beyond a limit, whether it announces its length or not."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from outdial.api.problems import Problem, respond

# A client that is still sending doesn't look for an answer, and closing on it destroys the answer under way
# (TCP resets). So before a refusal the rest of the body is read and forgotten, within these limits.
DRAIN_BYTES = 32_000_000
DRAIN_S = 5.0


class BodyLimit:
    """Pure ASGI: refuses an announced length at once and stops keeping an unannounced one at the limit.

    `larger`: paths with a limit of their own. Their handlers read piece by piece, and keep no body in memory.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int, larger: Mapping[str, int] = MappingProxyType({})) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._larger = larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        max_bytes = max(self._max_bytes, self._larger.get(scope["path"], 0))
        body = _Body(scope, receive, max_bytes)

        async def draining(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] >= 400:
                await body.drain()
            await send(message)

        if body.announced > max_bytes:
            await respond(_too_large(max_bytes))(scope, receive, draining)
        else:
            await self._app(scope, body.receive, draining)


class _Body:
    """One request's body on its way in."""

    def __init__(self, scope: Scope, receive: Receive, max_bytes: int) -> None:
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"")
        self.announced = int(length[:20]) if length.isdigit() else 0
        self._receive = receive
        self._max_bytes = max_bytes
        self._received = 0
        self._complete = self.announced == 0 and b"transfer-encoding" not in headers
        # Such a client sends nothing before it is asked to, which reading would do.
        self._waits_for_us = b"expect" in headers

    async def receive(self) -> Message:
        """As ASGI's; raises Problem 413 out of whoever reads, for the app's handlers to answer."""
        message = await self._receive()
        self._waits_for_us = False
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
            self._complete = not message.get("more_body", False)
            if self._received > self._max_bytes:
                raise _too_large(self._max_bytes)
        return message

    async def drain(self) -> None:
        if self._complete or self._waits_for_us or self.announced > DRAIN_BYTES:
            return
        left = DRAIN_BYTES
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                while left > 0:
                    message = await self._receive()
                    if message["type"] != "http.request" or not message.get("more_body", False):
                        return
                    left -= len(message.get("body", b""))


def _too_large(max_bytes: int) -> Problem:
    message = f"The request body is larger than {max_bytes} bytes."
    return Problem(413, "body_too_large", message, headers={"Connection": "close"})
