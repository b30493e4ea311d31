"""Where a browser becomes a phone: the websocket /_simulator/phone?number=+12025550190.

Text messages are JSON objects with a `type`, binary ones 20 ms of audio (PCM16 little-endian, 8000 Hz, 320 bytes).
"""

import asyncio
import ipaddress
import json
from collections import deque
from collections.abc import Collection, Sequence
from contextlib import suppress
from urllib.parse import urlsplit

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from outdial.media.frames import FRAME_BYTES, FRAME_MS, SAMPLE_RATE_HZ
from outdial.simulator.background import Background
from outdial.simulator.carrier import CannotCallIn, Carrier, call_in
from outdial.simulator.handset import KEYS, Handset
from outdial.simulator.network import Network
from outdial.simulator.waiting import first_of

NOT_A_PHONES_NUMBER = 4400  # close codes of our own, from the range RFC 6455 leaves to applications
REPLACED = 4409
MISBEHAVED = 1008

MAX_MISTAKES = 20
UNSENT_FRAMES = 10   # 200 ms; older audio is of no use to a page that fell behind
SEND_TIMEOUT_S = 10  # a page that takes nothing for so long is gone


class BrowserPhones:
    def __init__(self, network: Network, carriers: Sequence[Carrier], allowed_origins: Collection[str]) -> None:
        self._network = network
        self._carriers = carriers
        self._allowed_origins = frozenset(allowed_origins)

    def route(self) -> WebSocketRoute:
        return WebSocketRoute("/_simulator/phone", self._serve)

    async def _serve(self, websocket: WebSocket) -> None:
        # Websockets know no same-origin policy: without this, any page the developer looks at could listen in.
        if not is_welcome(websocket.headers.getlist("origin"), self._allowed_origins):
            await websocket.close()  # before it was accepted: 403
            return
        await websocket.accept()
        # A + that wasn't encoded arrives as a space.
        number = websocket.query_params.get("number", "").replace(" ", "+")
        handset = self._network.handsets.open(number or self._network.handsets.default_number)
        if handset is None:
            await websocket.close(NOT_A_PHONES_NUMBER, "a phone's number is +12025550131 to +12025550199")
            return
        page = _Page(websocket)
        handset.connect(page)
        try:
            async with Background() as both:
                await first_of(both.start(self._read(websocket, page, handset)), both.start(page.write()))
        finally:
            handset.disconnect(page)

    async def _read(self, websocket: WebSocket, page: "_Page", handset: Handset) -> None:
        mistakes = 0
        while (message := await websocket.receive())["type"] == "websocket.receive":
            if handset.browser is not page or mistakes == MAX_MISTAKES:
                continue
            if message.get("bytes") is not None:
                mistake = _hear(handset, message["bytes"])
            else:
                mistake = self._obey(handset, message["text"])
            if mistake:
                mistakes += 1
                page.tell("error", detail=mistake)
                if mistakes == MAX_MISTAKES:
                    page.close(MISBEHAVED, "too many messages that are not understood")

    def _obey(self, handset: Handset, text: str) -> str:
        """Do what the person asks for; what is wrong with it, "" if nothing is.

        What comes too late (an answer when nothing rings any more) is nobody's mistake.
        """
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            return "not JSON"
        match message:
            case {"type": "answer"}:
                if handset.call is not None:
                    handset.call.answer()
            case {"type": "decline"}:
                if handset.call is not None:
                    handset.call.decline()
            case {"type": "hang_up"}:
                if handset.call is not None:
                    handset.call.hang_up()
            case {"type": "digit", "digit": str(digit)} if len(digit) == 1 and digit in KEYS:
                if handset.call is not None:
                    handset.call.press(digit)
            case {"type": "call", "to": str(to), "carrier": str(carrier)}:
                return self._call(handset, to, carrier)
            case {"type": "call", "to": str(to)} if "carrier" not in message:
                return self._call(handset, to, "")
            case _:
                return "not a message of this protocol"
        return ""

    def _call(self, handset: Handset, to: str, carrier: str) -> str:
        if handset.call is not None:
            return "this phone has a call"
        call = handset.begin(incoming=False, other=to)
        try:
            call_in(self._carriers, to, from_=handset.number, callee=handset, carrier=carrier)
        except CannotCallIn as exc:
            call.refuse(str(exc))
        return ""


def is_welcome(origins: Sequence[str], allowed: Collection[str]) -> bool:
    """Whether a handshake with these Origin headers may go on.

    No header: not a browser, so nobody's page. Otherwise it is loopback's, any port, or one of `allowed`.
    """
    if not origins:
        return True
    [origin, *more] = origins
    return not more and (origin in allowed or _is_loopback(origin))


def _is_loopback(origin: str) -> bool:
    try:
        url = urlsplit(origin)
        host = url.hostname or ""
        if url.scheme not in ("http", "https") or origin != f"{url.scheme}://{url.netloc}" or "@" in url.netloc:
            return False
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _hear(handset: Handset, frame: bytes) -> str:
    if len(frame) != FRAME_BYTES:
        return f"audio comes in frames of {FRAME_BYTES} bytes"
    if handset.call is not None:
        handset.call.say(frame)
    return ""


class _Page:
    """The handset's Browser. What happens is told in order and before audio; audio that waits too long is dropped."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._events: deque[str] = deque()
        self._audio: deque[bytes] = deque(maxlen=UNSENT_FRAMES)
        self._closing: tuple[int, str] | None = None
        self._news = asyncio.Event()

    def tell(self, event: str, **facts: str) -> None:
        if event == "ready":
            format_ = {"sample_rate_hz": SAMPLE_RATE_HZ, "frame_ms": FRAME_MS}
            self._events.append(json.dumps({"type": event, **facts, **format_}))
        else:
            self._events.append(json.dumps({"type": event, **facts}))
        self._news.set()

    def play(self, frame: bytes) -> None:
        self._audio.append(frame)
        self._news.set()

    def replace(self) -> None:
        self.tell("replaced")
        self.close(REPLACED, "another page is this phone now")

    def close(self, code: int, reason: str) -> None:
        """After everything that was told."""
        self._closing = self._closing or (code, reason)
        self._news.set()

    async def write(self) -> None:
        """Until the websocket is closed, or the page takes nothing any more."""
        with suppress(WebSocketDisconnect, TimeoutError):
            while self._closing is None or self._events:
                await self._news.wait()
                self._news.clear()
                while self._events or self._audio:
                    async with asyncio.timeout(SEND_TIMEOUT_S):
                        if self._events:
                            await self._websocket.send_text(self._events.popleft())
                        else:
                            await self._websocket.send_bytes(self._audio.popleft())
            await self._websocket.close(*self._closing)
