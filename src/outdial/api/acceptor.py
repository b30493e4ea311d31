"""Takes new connections from a listening socket.

The event loop could do that itself; but uvloop, when no file is left to be opened, closes connections without a word,
and may close the listening socket with them. Here they wait in the system's own queue until there is room again.
"""

import asyncio
import errno
import logging
import socket
from collections.abc import Callable

from outdial.background import Background
from outdial.logs import Seldom

logger = logging.getLogger(__name__)

AT_ONCE = 100      # connections taken in one go, so that a flood leaves time for everything else
PAUSE_S = 0.5      # before it is tried again, where no file is left or the system fails otherwise
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Acceptor:
    """Has the stream of each new connection spoken by what `make_protocol` makes. `close` ends that."""

    def __init__(self, listener: socket.socket, make_protocol: Callable[[], asyncio.Protocol]) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._make_protocol = make_protocol
        self._opening = Background()
        self._again: asyncio.TimerHandle | None = None
        self._failed = Seldom()
        self._closed = False
        listener.setblocking(False)
        self._loop.add_reader(listener.fileno(), self._accept)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            if self._again is not None:
                self._again.cancel()
            self._loop.remove_reader(self._listener.fileno())

    async def wait_closed(self) -> None:
        """Until those who were just taken have their protocol."""
        await self._opening.finish(PAUSE_S)

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        return () if self._closed else (self._listener,)

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                peer, _address = self._listener.accept()
            except BlockingIOError:
                return
            except (InterruptedError, ConnectionAbortedError):
                continue
            except OSError as error:
                self._pause(error)
                return
            self._opening.start(self._open(peer), name="new connection")

    async def _open(self, peer: socket.socket) -> None:
        peer.setblocking(False)
        try:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(self._make_protocol, peer)
        except OSError:  # it is gone already
            peer.close()

    def _pause(self, error: OSError) -> None:
        if times := self._failed.again():
            logger.error(
                "Connections not accepted: no file left to open"
                if error.errno in _NO_ROOM
                else "Connections not accepted; trying again",
                extra={"error": errno.errorcode.get(error.errno or 0, "OSError"), "times": times},
            )
        self._loop.remove_reader(self._listener.fileno())
        self._again = self._loop.call_later(PAUSE_S, self._resume)

    def _resume(self) -> None:
        self._again = None
        self._loop.add_reader(self._listener.fileno(), self._accept)
