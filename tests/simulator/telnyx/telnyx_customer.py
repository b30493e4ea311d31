"""The other side of the simulated Telnyx: takes callbacks and media streams, judged by Telnyx's own SDK."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import httpx
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect
from telnyx import AsyncTelnyx

from outdial.media.frames import frames
from outdial.simulator.telnyx import codecs

WEBHOOKS = AsyncTelnyx(api_key="unused").webhooks

Talk = Callable[["Stream"], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    name: str  # the path's end
    body: dict
    event: str
    genuine: bool  # in the judgement of Telnyx's SDK

    @property
    def payload(self) -> dict:
        return self.body["data"]["payload"]


def is_genuine(body: str, headers: Mapping[str, str], public_key: str) -> bool:
    try:
        WEBHOOKS.unwrap(body, headers=headers, key=public_key)
    except ValueError:
        return False
    return True


class Stream:
    """One media websocket, seen by the customer; `codec` is what it sends."""

    codec = "PCMU"

    def __init__(self, socket: WebSocket) -> None:
        self.socket = socket
        self.messages: list[dict] = []
        self.heard = bytearray()  # PCM
        self.encoding = ""
        self.closed = False

    async def receive(self) -> dict:
        """The next message; raises WebSocketDisconnect."""
        message = json.loads(await self.socket.receive_text())
        self.messages.append(message)
        if message["event"] == "start":
            self.encoding = message["start"]["media_format"]["encoding"]
        if message["event"] == "media":
            self.heard += codecs.decode(self.encoding, base64.b64decode(message["media"]["payload"]))
        return message

    async def until(self, event: str) -> dict:
        while True:
            message = await self.receive()
            if message["event"] == event:
                return message

    async def send(self, event: str, **body: object) -> None:
        await self.socket.send_text(json.dumps({"event": event, **body}))

    async def say(self, pcm: bytes, mark: str = "") -> None:
        """All at once: the carrier buffers."""
        for frame in frames(pcm):
            await self.send("media", media={"payload": base64.b64encode(codecs.encode(self.codec, frame)).decode()})
        if mark:
            await self.send("mark", mark={"name": mark})

    def of(self, event: str) -> list[dict]:
        return [message for message in self.messages if message["event"] == event]


class TelnyxCustomer:
    """One customer on the shared server: its own URLs, so that nothing of another test arrives here."""

    def __init__(self, base_url: str) -> None:
        self.received: list[Received] = []
        self.streams: list[Stream] = []
        self.files: dict[str, bytes] = {}
        self.answers: dict[str, list[int]] = {}  # path's end → statuses to answer with, one after the other
        self.hold = asyncio.Event()  # a callback to /held waits for it
        self.talk: Talk = listen
        self.public_key = ""
        self.base_url = base_url
        self._news = asyncio.Condition()

    def url(self, name: str) -> str:
        return f"{self.base_url}/{name}"

    @property
    def media_url(self) -> str:
        return self.url("media").replace("http", "ws", 1)

    def events(self) -> list[str]:
        return [item.event for item in self.received]

    def of(self, event: str) -> list[Received]:
        return [item for item in self.received if item.event == event]

    async def wait_for(self, condition: Callable[[], object], timeout_s: float = 15.0) -> None:
        async with asyncio.timeout(timeout_s), self._news:
            await self._news.wait_for(lambda: bool(condition()))

    async def event(self, name: str, timeout_s: float = 15.0) -> dict:
        """The payload of the first event of that name."""
        await self.wait_for(lambda: self.of(name), timeout_s)
        return self.of(name)[0].payload

    async def callback(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name in self.files:
            return Response(self.files[name], media_type="audio/wav")
        raw = (await request.body()).decode()
        genuine = is_genuine(raw, request.headers, self.public_key)
        body = json.loads(raw)
        self.received.append(
            Received(name=name, body=body, event=body["data"]["event_type"], genuine=genuine)
        )
        await self._tell()
        if name == "held":
            await self.hold.wait()
        statuses = self.answers.get(name)
        return Response(status_code=statuses.pop(0) if statuses else 200)

    async def media(self, socket: WebSocket) -> None:
        stream = Stream(socket)
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


class TelnyxSetup:
    """A simulator, its customer, and the REST calls tests make most."""

    def __init__(self, simulator, customer: TelnyxCustomer) -> None:
        self.simulator = simulator
        self.customer = customer
        self.config = simulator.telnyx.config
        self.root = httpx.AsyncClient(base_url=simulator.base_url, trust_env=False)
        self.http = httpx.AsyncClient(
            base_url=f"{simulator.base_url}/v2",
            headers={"authorization": f"Bearer {self.config.api_key}"},
            trust_env=False,
        )
        customer.public_key = simulator.telnyx.courier.signer.public_key

    def dial(self, callee: str = "00", **fields) -> dict:
        """The body of a dial to callee NN; None leaves a field out."""
        body = {
            "connection_id": self.config.connection_id,
            "to": f"+120255501{callee}",
            "from": self.config.numbers[0],
            "webhook_url": self.customer.url("events"),
            "client_state": "Y2FsbF8x",
            **fields,
        }
        return {name: value for name, value in body.items() if value is not None}

    def streaming(self, **fields) -> dict:
        return {
            "stream_url": self.customer.media_url,
            "stream_codec": "PCMU",
            "stream_bidirectional_mode": "rtp",
            **fields,
        }

    async def create(self, callee: str = "00", **fields) -> httpx.Response:
        return await self.http.post("/calls", json=self.dial(callee, **fields))

    async def place(self, callee: str = "00", **fields) -> dict:
        response = await self.create(callee, **fields)
        response.raise_for_status()
        return response.json()["data"]

    async def answered(self, callee: str = "11", **fields) -> str:
        """Places a call and waits for the answer; its call_control_id."""
        call = await self.place(callee, **fields)
        await self.customer.event("call.answered")
        return call["call_control_id"]

    async def act(self, call_control_id: str, action: str, **fields) -> httpx.Response:
        return await self.http.post(f"/calls/{call_control_id}/actions/{action}", json=fields)

    async def ended(self, call_control_id: str) -> None:
        """Until the call is over, also when no callback tells it."""
        live = self.simulator.telnyx.live.get(call_control_id)
        if live is not None:
            await live.ended.wait()

    async def fault(self, kind: str, **fields) -> None:
        reply = await self.root.post("/_simulator/faults", json={"kind": kind, **fields})
        assert reply.status_code == 201

    async def known(self) -> list[dict]:
        """What the simulator's own API tells of the calls."""
        return (await self.root.get("/_simulator/calls")).json()["calls"]

    async def reset(self) -> None:
        await self.root.delete("/_simulator/faults")
        await self.root.delete("/_simulator/calls")
        await self.http.aclose()
        await self.root.aclose()


async def listen(stream: Stream) -> None:
    """Say nothing, until the stream is over."""
    await stream.until("stop")
