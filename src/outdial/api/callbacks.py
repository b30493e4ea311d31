"""Where carriers call back: verified and stored, answered at once. Not part of the public API's document."""

from fastapi import APIRouter, Request, Response

from outdial.calls.callbacks import Callbacks, Received
from outdial.carriers.registry import carrier_named

_STATUS = {Received.STORED: 204, Received.UNKNOWN: 404, Received.FORGED: 403, Received.BAD: 400}


def callbacks_router(callbacks: Callbacks, base_url: str) -> APIRouter:
    """`base_url` is the public one we told the carriers: signatures are over it, not over what a proxy forwards."""
    router = APIRouter(include_in_schema=False)

    @router.post("/callbacks/{carrier}/{attempt_id}/{kind}")
    async def receive(carrier: str, attempt_id: str, kind: str, request: Request) -> Response:
        name = carrier_named(carrier)
        if name is None:
            return Response(status_code=404)
        query = f"?{request.url.query}" if request.url.query else ""
        url = base_url + request.scope.get("raw_path", request.url.path.encode()).decode("latin-1") + query
        body = await request.body()
        received = await callbacks.receive(
            carrier=name, attempt_id=attempt_id, kind=kind, url=url, headers=request.headers, body=body
        )
        reply = callbacks.reply(name, kind, body) if received is Received.STORED else None
        if reply is not None:
            return Response(reply.body, media_type=reply.media_type)
        return Response(status_code=_STATUS[received])

    return router
