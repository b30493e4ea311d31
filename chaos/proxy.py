"""A way to a server on this machine that can be cut, part its two sides for a while, or vanish without a word.

A connection that vanishes is not closed: nothing comes through any more, either way, and not even the system
acknowledges what arrives. That is how a host looks from outside whose cable was pulled. Of a process that is killed the
system still takes leave for it. One that is held is as silent, and goes on when it is healed: the system sends again
what nobody acknowledged, also of who has given up waiting since.

A way may be shared: whose a connection is says the process at its near end, and each throw may strike one of them. It
is asked only then.
"""

import asyncio
import ctypes
import socket
import struct
import sys
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress
from enum import Enum, auto
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


def probe(sock: Any) -> None:
    """Have the system ask at once whether somebody is still there: who has gone meanwhile could not say so."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL"):
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), 1)


class Out(Enum):
    """What became of a way, or of somebody's part of it."""

    CUT = auto()
    HELD = auto()
    VANISHED = auto()


class _End(asyncio.Protocol):
    """One end of a connection that goes through the proxy; `other` is where its bytes go. `port`: of whoever opened it;
    `whose` it is, once that was asked."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: _End | None = None
        self.port = 0
        self.whose: str | None = None
        self._is_held = False
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
        if self.other is not None and not self.other._is_held:
            self.other._read_on()

    def write(self, data: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def vanish(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.other = None  # when the system gives up on one end, the other one must not hear of it
            self.transport.pause_reading()
            deafen(self.transport.get_extra_info("socket"))

    def hold(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self._is_held = True
            self.transport.pause_reading()
            deafen(self.transport.get_extra_info("socket"))

    def release(self) -> None:
        if self._is_held and self.transport is not None and not self.transport.is_closing():
            self._is_held = False
            sock = self.transport.get_extra_info("socket")
            undeafen(sock)
            probe(sock)
            self._read_on()

    def _read_on(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class Proxy:
    """Connections to `port` are led on to `to_port`, which may change: then new ones are. Make one with `Proxy.open`;
    `ports_of` tells which ports somebody has connections from."""

    def __init__(self, listener: socket.socket, to_port: int, ports_of: Callable[[str], Collection[int]]) -> None:
        self._listener = listener
        self.to_port = to_port
        self._ports_of = ports_of
        self._ends: list[_End] = []
        self._vanished: list[_End] = []  # kept to the end: letting go of them would close them
        self._waiting: list[_End] = []   # to be led on, when they are held no more
        self._out: dict[str | None, Out] = {}
        self._opening: set[asyncio.Task[None]] = set()
        self.port: int = listener.getsockname()[1]
        self.url = f"http://{HOST}:{self.port}"

    @classmethod
    @asynccontextmanager
    async def open(
        cls, to_port: int, ports_of: Callable[[str], Collection[int]] = lambda _: ()
    ) -> AsyncIterator["Proxy"]:
        listener = socket.create_server((HOST, 0), backlog=256)
        proxy = cls(listener, to_port, ports_of)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(proxy._accept, sock=listener)
        try:
            yield proxy
        finally:
            server.close()
            for task in list(proxy._opening):
                task.cancel()
            for end in (*proxy._ends, *proxy._vanished, *proxy._waiting):
                end.abort()

    # Each of these strikes everybody, or whom it is told: then nobody else notices anything.

    def cut(self, who: str | None = None) -> None:
        """Close all connections, and each new one at once, until `heal`."""
        self._out[who] = Out.CUT
        for end in self._of(who):
            end.abort()

    def hold(self, who: str | None = None) -> None:
        """All connections are silent, and new ones too, until `heal`: then they go on, where both ends still wait."""
        if who is None:
            deafen(self._listener)
        self._out[who] = Out.HELD
        for end in self._of(who):
            end.hold()

    def vanish(self, who: str | None = None) -> None:
        """All connections go silent for good, and nobody can open a new one until `heal`."""
        if who is None:
            deafen(self._listener)
        self._out[who] = Out.VANISHED
        gone = self._of(who)
        for end in gone:
            end.vanish()
        self._vanished += gone
        self._ends = [end for end in self._ends if end not in gone]

    def heal(self, who: str | None = None) -> None:
        """New connections come through again, and those that were held."""
        was = self._out.pop(who, None)
        if was is None:
            return
        if who is None and was is not Out.CUT:
            with suppress(OSError):  # nothing was attached
                undeafen(self._listener)
        for end in self._ends:
            if who in (None, end.whose):
                end.release()
        waiting = [end for end in self._waiting if who in (None, end.whose)]
        self._waiting = [end for end in self._waiting if end not in waiting]
        for end in waiting:
            end.release()
            self._open(end)

    def _of(self, who: str | None) -> list[_End]:
        self._ends = [end for end in self._ends if end.transport and not end.transport.is_closing()]
        if who is None:
            return list(self._ends)
        ports = self._ports_of(who)
        theirs = [end for end in self._ends if end.port in ports]
        for end in theirs:
            end.whose = who
        return theirs

    def _accept(self) -> _End:
        near = _End()
        self._open(near)
        return near

    def _open(self, near: _End) -> None:
        task = asyncio.get_running_loop().create_task(self._lead_on(near))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _lead_on(self, near: _End) -> None:
        await asyncio.sleep(0)  # until it is connected
        if near.transport is None or near.transport.is_closing():
            return
        if (peer := near.transport.get_extra_info("peername")) is not None:
            near.port = peer[1]
        if self._turned_away(near):
            return
        try:
            _, far = await asyncio.get_running_loop().create_connection(_End, HOST, self.to_port)
        except OSError:
            near.abort()
            return
        if self._turned_away(near):
            far.abort()
            return
        far.port = near.port
        near.join(far)
        self._ends += (near, far)
        if near.transport.is_closing():
            far.abort()

    def _turned_away(self, near: _End) -> bool:
        """Whether its way is out just now; and what becomes of it then."""
        struck = [who for who in self._out if who is not None]
        near.whose = next((who for who in struck if near.whose == who or near.port in self._ports_of(who)), None)
        match self._out.get(near.whose) or self._out.get(None):
            case None:
                return False
            case Out.HELD:
                near.hold()
                self._waiting.append(near)
            case Out.VANISHED:
                near.vanish()
                self._vanished.append(near)
            case Out.CUT:
                near.abort()
        return True
