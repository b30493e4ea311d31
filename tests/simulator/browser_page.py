"""A page that is a phone, and the customers of the three carriers who call it, each by their carrier's own REST."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from outdial.media.frames import FRAME_MS, frames
from outdial.media.tones import tone
from simulator.customers import Customers
from simulator.telnyx.telnyx_customer import TelnyxCustomer, TelnyxSetup
from simulator.vonage.conftest import Setup as VonageSetup
from simulator.vonage.customer import Customer as VonageCustomer

ORIGIN = "http://localhost:8000"
PHONE = "+12025550190"
GREETING = tone((600,), 400)

# How each carrier reports an end: its own word, and the SIP code.
ENDINGS = {
    "twilio": {
            "talked": ("completed", "200"),
            "declined": ("busy", "603"),
            "rang out": ("no-answer", "487"),
            "busy": ("busy", "486"),
            "off": ("no-answer", "480"),
            "cancelled": ("canceled", "487"),
    },
    "vonage": {
            "talked": ("completed", 200),
            "declined": ("rejected", 603),
            "rang out": ("timeout", None),
            "busy": ("busy", 486),
            "off": ("unanswered", 480),
            "cancelled": ("cancelled", None),
    },
    "telnyx": {
            "talked": ("normal_clearing", "200"),
            "declined": ("call_rejected", "603"),
            "rang out": ("timeout", "487"),
            "busy": ("user_busy", "486"),
            "off": ("no_answer", "480"),
            "cancelled": ("originator_cancel", "487"),
    },
}


class Page:
    """Keeps what it is told and hears; `close_code` is there when the simulator has closed."""

    def __init__(self, socket: ClientConnection) -> None:
        self.told: list[dict] = []
        self.heard = bytearray()
        self.frame_bytes: set[int] = set()
        self.close_code: int | None = None
        self._socket = socket
        self._news = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    async def send(self, type_: str, **facts: str) -> None:
        await self._socket.send(json.dumps({"type": type_, **facts}))

    async def send_raw(self, message: str | bytes) -> None:
        await self._socket.send(message)

    async def say(self, pcm: bytes) -> None:
        """At real pace."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        for frame in frames(pcm):
            await self._socket.send(frame)
            due += FRAME_MS / 1000
            await asyncio.sleep(max(0.0, due - loop.time()))

    async def event(self, type_: str, count: int = 1) -> dict:
        await self.until(lambda: len(self.of(type_)) >= count or self.close_code is not None)
        return self.of(type_)[count - 1]

    async def until(self, condition) -> None:
        async with asyncio.timeout(10), self._news:
            await self._news.wait_for(lambda: bool(condition()))

    def of(self, type_: str) -> list[dict]:
        return [event for event in self.told if event["type"] == type_]

    def types(self) -> list[str]:
        return [event["type"] for event in self.told]

    async def close(self) -> None:
        await self._socket.close()
        await self._reading

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in self._socket:
                if isinstance(message, bytes):
                    self.heard += message
                    self.frame_bytes.add(len(message))
                else:
                    self.told.append(json.loads(message))
                await self._tell()
        self.close_code = self._socket.close_code
        await self._tell()

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()


@contextlib.asynccontextmanager
async def open_page(
    base_url: str, number: str = "", origin: str | None = ORIGIN
) -> AsyncIterator[Page]:
    url = base_url.replace("http", "ws", 1) + "/_simulator/phone"
    if number:
        url += f"?number={quote(number)}"
    async with connect(url, origin=origin, proxy=None) as socket:
        page = Page(socket)
        try:
            yield page
        finally:
            await page.close()


class Caller:
    """A customer of one carrier with a media stream: greets with GREETING, then listens to the end."""

    name: str
    streams: list
    greeted = GREETING

    @property
    def endings(self) -> dict[str, tuple]:
        return ENDINGS[self.name]

    async def call(self, **wishes) -> None: ...

    async def hang_up(self) -> None: ...

    async def end(self) -> tuple:
        """How the carrier reports the call's end."""
        raise NotImplementedError

    async def wait_for(self, condition) -> None: ...

    def digits(self) -> list[str]:
        """Digits that came through the media stream, or as the carrier reports them."""
        raise NotImplementedError

    async def verdict(self) -> str:
        raise NotImplementedError

    @property
    def heard(self) -> bytes:
        return bytes(self.streams[-1].heard) if self.streams else b""

    async def digit(self) -> str:
        """The first one."""
        async with asyncio.timeout(10):
            while not self.digits():  # noqa: ASYNC110 - streams announce nothing
                await asyncio.sleep(0.02)
        return self.digits()[0]


class TwilioCaller(Caller):
    name = "twilio"

    def __init__(self, setup) -> None:
        self.setup = setup
        self.customer = setup.customer
        self.streams = self.customer.streams
        self.wait_for = self.customer.wait_for

        async def talk(stream) -> None:
            await stream.until("start")
            await stream.say(self.greeted)
            await stream.until("stop")

        self.customer.talk = talk

    async def call(self, *, ring_s: int = 30, amd: bool = False, to: str = "90") -> None:
        fields = {"Timeout": str(ring_s)}
        if amd:
            amd_url = self.customer.url("amd")
            fields |= {"MachineDetection": "Enable", "AsyncAmd": "true", "AsyncAmdStatusCallback": amd_url}
        self.sid = (await self.setup.place(to, **fields))["sid"]

    async def hang_up(self) -> None:
        await self.setup.update(self.sid, Status="completed")

    async def end(self) -> tuple:
        form = await self.customer.wait_for_end()
        return form["CallStatus"], form["SipResponseCode"]

    def digits(self) -> list[str]:
        return [message["dtmf"]["digit"] for stream in self.streams for message in stream.of("dtmf")]

    async def verdict(self) -> str:
        await self.wait_for(lambda: self.customer.named("amd"))
        return self.customer.named("amd")[0].form["AnsweredBy"]

    async def take_calls(self) -> str:
        number = next(iter(self.setup.simulator.account.numbers.values()))
        number.voice_url, number.status_callback = self.customer.url("voice"), self.customer.url("status")
        self.customer.documents["voice"] = self.customer.connect()
        return number.phone_number


class VonageCaller(Caller):
    name = "vonage"

    def __init__(self, setup: VonageSetup) -> None:
        self.setup = setup
        self.customer = setup.customer
        self.streams = self.customer.sockets
        self.wait_for = self.customer.wait_for

        async def talk(media) -> None:
            await media.until("connected")
            await media.say(self.greeted)
            while True:
                await media.receive()

        self.customer.talk = talk

    async def call(self, *, ring_s: int = 30, amd: bool = False, to: str = "90") -> None:
        detect = {"machine_detection": "continue"} if amd else {}
        self.uuid = await self.setup.place(to, ringing_timer=ring_s, **detect)

    async def hang_up(self) -> None:
        await self.setup.update(self.uuid, action="hangup")

    async def end(self) -> tuple:
        phones = [body["uuid"] for body in self.customer.named("event") if body.get("status") == "started"]
        body = await self.customer.wait_for_end(getattr(self, "uuid", None) or phones[0])
        return body["status"], body.get("sip_code")

    def digits(self) -> list[str]:
        return [
            message["digit"]
            for stream in self.streams
            for message in stream.messages
            if message["event"] == "websocket:dtmf"
        ]

    async def verdict(self) -> str:
        await self.wait_for(lambda: {"human", "machine"} & set(self.customer.events()))
        return next(status for status in self.customer.events() if status in ("human", "machine"))

    async def take_calls(self) -> str:
        webhooks = {
            "answer_url": {"address": self.customer.url("answer"), "http_method": "POST"},
            "event_url": {"address": self.customer.url("event")},
        }
        await self.setup.put_application(capabilities={"voice": {"signed_callbacks": True, "webhooks": webhooks}})
        await self.setup.link(self.setup.config.application_id)
        self.customer.replies["answer"] = [self.customer.connect()]
        return f"+{self.setup.number}"


class TelnyxCaller(Caller):
    name = "telnyx"

    def __init__(self, setup: TelnyxSetup) -> None:
        self.setup = setup
        self.customer = setup.customer
        self.streams = self.customer.streams
        self.wait_for = self.customer.wait_for

        async def talk(stream) -> None:
            await stream.until("start")
            await stream.say(self.greeted)
            await stream.until("stop")

        self.customer.talk = talk

    async def call(self, *, ring_s: int = 30, amd: bool = False, to: str = "90") -> None:
        detect = {"answering_machine_detection": "detect"} if amd else {}
        wishes = {**self.setup.streaming(), "timeout_secs": max(5, ring_s), **detect}
        self.id = (await self.setup.place(to, **wishes))["call_control_id"]

    async def hang_up(self) -> None:
        await self.setup.act(self.id, "hangup")

    async def end(self) -> tuple:
        payload = await self.customer.event("call.hangup")
        return payload["hangup_cause"], payload["sip_hangup_cause"]

    def digits(self) -> list[str]:
        return [item.payload["digit"] for item in self.customer.of("call.dtmf.received")]

    async def verdict(self) -> str:
        return (await self.customer.event("call.machine.detection.ended"))["result"]

    async def take_calls(self) -> str:
        account = self.setup.simulator.telnyx
        application = next(iter(account.applications.values()))
        application.webhook_event_url = self.customer.url("application")
        number = next(iter(account.numbers.values()))
        number.connection_id = application.id
        return number.phone_number

    async def answer(self) -> None:
        """By command, as calls are answered at Telnyx."""
        initiated = await self.customer.event("call.initiated")
        await self.setup.act(initiated["call_control_id"], "answer", **self.setup.streaming())


@contextlib.asynccontextmanager
async def caller_of(carrier: str, setup) -> AsyncIterator[Caller]:
    """A customer of that carrier, on the running simulator of `setup`."""
    async with contextlib.AsyncExitStack() as stack:
        match carrier:
            case "twilio":
                yield TwilioCaller(setup)
            case "vonage":
                customers = await stack.enter_async_context(Customers(VonageCustomer).serve())
                config = setup.simulator.vonage.config
                vonage = VonageSetup(setup.simulator, customers.new(config.signature_secret), config)
                await stack.enter_async_context(vonage.http)
                yield VonageCaller(vonage)
            case "telnyx":
                customers = await stack.enter_async_context(Customers(TelnyxCustomer).serve())
                telnyx = TelnyxSetup(setup.simulator, customers.new())
                yield TelnyxCaller(telnyx)
                await telnyx.reset()


async def phones(setup) -> dict[str, str]:
    """Each phone's number and its state."""
    told = (await setup.http.get("/_simulator", auth=None)).json()["phones"]
    return {phone["number"]: phone["state"] for phone in told}
