"""A websocket client without a task per connection: messages arrive by callback, sending never waits.

The pacer sends the frames of every call in one go, so it can't await each connection's buffer. A peer that
stops reading is cut off instead.
"""

import asyncio
import itertools
import ssl
from collections.abc import Callable, Mapping
from typing import cast

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidURI
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

MAX_MESSAGE_BYTES = 1 << 20
MAX_UNSENT_BYTES = 1 << 20  # over 30 s of media messages
CLOSE_TIMEOUT_S = 2.0
GARBAGE: tuple[str | bytes, ...] = ("{", b"\xff" * 7)


class HandshakeFailed(Exception):
    """The other side can't be reached or refused the websocket; the text says which, without the URL."""


class HandshakeTimedOut(HandshakeFailed):
    pass


class WebSocket(asyncio.Protocol):
    """`on_message` gets text or bytes; `on_close` the close code, once, unless we closed (1006: cut off)."""

    def __init__(
        self,
        protocol: ClientProtocol,
        on_message: Callable[[str | bytes], None],
        on_close: Callable[[int], None],
    ) -> None:
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._protocol = protocol
        self._on_message = on_message
        self._on_close = on_close
        self._closed_by_us = False
        self._opcode = Opcode.TEXT
        self._fragments: list[bytes] = []
        self._transport: asyncio.Transport | None = None

    def send(self, message: str | bytes) -> None:
        if self._protocol.state is not State.OPEN or self._transport is None:
            return
        if isinstance(message, bytes):
            self._protocol.send_binary(message)
        else:
            self._protocol.send_text(message.encode())
        self._flush()
        if self._transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self._transport.abort()

    def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        self._closed_by_us = True
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(code, reason)
            self._flush()
        if self._transport is not None:
            asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, self._transport.abort)

    def cut(self) -> None:
        """Break the connection without a word."""
        if self._transport is not None:
            self._transport.abort()

    def garble(self, every_s: float) -> None:
        """Send what is of no carrier's protocol, again and again until the end."""
        garbage = itertools.cycle(GARBAGE)

        def send() -> None:
            if self._protocol.state is State.OPEN:
                self.send(next(garbage))
                loop.call_later(every_s, send)

        loop = asyncio.get_running_loop()
        loop.call_later(every_s, send)

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        self._flush()
        for event in self._protocol.events_received():
            if isinstance(event, Response):
                self._answer_handshake(event)
            elif isinstance(event, Frame):
                self._receive(event)

    def eof_received(self) -> None:
        self._protocol.receive_eof()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._protocol.receive_eof()
        if not self.opened.done():
            self.opened.set_exception(HandshakeFailed("the connection closed during the handshake"))
            self.opened.exception()  # seen: whoever waited may have given up already
        elif not self._closed_by_us and not self.opened.cancelled() and self.opened.exception() is None:
            self._on_close(self._protocol.close_code or CloseCode.ABNORMAL_CLOSURE)

    def _answer_handshake(self, response: Response) -> None:
        if self.opened.done():
            return
        if self._protocol.handshake_exc is None:
            self.opened.set_result(None)
        else:
            self.opened.set_exception(HandshakeFailed(f"the server answered {response.status_code}"))

    def _receive(self, frame: Frame) -> None:
        match frame.opcode:
            case Opcode.TEXT | Opcode.BINARY:
                self._opcode = frame.opcode
                self._fragments = [bytes(frame.data)]
            case Opcode.CONT:
                self._fragments.append(bytes(frame.data))
            case _:
                return
        if frame.fin and not self._closed_by_us:
            message = b"".join(self._fragments)
            self._fragments = []
            self._on_message(message.decode(errors="replace") if self._opcode is Opcode.TEXT else message)

    def _flush(self) -> None:
        assert self._transport is not None
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
            elif self._transport.can_write_eof():
                self._transport.write_eof()
            else:
                self._transport.close()


async def connect(
    url: str,
    headers: Mapping[str, str],
    *,
    on_message: Callable[[str | bytes], None],
    on_close: Callable[[int], None],
    timeout_s: float = 5.0,
) -> WebSocket:
    """Raises HandshakeFailed."""
    try:
        uri = parse_uri(url)
    except InvalidURI as exc:
        raise HandshakeFailed("the URL is not a websocket URL") from exc
    protocol = ClientProtocol(uri, max_size=MAX_MESSAGE_BYTES)
    request = protocol.connect()
    for name, value in headers.items():
        request.headers[name] = value
    protocol.send_request(request)
    socket: WebSocket | None = None
    try:
        async with asyncio.timeout(timeout_s):
            _, socket = await asyncio.get_running_loop().create_connection(
                lambda: WebSocket(protocol, on_message, on_close),
                uri.host,
                uri.port,
                ssl=ssl.create_default_context() if uri.secure else None,
            )
            await socket.opened
    except BaseException as exc:
        if socket is not None:
            socket.opened.cancel()
            socket.cut()
        match exc:
            case TimeoutError():
                raise HandshakeTimedOut("no answer in time") from exc
            case OSError():
                raise HandshakeFailed("the server can't be reached") from exc
        raise
    return socket
