"""One HTTP connection, with limits a stranger can't pass: uvicorn's protocol, counted and timed (api.connections).

What a request's head may be is decided here, on the wire: an app sees a head only when all of it is in memory.
"""

import socket
import struct
from typing import Any

import httptools
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from outdial.api.connections import Connections
from outdial.api.media_socket import MediaSocketProtocol
from outdial.api.problems import Problem, respond

MAX_HEAD_BYTES = 32_768  # request line, header fields and trailers together
MAX_HEADERS = 100
# Bytes of a body that aren't its content: the sizes of chunks. A chunk has a few, whatever it holds.
MAX_FRAMING_A_BODY_BYTE = 8
LAST_WORD_S = 1.0  # from the answer to who was too slow to the end of the connection


class HeadTooLarge(Exception):
    """More of a head than is taken."""


class HttpConnection(HttpToolsProtocol):
    """One for each connection; `counted` are all those of its server."""

    def __init__(self, config: Config, server_state: ServerState, counted: Connections) -> None:
        super().__init__(config, server_state, app_state={})
        self.body_bytes = 0
        self._counted = counted
        self._begun = False      # of a request something came, but not all
        self._in_body = False    # its head is whole
        self._body_timed = False
        self._boundary = False   # a message began or ended in the bytes being parsed
        self._parsed = 0         # bytes of the head's parts that are whole
        self._headers = 0
        self._framing = 0        # bytes on the wire of this message that are no body
        self._body_in_piece = 0

    # -- the connection --------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        address = self.client[0] if self.client else None
        if not self._counted.admit(self, address):
            self._refuse(_FULL)

    def connection_lost(self, exc: Exception | None) -> None:
        self._counted.leave(self)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._counted.is_stuck(self)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._counted.reads_again(self)

    def handle_websocket_upgrade(self) -> None:
        super().handle_websocket_upgrade()
        media = self.transport.get_protocol()
        if isinstance(media, MediaSocketProtocol):
            media.when_counted_out(lambda: self._counted.leave(self))
        else:
            self._counted.leave(self)

    # -- what Connections asks -------------------------------------------------------------------------------

    @property
    def reads(self) -> bool:
        return not self.flow.read_paused

    @property
    def unsent_bytes(self) -> int:
        return self.transport.get_write_buffer_size()

    def give_way(self) -> None:
        self.transport.abort()

    def give_up(self) -> None:
        if self.transport.is_closing() or not self._begun or (self._in_body and self._is_answering()):
            self.transport.abort()
            return
        self.transport.pause_reading()
        self.transport.write(_LATE)
        if self._in_body and self.cycle is not None:
            self.cycle.disconnected = True  # whoever waits for the rest of the body
            self.cycle.message_event.set()
        self.loop.call_later(LAST_WORD_S, self._reset)

    # -- what comes in ---------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """As uvicorn's, but for the limits, and that strangers' mistakes are none of the log's business."""
        self._unset_keepalive_if_required()
        if self.transport.is_closing():
            return
        self._boundary = False
        self._body_in_piece = 0
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            if self._should_upgrade():
                self.handle_websocket_upgrade()
            return
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(_TOO_LARGE if isinstance(cause, HeadTooLarge) else _NOT_HTTP)
            return
        if not self._boundary:
            self._framing += len(data) - self._body_in_piece
            if self._framing > MAX_HEAD_BYTES + MAX_FRAMING_A_BODY_BYTE * self.body_bytes:
                self._refuse(_TOO_LARGE)
                return
        if self._in_body and not self._body_timed:
            self._body_timed = True
            self._counted.sends_body(self)

    def on_message_begin(self) -> None:
        self._boundary = self._begun = True
        self._parsed = self._headers = self._framing = self.body_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers += 1
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_body = True
        self._counted.asks(self)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self.body_bytes += len(body)
        self._body_in_piece += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._boundary = True
        self._begun = self._in_body = False
        self._framing = 0
        if self._body_timed:
            self._body_timed = False
            self._counted.has_sent_body(self)
        super().on_message_complete()
        self._wait_if_done()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._wait_if_done()

    def send_400_response(self, msg: str) -> None:
        self._refuse(_NOT_HTTP)

    # -- inside ----------------------------------------------------------------------------------------------

    def _count(self, size: int) -> None:
        self._parsed += size
        if self._parsed > MAX_HEAD_BYTES or self._headers > MAX_HEADERS:
            raise HeadTooLarge

    def _wait_if_done(self) -> None:
        """Request and response are whole, and no other request waits: the next head is awaited."""
        if not self._in_body and not self.pipeline and (self.cycle is None or self.cycle.response_complete):
            self._counted.waits(self)

    def _refuse(self, answer: bytes) -> None:
        """The last word on this connection."""
        if self.transport.is_closing():
            return
        if not self._is_answering():
            self.transport.write(answer)
        self.transport.close()

    def _is_answering(self) -> bool:
        """In the middle of a response, which can't be followed by another one."""
        return self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete

    def _reset(self) -> None:
        """Nobody may be there to close the other end: the system forgets the connection at once (TCP reset)."""
        if not self.transport.is_closing():
            peer = self.transport.get_extra_info("socket")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


def _answer(status: int, code: str, message: str, *, headers: dict[str, str] | None = None) -> bytes:
    """A problem as it is on the wire."""
    response = respond(Problem(status, code, message, headers={**(headers or {}), "Connection": "close"}))
    lines = [STATUS_LINE[status]]
    lines += [name + b": " + value + b"\r\n" for name, value in response.raw_headers]
    return b"".join([*lines, b"\r\n", bytes(response.body)])


_TOO_LARGE = _answer(
    431,
    "headers_too_large",
    f"The request's headers are more than {MAX_HEAD_BYTES} bytes, or more than {MAX_HEADERS}.",
)
_NOT_HTTP = _answer(400, "not_http", "This is no HTTP request that can be read.")
_LATE = _answer(408, "request_timeout", "The request didn't come to its end in time.")
_FULL = _answer(
    503, "too_many_connections", "Too many connections are open; close some or try again.", headers={"Retry-After": "2"}
)
