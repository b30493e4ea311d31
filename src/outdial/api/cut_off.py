"""Requests that a process which stops has no more time for."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from outdial.api.problems import respond, unavailable

CUT_OFF = (
    "This process stops and could not wait for the end of this request: it may have been carried out or not. Ask "
    "another process, or this one when it is back; an Idempotency-Key makes that safe."
)


def answering_when_cut_off(app: ASGIApp) -> ASGIApp:
    """`app`, whose requests get 503 when they are cancelled before they were answered: the server's way to end what
    takes too long (uvicorn's `timeout_graceful_shutdown`). It would send 500, and log each as a fault of `app`."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        answered = False

        async def note(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            await app(scope, receive, note)
        except asyncio.CancelledError:
            if answered:
                raise
            await respond(unavailable(CUT_OFF))(scope, receive, send)

    return wrapped
