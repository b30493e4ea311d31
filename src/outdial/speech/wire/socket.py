"""One websocket to a vendor: messages arrive by callback in the transport's own, sending never waits. No task is
behind it: a process has many calls, and each of them two vendors.

A vendor that stops reading is cut off: what it hasn't read is of a moment that is over.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidURI
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from outdial.net.guarded import tls
from outdial.net.websocket_frames import BINARY, TEXT, masked_message, whole_messages
from outdial.speech.wire.failures import Fault, VendorFailed, by_close, by_status

logger = logging.getLogger(__name__)
_wire_log = logging.getLogger("outdial.speech.wire.frames")  # the library's own, at debug: frames hold what is said
_wire_log.setLevel(logging.WARNING)

OPEN_S = 2.0                 # for name, connection, TLS and handshake together
CLOSE_S = 1.0                # for the vendor's answer to our close
MAX_MESSAGE_BYTES = 4 << 20  # a minute of base64 audio and its word times
MAX_UNSENT_BYTES = 1 << 18   # half a minute of mu-law


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """`url` begins with ws:// or wss://; `headers` hold the key, and are shown to nobody."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class Receiver(Protocol):
    """What one websocket tells. Called on the event loop; must not wait."""

    def message(self, message: str | bytes) -> None:
        """Raises ValueError for what isn't of the vendor's protocol: the connection is given up."""
        ...

    def gone(self, failure: VendorFailed) -> None:
        """Once, unless we closed it. Nothing arrives any more."""
        ...


class Wire(Protocol):
    """An open websocket, or one in a test's memory."""

    @property
    def is_open(self) -> bool: ...

    def send(self, message: str | bytes) -> None:
        """Text or binary, at once. Sent into nothing when it isn't open any more: `gone` says so."""
        ...

    def close(self, last: str | None = None) -> None:
        """After a `last` message; whoever closes hears nothing any more. Does nothing the second time."""
        ...


Open = Callable[[Endpoint, Receiver], Coroutine[Any, Any, Wire]]


class Socket(asyncio.Protocol):
    """A Wire over TCP, with or without TLS."""

    def __init__(self, protocol: ClientProtocol, receiver: Receiver) -> None:
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._protocol = protocol
        self._receiver: Receiver | None = receiver  # None: it was told the end, or wants to hear nothing
        self._opcode = Opcode.TEXT
        self._fragments: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._cutting: asyncio.TimerHandle | None = None

    @property
    def is_open(self) -> bool:
        return self._receiver is not None and self._protocol.state is State.OPEN

    def send(self, message: str | bytes) -> None:
        if not self.is_open or self._transport is None:
            return
        first_byte, payload = (BINARY, message) if isinstance(message, bytes) else (TEXT, message.encode())
        self._transport.write(masked_message(first_byte, payload, os.urandom(4)))
        if self._transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self._fail(VendorFailed(Fault.SLOW))

    def close(self, last: str | None = None) -> None:
        if last is not None:
            self.send(last)
        if self._receiver is None:
            return
        self._receiver = None
        self._end(CloseCode.NORMAL_CLOSURE)

    def cut(self) -> None:
        """Without a word."""
        self._receiver = None
        if self._transport is not None:
            self._transport.abort()

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._flush()

    def data_received(self, data: bytes) -> None:
        protocol = self._protocol
        if self.is_open and self.opened.done() and not protocol.reader.buffer and protocol.current_size is None:
            messages = whole_messages(data, masked=False)
            if messages is not None:
                for first_byte, payload in messages:
                    self._deliver(payload, is_text=first_byte == TEXT)
                return
        protocol.receive_data(data)
        self._flush()
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._receive(event)
            elif isinstance(event, Response):
                self._answered(event)
        if self._protocol.state is State.CLOSING:  # the vendor has said goodbye, and may keep the line all the same
            self._tell(self._why_closed())
            self._end(CloseCode.NORMAL_CLOSURE)

    def eof_received(self) -> None:
        self._protocol.receive_eof()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._protocol.receive_eof()
        if self._cutting is not None:
            self._cutting.cancel()
            self._cutting = None
        if not self.opened.done():
            self.opened.set_exception(VendorFailed(Fault.UNREACHABLE))
            self.opened.exception()  # seen: whoever waited may have given up already
        self._tell(self._why_closed())

    def _answered(self, response: Response) -> None:
        if self.opened.done():
            return
        if self._protocol.handshake_exc is None:
            self.opened.set_result(None)
            return
        # 101 with a wrong signature is no websocket server.
        status, body = response.status_code, bytes(response.body or b"")
        failure = VendorFailed(Fault.UNREADABLE, status=status) if status < 300 else by_status(status, body)
        self.opened.set_exception(failure)

    def _receive(self, frame: Frame) -> None:
        match frame.opcode:
            case Opcode.TEXT | Opcode.BINARY:
                self._opcode = frame.opcode
                if not frame.fin:
                    self._fragments = [bytes(frame.data)]
                    return
                data = bytes(frame.data)
            case Opcode.CONT:
                self._fragments.append(bytes(frame.data))
                if not frame.fin:
                    return
                data, self._fragments = b"".join(self._fragments), []
            case _:
                return
        self._deliver(data, is_text=self._opcode is Opcode.TEXT)

    def _deliver(self, data: bytes, *, is_text: bool) -> None:
        if self._receiver is None:
            return
        try:
            self._receiver.message(data.decode() if is_text else data)
        except ValueError:  # of text that isn't UTF-8, too
            self._fail(VendorFailed(Fault.UNREADABLE))
        except Exception:
            logger.exception("Speech vendor's message not handled")
            self._fail(VendorFailed(Fault.UNREADABLE))

    def _fail(self, failure: VendorFailed) -> None:
        self._tell(failure)
        if failure.fault is Fault.SLOW:
            self.cut()
        else:
            self._end(CloseCode.UNSUPPORTED_DATA)

    def _tell(self, failure: VendorFailed) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is None or not self.opened.done() or self.opened.cancelled() or self.opened.exception():
            return  # it never was open: whoever opens it is told
        receiver.gone(failure)

    def _why_closed(self) -> VendorFailed:
        theirs = self._protocol.close_rcvd
        return by_close(CloseCode.ABNORMAL_CLOSURE) if theirs is None else by_close(theirs.code, theirs.reason)

    def _end(self, code: CloseCode) -> None:
        if self._transport is None:
            return
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(code)
            self._flush()
        if self._cutting is None:
            self._cutting = asyncio.get_running_loop().call_later(CLOSE_S, self._transport.abort)

    def _flush(self) -> None:
        assert self._transport is not None
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
            elif self._transport.can_write_eof():
                self._transport.write_eof()
            else:
                self._transport.close()


async def open_socket(endpoint: Endpoint, receiver: Receiver) -> Wire:
    """Raises VendorFailed."""
    try:
        uri = parse_uri(endpoint.url)
    except InvalidURI as error:
        raise VendorFailed(Fault.REFUSED) from error
    protocol = ClientProtocol(uri, max_size=MAX_MESSAGE_BYTES, logger=_wire_log)
    request = protocol.connect()
    for name, value in endpoint.headers.items():
        request.headers[name] = value
    protocol.send_request(request)
    made: list[Socket] = []

    def make() -> Socket:
        made.append(Socket(protocol, receiver))
        return made[-1]

    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(OPEN_S):
            await loop.create_connection(make, uri.host, uri.port, ssl=tls() if uri.secure else None)
            await made[0].opened
    except BaseException as error:
        for socket in made:
            socket.opened.cancel()
            socket.cut()
        if isinstance(error, TimeoutError | OSError):
            raise VendorFailed(Fault.UNREACHABLE) from error
        raise
    return made[0]
