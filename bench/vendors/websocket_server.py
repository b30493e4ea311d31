"""The server's side of a websocket with as little work for a message as Python allows, as bench.websocket is the
client's: the simulated vendors share their core with the load generator."""

import asyncio
import base64
import hashlib
from collections.abc import Callable
from struct import pack
from typing import Protocol

from websockets.speedups import apply_mask

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
FIN = 0x80
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Side(Protocol):
    """A vendor's side of one connection."""

    def receive(self, data: bytes, *, text: bool) -> None: ...

    def gone(self) -> None: ...


class Peer(asyncio.Protocol):
    """`accept` is given the path with its query, and the connection."""

    __slots__ = ("_accept", "_rest", "_side", "_transport")

    def __init__(self, accept: Callable[[str, "Peer"], Side]) -> None:
        self._accept = accept
        self._rest = b""
        self._side: Side | None = None
        self._transport: asyncio.Transport

    def send(self, data: bytes) -> None:
        """As text."""
        if self._transport.is_closing():
            return
        size = len(data)
        if size < 126:
            head = pack(">BB", FIN | TEXT, size)
        elif size < 65536:
            head = pack(">BBH", FIN | TEXT, 126, size)
        else:
            head = pack(">BBQ", FIN | TEXT, 127, size)
        self._transport.write(head + data)

    def cut(self) -> None:
        """Without a word."""
        self._transport.abort()

    def close(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(pack(">BBH", FIN | CLOSE, 2, 1000))
            self._transport.close()

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        if self._side is not None:
            self._side.gone()
            self._side = None

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        if self._side is None:
            data = self._shake_hands(data)
        place, end = 0, len(data)
        while end - place >= 6:
            size, start = data[place + 1] & 127, place + 6
            if size == 126:
                start, size = place + 8, int.from_bytes(data[place + 2 : place + 4])
            elif size == 127:
                start, size = place + 14, int.from_bytes(data[place + 2 : place + 10])
            if start + size > end:
                break
            self._receive(data[place] & 15, apply_mask(data[start : start + size], data[start - 4 : start]))
            place = start + size
        self._rest = data[place:]

    def _receive(self, opcode: int, data: bytes) -> None:
        if self._side is None or self._transport.is_closing():
            return
        if opcode in (TEXT, BINARY):
            self._side.receive(data, text=opcode == TEXT)
        elif opcode == PING:
            self._transport.write(pack(">BB", FIN | PONG, len(data)) + data)
        elif opcode == CLOSE:
            self.close()

    def _shake_hands(self, data: bytes) -> bytes:
        head, separator, rest = data.partition(b"\r\n\r\n")
        if not separator:
            self._rest = data
            return b""
        self._rest = b""
        request, *lines = head.split(b"\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        key = base64.b64encode(hashlib.sha1(headers[b"sec-websocket-key"] + _GUID).digest())
        self._transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + key + b"\r\n\r\n"
        )
        self._side = self._accept(request.split(b" ")[1].decode(), self)
        return rest
