"""The other side of the simulated Vonage: a server that answers, takes events and websockets, and judges them."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import jwt
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket, WebSocketDisconnect
from vonage_jwt import verify_signature

from outdial.media.frames import frames

Talk = Callable[["Socket"], Awaitable[None]]
FINAL = {"completed", "busy", "cancelled", "failed", "rejected", "timeout", "unanswered"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    name: str  # the path's end: answer, event, …
    method: str
    body: dict[str, Any]
    claims: dict[str, Any]  # of its token
    genuine: bool           # in the judgement of Vonage's own SDK, and its payload_hash is right


class Socket:
    """One media websocket at 8000 Hz, seen by the customer."""

    def __init__(self, socket: WebSocket, authorization: str) -> None:
        self.authorization = authorization
        self.messages: list[dict] = []
        self.heard = bytearray()
        self.frame_bytes: set[int] = set()
        self.closed = False
        self._socket = socket

    async def receive(self) -> dict | bytes:
        """The next message; raises WebSocketDisconnect."""
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        if message.get("bytes") is not None:
            self.heard += message["bytes"]
            self.frame_bytes.add(len(message["bytes"]))
            return message["bytes"]
        self.messages.append(json.loads(message["text"]))
        return self.messages[-1]

    async def until(self, event: str) -> dict:
        while True:
            message = await self.receive()
            if isinstance(message, dict) and message["event"] == f"websocket:{event}":
                return message

    async def listen(self, ms: int) -> bytes:
        """The next `ms` of audio (8000 Hz)."""
        start = len(self.heard)
        while len(self.heard) - start < ms * 16:
            await self.receive()
        return bytes(self.heard[start:])

    async def send(self, message: dict | bytes) -> None:
        if isinstance(message, bytes):
            await self._socket.send_bytes(message)
        else:
            await self._socket.send_text(json.dumps(message))

    async def say(self, pcm: bytes, mark: str = "") -> None:
        """All at once: the carrier buffers."""
        for frame in frames(pcm):
            await self.send(frame)
        if mark:
            await self.send({"action": "notify", "payload": {"mark": mark}})


async def listen(media: Socket) -> None:
    """Say nothing, until the other side closes."""
    while True:
        await media.receive()


@dataclass
class Customer:
    """One customer on the shared server: its own URLs, so that nothing of another test arrives here."""

    base_url: str
    signature_secret: str
    received: list[Received] = field(default_factory=list)
    sockets: list[Socket] = field(default_factory=list)
    replies: dict[str, Any] = field(default_factory=dict)            # path's end → JSON to answer
    statuses: dict[str, list[int]] = field(default_factory=dict)     # path's end → the next statuses to answer
    files: dict[str, bytes] = field(default_factory=dict)
    talk: Talk = listen
    refuses_sockets: bool = False
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    def url(self, name: str) -> str:
        return f"{self.base_url}/{name}"

    def connect(self, rate_hz: int = 8000, **action: Any) -> dict[str, Any]:
        """An action that connects to our websocket."""
        return {"action": "connect", "endpoint": [self.endpoint(rate_hz)], **action}

    def endpoint(self, rate_hz: int = 8000, **more: Any) -> dict[str, Any]:
        return {
            "type": "websocket",
            "uri": self.url("media").replace("http", "ws", 1),
            "content-type": f"audio/l16;rate={rate_hz}",
            "headers": {"call_id": "call_1"},
            **more,
        }

    def named(self, name: str) -> list[dict[str, Any]]:
        return [item.body for item in self.received if item.name == name]

    def events(self, uuid: str | None = None) -> list[str]:
        """Statuses in order, of one leg or of all."""
        return [
            body["status"]
            for body in self.named("event")
            if "status" in body and uuid in (None, body.get("uuid"), body.get("call_uuid"))
        ]

    def socket_events(self) -> list[dict[str, Any]]:
        return [body for body in self.named("event") if str(body.get("to")).startswith("ws")]

    async def wait_for(self, condition: Callable[[], object], timeout_s: float = 15.0) -> None:
        async with asyncio.timeout(timeout_s), self.news:
            await self.news.wait_for(lambda: bool(condition()))

    async def wait_for_end(self, uuid: str, timeout_s: float = 15.0) -> dict[str, Any]:
        """A leg's final event."""

        def ends() -> list[dict[str, Any]]:
            return [b for b in self.named("event") if b.get("uuid") == uuid and b.get("status") in FINAL]

        await self.wait_for(ends, timeout_s)
        return ends()[0]

    async def wait_for_event(self, status: str, timeout_s: float = 15.0) -> dict[str, Any]:
        await self.wait_for(lambda: status in self.events(), timeout_s)
        return next(body for body in self.named("event") if body.get("status") == status)

    async def callback(self, request: Request) -> Response:
        name, raw = request.path_params["name"], await request.body()
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        claims = jwt.decode(token, options={"verify_signature": False}) if token else {}
        genuine = bool(token) and verify_signature(token, self.signature_secret)
        if raw:
            genuine = genuine and claims["payload_hash"] == hashlib.sha256(raw).hexdigest()
        body = json.loads(raw) if raw else dict(request.query_params)
        self.received.append(
            Received(name=name, method=request.method, body=body, claims=claims, genuine=genuine)
        )
        await self._tell()
        if self.statuses.get(name):
            return Response(status_code=self.statuses[name].pop(0))
        if name in self.files:
            return Response(self.files[name], media_type="audio/wav")
        if name in self.replies:
            return JSONResponse(self.replies[name])
        return Response(status_code=204)

    async def media(self, websocket: WebSocket) -> None:
        media = Socket(websocket, websocket.headers.get("authorization", ""))
        self.sockets.append(media)
        if self.refuses_sockets:
            await websocket.close()
            return
        await websocket.accept()
        try:
            await self.talk(media)
            await websocket.close()
        except WebSocketDisconnect:
            pass
        finally:
            media.closed = True
            await self._tell()

    async def _tell(self) -> None:
        async with self.news:
            self.news.notify_all()
