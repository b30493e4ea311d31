"""A websocket client with as little work for a message as Python allows: the generator must not be what is measured."""

import asyncio
import base64
import os
from collections.abc import Callable, Mapping
from struct import pack
from time import perf_counter
from urllib.parse import urlsplit

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
FIN = 0x80
MASKED = 0x80
# Clients must mask. A mask of zeros leaves the text as it is; the server unmasks it like any other.
NO_MASK = bytes(4)


class Refused(RuntimeError):
    """The server didn't take the websocket; the text is its first line."""


class WebSocket(asyncio.Protocol):
    """`on_message(text, at)`: `at` is perf_counter() when its bytes arrived. `on_close` is called once."""

    __slots__ = ("_on_close", "_on_message", "_rest", "_transport", "opened")

    def __init__(self, on_message: Callable[[bytes, float], None], on_close: Callable[[], None]) -> None:
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._on_message = on_message
        self._on_close = on_close
        self._rest = b""
        self._transport: asyncio.Transport

    def send(self, text: bytes) -> None:
        self._send(TEXT, text)

    def close(self) -> None:
        self._send(CLOSE, pack(">H", 1000))
        self._transport.close()

    def _send(self, opcode: int, data: bytes) -> None:
        size = len(data)
        short = size < 126
        head = pack(">BB", FIN | opcode, MASKED | size) if short else pack(">BBH", FIN | opcode, MASKED | 126, size)
        self._transport.write(head + NO_MASK + data)

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(Refused("connection lost"))
        self._on_close()

    def data_received(self, data: bytes) -> None:
        at = perf_counter()
        if self._rest:
            data = self._rest + data
        if not self.opened.done():
            data = self._handshake(data)
        place, end = 0, len(data)
        while end - place >= 2:
            start, size = place + 2, data[place + 1]
            if size == 126:
                if end - place < 4:
                    break
                start, size = place + 4, int.from_bytes(data[place + 2 : place + 4])
            elif size == 127:
                raise ValueError("a carrier's stream has no message that long")
            if start + size > end:
                break
            opcode = data[place] & 15
            if opcode == TEXT:
                self._on_message(data[start : start + size], at)
            elif opcode == PING:
                self._send(PONG, data[start : start + size])
            elif opcode == CLOSE:
                self.close()
                return
            place = start + size
        self._rest = data[place:]

    def _handshake(self, data: bytes) -> bytes:
        """Take the answer off the front, once it is complete."""
        head, separator, rest = data.partition(b"\r\n\r\n")
        if not separator:
            self._rest = data
            return b""
        self._rest = b""
        status = head.partition(b"\r\n")[0]
        if b" 101 " in status:
            self.opened.set_result(None)
        else:
            self.opened.set_exception(Refused(status.decode(errors="replace")))
            self._transport.close()
        return rest


async def connect(
    url: str,
    headers: Mapping[str, str],
    on_message: Callable[[bytes, float], None],
    on_close: Callable[[], None],
) -> WebSocket:
    """Raises Refused or OSError."""
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    assert parts.hostname is not None
    _, socket = await loop.create_connection(lambda: WebSocket(on_message, on_close), parts.hostname, parts.port or 80)
    lines = {
        "Host": parts.netloc,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Version": "13",
        **headers,
    }
    request = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    socket._transport.write(f"GET {parts.path} HTTP/1.1\r\n{request}\r\n".encode())
    await socket.opened
    return socket
