"""The other side of the simulator in its tests: a server that takes callbacks and media streams, and judges both."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect
from twilio.request_validator import RequestValidator

from outdial.media.frames import frames
from outdial.media.g711 import pcm_to_ulaw, ulaw_to_pcm

Talk = Callable[["Stream"], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    name: str  # the path's end: status, amd, stream, twiml, action
    form: dict[str, str]
    token: str
    genuine: bool  # in the judgement of Twilio's own validator


class Stream:
    """One media websocket, seen by the customer."""

    def __init__(self, socket: WebSocket, genuine: bool) -> None:
        self.socket = socket
        self.genuine = genuine
        self.messages: list[dict] = []
        self.heard = bytearray()  # PCM
        self.sid = ""
        self.closed = False

    async def receive(self) -> dict:
        """The next message; raises WebSocketDisconnect."""
        message = json.loads(await self.socket.receive_text())
        self.messages.append(message)
        if message["event"] == "start":
            self.sid = message["streamSid"]
        if message["event"] == "media":
            self.heard += ulaw_to_pcm(base64.b64decode(message["media"]["payload"]))
        return message

    async def until(self, event: str) -> dict:
        while True:
            message = await self.receive()
            if message["event"] == event:
                return message

    async def send(self, event: str, **body: object) -> None:
        await self.socket.send_text(json.dumps({"event": event, "streamSid": self.sid, **body}))

    async def say(self, pcm: bytes, mark: str = "") -> None:
        """All at once: the carrier buffers."""
        for frame in frames(pcm):
            payload = base64.b64encode(pcm_to_ulaw(frame)).decode()
            await self.send("media", media={"payload": payload})
        if mark:
            await self.send("mark", mark={"name": mark})

    def of(self, event: str) -> list[dict]:
        return [message for message in self.messages if message["event"] == event]


class Customer:
    """One customer on the shared server: its own URLs, so that nothing of another test arrives here."""

    def __init__(self, base_url: str, auth_token: str) -> None:
        self.received: list[Received] = []
        self.streams: list[Stream] = []
        self.documents: dict[str, str] = {}  # path's end → TwiML
        self.files: dict[str, bytes] = {}
        self.talk: Talk = listen
        self.base_url = base_url
        self._validator = RequestValidator(auth_token)
        self._news = asyncio.Condition()

    def url(self, name: str) -> str:
        return f"{self.base_url}/{name}"

    def connect(self, name: str = "media", after: str = "", **parameters: str) -> str:
        """TwiML that opens a stream to us."""
        url = self.url(name).replace("http", "ws", 1)
        inner = "".join(f'<Parameter name="{key}" value="{value}"/>' for key, value in parameters.items())
        return (
            f'<Response><Connect><Stream url="{url}" name="s1" statusCallback="{self.url("stream")}">{inner}'
            f"</Stream></Connect>{after}</Response>"
        )

    def named(self, name: str) -> list[Received]:
        return [item for item in self.received if item.name == name]

    def statuses(self) -> list[str]:
        return [item.form["CallStatus"] for item in self.named("status")]

    async def wait_for(self, condition: Callable[[], object], timeout_s: float = 15.0) -> None:
        async with asyncio.timeout(timeout_s), self._news:
            await self._news.wait_for(lambda: bool(condition()))

    async def wait_for_end(self, timeout_s: float = 15.0) -> dict[str, str]:
        """The final status callback."""
        final = {"completed", "busy", "no-answer", "failed", "canceled"}
        await self.wait_for(lambda: final & set(self.statuses()), timeout_s)
        return next(item.form for item in self.named("status") if item.form["CallStatus"] in final)

    async def callback(self, request: Request) -> Response:
        name = request.path_params["name"]
        form = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        genuine = self._validator.validate(
            str(request.url), form, request.headers.get("x-twilio-signature", "")
        )
        token = request.headers.get("i-twilio-idempotency-token", "")
        self.received.append(Received(name=name, form=form, token=token, genuine=genuine))
        await self._tell()
        if name in self.files:
            return Response(self.files[name], media_type="audio/wav")
        if name in self.documents:
            return Response(self.documents[name], media_type="text/xml")
        return Response(status_code=204)

    async def media(self, socket: WebSocket) -> None:
        url = str(socket.url)
        stream = Stream(socket, self._validator.validate(url, {}, socket.headers.get("x-twilio-signature", "")))
        self.streams.append(stream)
        await socket.accept()
        try:
            await self.talk(stream)
            await socket.close()
        except WebSocketDisconnect:
            pass
        finally:
            stream.closed = True
            await self._tell()

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()


async def listen(stream: Stream) -> None:
    """Say nothing, until the call is over."""
    await stream.until("stop")
