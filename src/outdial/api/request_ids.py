"""Every request has an id: its own where it came with one. It is in each line that is logged while it is handled."""

import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from outdial import logs
from outdial.ids import new_id

HEADER = "X-Request-Id"

# With a letter in it: digits alone may be somebody's number.
_SANE = re.compile(r"(?=[0-9._-]*[A-Za-z])[A-Za-z0-9._-]{8,64}")


def take_request_id(given: str | None) -> str:
    """The id of the request that this task handles, for its lines in the log; `given` is what its header says."""
    request_id = given if given is not None and _SANE.fullmatch(given) else new_id("req")
    logs.about(request_id=request_id)
    return request_id


def telling_request_ids(app: ASGIApp) -> ASGIApp:
    """`app`, whose answers have their request's id as a header. A request is a task of its own: the server's line about
    what it raised has the id, too."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        name = HEADER.lower().encode()
        given = next((value for key, value in scope["headers"] if key == name), None)
        request_id = take_request_id(None if given is None else given.decode("latin-1"))

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (name, request_id.encode())]
            await send(message)

        await app(scope, receive, tell)

    return wrapped
