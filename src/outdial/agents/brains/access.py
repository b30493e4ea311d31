"""Brains reached over the network: only where the guarded transport leads to, within their limits."""

import asyncio
import logging
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

import httpx

from outdial.agents.brains.reaching import MOST_BYTES, BrainAway, Door, Project
from outdial.agents.tools.reaching import word_of
from outdial.agents.voiceflow.door import HttpDoor, client
from outdial.net.guarded import CONNECT_S, GuardedTransport, tls
from outdial.version import __version__

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

PING_S = 20.0        # a connection whose other side doesn't answer so soon is lost
CLOSE_S = 1.0
MAX_QUEUED = 32      # messages not yet read; then the server has to wait

# What a server refuses with and will refuse with again; others may help.
_FOR_GOOD = frozenset({400, 401, 403, 404, 405, 410})
_LEFT = frozenset({1000, 1008})  # it has left of its own accord, or wants none of us

_quiet = logging.getLogger("outdial.websocket")
_quiet.setLevel(logging.CRITICAL)  # the library writes messages down, which hold what was said


class GuardedBrains:
    """`transport` is closed by whoever gives it."""

    def __init__(self, transport: GuardedTransport) -> None:
        self._transport = transport
        self._client: httpx.AsyncClient | None = None

    async def connect(
        self, url: str, headers: Mapping[str, str], *, most_bytes: int = MOST_BYTES
    ) -> "WebSocket":
        """Raises BrainAway."""
        try:
            sock = await self._transport.open_socket(f"http{url[2:]}")
        except httpx.HTTPError as error:
            word = word_of(error)
            raise BrainAway(word, may_again=word != "refused_address") from None
        try:
            return WebSocket(await _handshake(url, headers, sock, most_bytes))
        except BaseException:
            sock.close()
            raise

    def door(self, project: Project) -> Door:
        if self._client is None:
            self._client = client(self._transport)
        return HttpDoor(self._client, project)


async def _handshake(
    url: str, headers: Mapping[str, str], sock: socket.socket, most_bytes: int
) -> "ClientConnection":
    """Raises BrainAway."""
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidHandshake, InvalidStatus

    try:
        return await connect(
            url,
            sock=sock,
            ssl=tls() if url.startswith("wss://") else None,
            additional_headers=dict(headers),
            user_agent_header=f"Outdial/{__version__}",
            compression=None,
            proxy=None,
            open_timeout=CONNECT_S,
            ping_interval=PING_S,
            ping_timeout=PING_S,
            close_timeout=CLOSE_S,
            max_size=most_bytes,
            max_queue=MAX_QUEUED,
            logger=_quiet,
        )
    except InvalidStatus as refused:
        status = refused.response.status_code
        raise BrainAway(f"http_{status}", may_again=status not in _FOR_GOOD) from None
    except TimeoutError:
        raise BrainAway("timeout") from None
    except (InvalidHandshake, ValueError):
        raise BrainAway("no_websocket", may_again=False) from None
    except (OSError, EOFError):
        raise BrainAway("connection") from None


class WebSocket:
    def __init__(self, connection: "ClientConnection") -> None:
        self._connection = connection

    async def receive(self) -> str:
        from websockets.exceptions import ConnectionClosed

        try:
            message = await self._connection.recv(decode=True)
        except ConnectionClosed as closed:
            raise _away(closed) from None
        except UnicodeDecodeError:
            raise BrainAway("no_text", may_again=False) from None
        return message

    async def send(self, text: str) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            await self._connection.send(text)
        except ConnectionClosed as closed:
            raise _away(closed) from None

    async def close(self, code: int = 1000, reason: str = "") -> None:
        with suppress(Exception, asyncio.TimeoutError):
            await self._connection.close(code, reason)


def _away(closed: Exception) -> BrainAway:
    from websockets.exceptions import ConnectionClosed

    assert isinstance(closed, ConnectionClosed)
    theirs, ours = closed.rcvd, closed.sent
    if ours is not None and not closed.rcvd_then_sent and ours.code == 1009:
        return BrainAway("message_too_long", may_again=False)
    if theirs is None:
        return BrainAway("connection")
    return BrainAway(f"closed_{theirs.code}", may_again=theirs.code not in _LEFT)
