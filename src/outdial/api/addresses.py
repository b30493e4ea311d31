"""What holds at every address: with or without a slash at its end, HEAD where there is GET, Allow, and no NUL.

Nothing is redirected for a slash: a redirect would lead to whatever the Host header says.
"""

from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

from starlette.routing import BaseRoute, Match, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from outdial.api.problems import invalid, respond

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class Addresses:
    """Pure ASGI, in front of the routes of `router`."""

    def __init__(self, app: ASGIApp, *, router: Router) -> None:
        self._app = app
        self._router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if (field := _with_nul(scope["query_string"])) is not None:
            problem = invalid([{"field": field, "message": "must not contain the character U+0000"}])
            await respond(problem)(scope, receive, send)
            return
        # What can't be decoded has become U+FFFD; NUL, which PostgreSQL can't be asked for, becomes it, too: an id that
        # nobody has.
        scope = {**scope, "path": scope["path"].rstrip("/").replace("\0", "\ufffd") or "/"}

        async def with_methods(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 405:
                headers = [header for header in message["headers"] if header[0].lower() != b"allow"]
                allowed = ", ".join(_methods(self._router.routes, scope))
                message = {**message, "headers": [*headers, (b"allow", allowed.encode())]}
            await send(message)

        if scope["method"] == "HEAD":
            head = _Head(receive, with_methods)
            await self._app({**scope, "method": "GET"}, head.receive, head.send)
        else:
            await self._app(scope, receive, with_methods)


class _Head:
    """A GET of which only the head is sent. What would stream a body is told that its reader is gone."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._answered = False

    async def receive(self) -> Message:
        return {"type": "http.disconnect"} if self._answered else await self._receive()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and not self._answered:
            self._answered = True
            await self._send(message)
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})


def _with_nul(query: bytes) -> str | None:
    """The first field of a query that has a NUL in its name or its value."""
    if b"%00" not in query and b"\0" not in query:
        return None
    for part in query.split(b"&"):
        if b"\0" in unquote_to_bytes(part):
            return unquote_to_bytes(part.partition(b"=")[0]).decode(errors="replace").replace("\0", "") or "query"
    return None


def _methods(routes: Iterable[BaseRoute], scope: Scope) -> list[str]:
    """All that this address takes, whichever routes they stand in."""
    taken = [
        method
        for method in METHODS
        if any(route.matches({**scope, "method": method})[0] is Match.FULL for route in routes)
    ]
    return [*taken, "HEAD"] if "GET" in taken else taken
