"""No request body is read beyond a limit, whether it announces its length or not."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from outdial.api.problems import Problem, respond


class BodyLimit:
    """Pure ASGI: refuses an announced length at once and stops reading an unannounced one at the limit."""

    def __init__(self, app: ASGIApp, *, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if _announced(scope) > self._max_bytes:
            await respond(self._too_large())(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if received > self._max_bytes:
                    raise self._too_large()  # out of whoever reads; the app's handlers answer it
            return message

        await self._app(scope, counted, send)

    def _too_large(self) -> Problem:
        # The rest of the body is never read, so the connection can't be used again.
        return Problem(
            413,
            "body_too_large",
            f"The request body is larger than {self._max_bytes} bytes.",
            headers={"Connection": "close"},
        )


def _announced(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:20])
    return 0
