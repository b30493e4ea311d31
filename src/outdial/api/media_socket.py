"""The websockets carriers open for a call's audio, served on the HTTP server's own port.

An ASGI websocket costs a queue, a task switch and a pause and resume of the socket for every 20 ms frame. So uvicorn
is given this protocol class instead (its `ws` setting): it decodes each frame in the transport's own callback and
hands it to the media line. The websocket protocol itself is the `websockets` library's, without I/O (sansio).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Protocol, cast

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from outdial.api.request_ids import HEADER, take_request_id
from outdial.conversation.media_line import MediaSocket
from outdial.db.trouble import tell_seldom
from outdial.logs import Seldom
from outdial.net.websocket_frames import BINARY, TEXT, header, whole_messages

logger = logging.getLogger(__name__)

_failed = Seldom()  # handshakes, with the database away
_wire_log = logging.getLogger("outdial.media.websocket")
_wire_log.setLevel(logging.WARNING)  # below, it logs every connection, and the handshake with the stream's token

MAX_MESSAGE_BYTES = 128 * 1024
MAX_UNSENT_BYTES = 256 * 1024  # about 20 s of audio nobody reads
HANDSHAKE_TIMEOUT_S = 8.0  # the callee hears nothing meanwhile
CLOSE_TIMEOUT_S = 2.0
ORDERLY_CLOSES = (1000, 1001, 1005)  # RFC 6455 section 7.4.1; 1005 stands for a close frame without a code


class Receiver(Protocol):
    """Who takes a websocket's messages: a media line."""

    def received(self, message: str | bytes) -> None: ...
    def disconnected(self, *, orderly: bool) -> None: ...


Start = Callable[[MediaSocket], Receiver]
Handshake = Callable[[str, Mapping[str, str]], Awaitable[Start | None]]  # path (and query), headers → refuse or start


class MediaSocketProtocol(asyncio.Protocol):
    """One websocket connection; also the media line's MediaSocket."""

    def __init__(self, handshake: Handshake, connections: set[Any]) -> None:
        self._handshake = handshake
        self._connections = connections
        self._websocket = ServerProtocol(max_size=MAX_MESSAGE_BYTES, logger=_wire_log)
        self._transport: asyncio.Transport
        self._receiver: Receiver | None = None
        self._answering: asyncio.Task[None] | None = None
        self._fragments: list[bytes] = []
        self._text = False
        self._failed = False  # nothing more of what the peer sends is passed on
        self._closing: asyncio.TimerHandle | None = None
        self._count_out: Callable[[], None] = lambda: None

    def when_counted_out(self, count_out: Callable[[], None]) -> None:
        """To be called once this counts no longer as a stranger's connection: it is a call's audio, or it is lost."""
        self._count_out = count_out

    # -- asyncio.Protocol ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._count_out()
        if self._closing is not None:
            self._closing.cancel()
        if self._answering is not None:
            self._answering.cancel()
        if self._receiver is not None:
            closed = self._websocket.close_rcvd
            self._receiver.disconnected(orderly=closed is not None and closed.code in ORDERLY_CLOSES)

    def data_received(self, data: bytes) -> None:
        websocket = self._websocket
        if self._receiver is not None and not websocket.reader.buffer and websocket.current_size is None:
            messages = whole_messages(data, masked=True)
            if messages is not None and websocket.state is State.OPEN:
                for first_byte, payload in messages:
                    self._text = first_byte == TEXT
                    self._message(payload)
                return
        websocket.receive_data(data)
        for event in websocket.events_received():
            if isinstance(event, Frame):
                self._frame(event)
            elif isinstance(event, Request):
                self._answering = asyncio.get_running_loop().create_task(self._answer(event))
        self._flush()
        if websocket.close_expected() and self._closing is None:
            self._closing = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, self._transport.abort)

    def eof_received(self) -> None:
        self._websocket.receive_eof()
        self._flush()

    # -- MediaSocket -----------------------------------------------------------------------------------------

    def send(self, message: str | bytes) -> None:
        if self._websocket.state is not State.OPEN or self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            logger.warning("Media socket stalled")
            self._transport.abort()
            return
        if isinstance(message, str):
            payload = message.encode()
            self._transport.write(header(TEXT, len(payload)) + payload)
        else:
            self._transport.write(header(BINARY, len(message)) + message)

    def close(self, code: int = 1000) -> None:
        if self._websocket.state is State.OPEN:
            self._websocket.send_close(code)
            self._flush()
            if self._closing is None:
                self._closing = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, self._transport.abort)

    def shutdown(self) -> None:
        """The server stops (uvicorn's word). Conversations were ended before; what is left is cut."""
        self.close(1001)
        self._transport.close()

    # -- inside ----------------------------------------------------------------------------------------------

    async def _answer(self, request: Request) -> None:
        """Ask whether this handshake is good, and answer it."""
        request_id = take_request_id(request.headers.get(HEADER))
        response = self._websocket.accept(request)
        if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            headers = {name.lower(): value for name, value in request.headers.raw_items()}
            try:
                async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                    start = await self._handshake(request.path, headers)
                if start is None:
                    response = self._websocket.reject(HTTPStatus.FORBIDDEN, "This media stream is not expected.\n")
                elif not self._transport.is_closing():
                    self._receiver = start(self)
                    self._count_out()
            except Exception as error:
                tell_seldom(_failed, logger, "Media handshake failed", error)
                response = self._websocket.reject(HTTPStatus.SERVICE_UNAVAILABLE, "Please try again.\n")
        if not self._transport.is_closing():
            response.headers[HEADER] = request_id
            self._websocket.send_response(response)
            self._flush()

    def _frame(self, frame: Frame) -> None:
        match frame.opcode:
            case Opcode.TEXT | Opcode.BINARY:
                self._text = frame.opcode is Opcode.TEXT
                if frame.fin:
                    self._message(bytes(frame.data))
                else:
                    self._fragments = [bytes(frame.data)]
            case Opcode.CONT:
                self._fragments.append(bytes(frame.data))
                if frame.fin:
                    self._message(b"".join(self._fragments))
                    self._fragments = []

    def _message(self, data: bytes) -> None:
        if self._receiver is None or self._failed:
            return
        try:
            self._receiver.received(data.decode() if self._text else data)
        except UnicodeDecodeError:
            self._failed = True
            self.close(1007)
        except Exception:
            logger.exception("Media message failed")
            self._failed = True
            self.close(1011)

    def _flush(self) -> None:
        if self._transport.is_closing():
            return
        for data in self._websocket.data_to_send():
            if data:
                self._transport.write(data)
            else:
                self._transport.close()  # an empty piece stands for the end of the stream


def media_sockets(handshake: Handshake) -> Callable[..., MediaSocketProtocol]:
    """What to give uvicorn as `ws`."""

    def protocol(*, config: Any, server_state: Any, app_state: Any, **_: Any) -> MediaSocketProtocol:
        return MediaSocketProtocol(handshake, server_state.connections)

    return protocol
