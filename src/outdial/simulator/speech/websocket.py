"""A websocket of a simulated vendor's, to its end: what comes is told to its side without I/O, which says what goes."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from outdial.simulator import connection
from outdial.simulator.background import Background
from outdial.simulator.speech.socket import Asked, Line, Message, Refused, VoiceSocket
from outdial.simulator.waiting import first_of

CUT = -1


async def serve_vendor(
    websocket: WebSocket,
    accept: Callable[[Asked, Line], VoiceSocket],
    accepted: Callable[[Line], object] = lambda line: None,
) -> None:
    """A websocket of a vendor's, to its end. `accept` raises Refused; `accepted`: the handshake is over."""
    outgoing: asyncio.Queue[Message | tuple[int, str]] = asyncio.Queue()
    line = Line(
        send=outgoing.put_nowait,
        close=lambda code, reason: outgoing.put_nowait((code, reason)),
        cut=lambda: outgoing.put_nowait((CUT, "")),
    )
    query, headers = dict(websocket.query_params), dict(websocket.headers)
    try:
        theirs = accept(Asked(path=websocket.url.path, query=query, headers=headers), line)
    except Refused as refused:
        refusal = Response(refused.body, status_code=refused.status, media_type="application/json")
        await websocket.send_denial_response(refusal)
        return
    await websocket.accept()
    accepted(line)

    async def read() -> None:
        while (message := await websocket.receive())["type"] == "websocket.receive":
            theirs.receive(message["bytes"] if message.get("bytes") is not None else message["text"])

    async def write() -> None:
        while True:
            match await outgoing.get():
                case str(text):
                    await websocket.send_text(text)
                case bytes(data):
                    await websocket.send_bytes(data)
                case (code, reason):
                    if code == CUT and connection.reset(websocket.scope):
                        return
                    await websocket.close(1011 if code == CUT else int(code), str(reason))
                    return

    try:
        with suppress(RuntimeError, WebSocketDisconnect):  # it was closed by who is connected
            async with Background() as both:
                await first_of(both.start(read()), both.start(write()))
    finally:
        await theirs.aclose()
