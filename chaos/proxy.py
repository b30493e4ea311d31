"""A way to a server on this machine that can be cut, or vanish without a word.

A connection that vanishes is not closed: nothing comes through any more, either way, and not even the system
acknowledges what arrives. That is how a host looks from outside whose cable was pulled. Of a process that is killed the
system still takes leave for it.
"""

import asyncio
import ctypes
import socket
import struct
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

HOST = "127.0.0.1"
SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27  # asm-generic/socket.h; Python has no names for them
_DROP_ALL = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # one instruction of BPF: keep 0 bytes


def deafen(sock: Any) -> None:
    """From now on the system throws away what arrives for this socket, unanswered. Elsewhere than on Linux it is only
    left unread, and acknowledged."""
    if sys.platform == "linux":
        program = struct.pack("HP", 1, ctypes.addressof(_DROP_ALL))
        sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


def undeafen(sock: Any) -> None:
    if sys.platform == "linux":
        sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)


class _End(asyncio.Protocol):
    """One end of a connection that goes through the proxy; `other` is where its bytes go."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: _End | None = None
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def join(self, other: "_End") -> None:
        self.other, other.other = other, self
        for piece in self._early:
            other.write(piece)
        self._early.clear()

    def data_received(self, data: bytes) -> None:
        if self.other is None:
            self._early.append(data)
        else:
            self.other.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None and not self.other.transport.is_closing():
            self.other.transport.resume_reading()

    def write(self, data: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def vanish(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.other = None  # when the system gives up on one end, the other one must not hear of it
            self.transport.pause_reading()
            deafen(self.transport.get_extra_info("socket"))

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class Proxy:
    """Connections to `port` are led on to `to_port`. Make one with `Proxy.open`."""

    def __init__(self, listener: socket.socket, to_port: int) -> None:
        self._listener = listener
        self._to_port = to_port
        self._ends: list[_End] = []
        self._vanished: list[_End] = []  # kept to the end: letting go of them would close them
        self._is_cut = False
        self._opening: set[asyncio.Task[None]] = set()
        self.port: int = listener.getsockname()[1]
        self.url = f"http://{HOST}:{self.port}"

    @classmethod
    @asynccontextmanager
    async def open(cls, to_port: int) -> AsyncIterator["Proxy"]:
        listener = socket.create_server((HOST, 0), backlog=256)
        proxy = cls(listener, to_port)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(proxy._accept, sock=listener)
        try:
            yield proxy
        finally:
            server.close()
            for task in list(proxy._opening):
                task.cancel()
            for end in (*proxy._ends, *proxy._vanished):
                end.abort()

    def cut(self) -> None:
        """Close all connections, and each new one at once, until `heal`."""
        self._is_cut = True
        for end in self._ends:
            end.abort()
        self._ends.clear()

    def vanish(self) -> None:
        """All connections go silent for good, and nobody can open a new one until `heal`."""
        deafen(self._listener)
        self._is_cut = True
        for end in self._ends:
            end.vanish()
        self._vanished += self._ends
        self._ends = []

    def heal(self) -> None:
        """New connections come through again."""
        if self._is_cut:
            with suppress(OSError):  # nothing was attached
                undeafen(self._listener)
        self._is_cut = False

    def _accept(self) -> _End:
        near = _End()
        task = asyncio.get_running_loop().create_task(self._lead_on(near))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)
        return near

    async def _lead_on(self, near: _End) -> None:
        await asyncio.sleep(0)  # until it is connected
        if not self._is_cut:
            try:
                _, far = await asyncio.get_running_loop().create_connection(_End, HOST, self._to_port)
            except OSError:
                near.abort()
                return
            if not self._is_cut:
                near.join(far)
                self._ends = [end for end in self._ends if end.transport and not end.transport.is_closing()]
                self._ends += (near, far)
                if near.transport is None or near.transport.is_closing():
                    far.abort()
                return
            far.abort()
        near.abort()
