"""Where carriers call back: verified and stored, answered at once. Not part of the public API's document."""

from fastapi import APIRouter, Request, Response
from starlette.types import Scope

from outdial import metrics
from outdial.callbacks.inbox import Inbox, Received
from outdial.callbacks.incoming import IncomingCalls
from outdial.carriers.callbacks import CallbackReply
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import carrier_named
from outdial.dispatch.second_legs import second_leg_of

_STATUS = {Received.STORED: 204, Received.UNKNOWN: 404, Received.FORGED: 403, Received.BAD: 400}


def callbacks_router(inbox: Inbox, incoming_calls: IncomingCalls, base_url: str) -> APIRouter:
    """`base_url` is the public one we told the carriers: signatures are over it, not over what a proxy forwards."""
    router = APIRouter(include_in_schema=False)

    @router.post("/callbacks/{carrier}/{attempt_id}/{kind}")
    async def of_an_attempt(carrier: str, attempt_id: str, kind: str, request: Request) -> Response:
        name = carrier_named(carrier)
        if name is None:
            return Response(status_code=404)
        body = await request.body()
        received = await inbox.receive(
            carrier=name, attempt_id=attempt_id, kind=kind, url=_url(request), headers=request.headers, body=body
        )
        reply = await inbox.reply(name, attempt_id, kind, body) if received is Received.STORED else None
        return _answer(name, received, reply)

    @router.post("/callbacks/{carrier}/accounts/{account_id}/{kind}")
    async def of_an_account(carrier: str, account_id: str, kind: str, request: Request) -> Response:
        """Calls that come in, and what is told of them under no URL of their own."""
        name = carrier_named(carrier)
        if name is None:
            return Response(status_code=404)
        received, reply = await incoming_calls.receive(
            carrier=name,
            account_id=account_id,
            kind=kind,
            url=_url(request),
            headers=request.headers,
            body=await request.body(),
        )
        return _answer(name, received, reply)

    @router.post("/callbacks/{carrier}/{attempt_id}/{leg}/{kind}")
    async def of_a_second_leg(carrier: str, attempt_id: str, leg: str, kind: str, request: Request) -> Response:
        """Of somebody who is asked to take a callee: told as the attempt's, under a kind of its own."""
        told = f"{leg}/{kind}"
        if second_leg_of(told)[0] is None:
            return Response(status_code=404)
        return await of_an_attempt(carrier, attempt_id, told, request)

    def _url(request: Request) -> str:
        return told_url(base_url, request.scope)

    return router


def told_url(base_url: str, scope: Scope) -> str:
    """The address that a carrier was told, of a request that has come to it: what it has signed."""
    query: bytes = scope["query_string"]
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    return base_url + path.decode("latin-1") + (f"?{query.decode('latin-1')}" if query else "")


def _answer(carrier: CarrierName, received: Received, reply: CallbackReply | None) -> Response:
    metrics.CALLBACKS.labels(carrier, received).inc()
    if reply is not None:
        return Response(reply.body, media_type=reply.media_type)
    return Response(status_code=_STATUS[received])
