"""What a proxy does to the connections that go through it, as both ends see it."""

import asyncio
import errno
import socket
import sys
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import cast

import pytest

from chaos.proxy import HOST, Proxy

MOMENT_S = 0.3  # in which nothing comes
PATIENCE_S = 30.0

only_linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system goes on acknowledging")


class End(asyncio.Protocol):
    """One end of a connection. `lost` is done when it is closed, with what it was closed for."""

    def __init__(self, *, echoes: bool = False) -> None:
        self._echoes = echoes
        self._heard = bytearray()
        self._more = asyncio.Event()
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._heard += data
        self._more.set()
        if self._echoes:
            self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)
        self._more.set()

    async def says_back(self, text: bytes) -> bytes:
        """What is heard after `text` was said; less where the connection is lost."""
        self._heard.clear()
        self.transport.write(text)
        return await self.hears(len(text))

    async def hears(self, length: int) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            while len(self._heard) < length and not self.lost.done():
                self._more.clear()
                await self._more.wait()
        return bytes(self._heard)

    async def hears_nothing(self) -> bool:
        self._heard.clear()
        await asyncio.sleep(MOMENT_S)
        return not self._heard and not self.lost.done()


async def connected(port: int) -> End:
    _, end = await asyncio.get_running_loop().create_connection(End, HOST, port)
    return end


@asynccontextmanager
async def way(
    ports_of: Callable[[str], Collection[int]] = lambda _: (),
) -> AsyncIterator[tuple[Proxy, End, End]]:
    """A proxy, and both ends of a connection through it: a client's, and a server's, which says everything back."""
    served: list[End] = []

    def accept() -> End:
        served.append(End(echoes=True))
        return served[-1]

    server = await asyncio.get_running_loop().create_server(accept, HOST, 0)
    async with server, Proxy.open(server.sockets[0].getsockname()[1], ports_of) as proxy:
        client = await connected(proxy.port)
        try:
            assert await client.says_back(b"hello") == b"hello"
            yield proxy, client, served[0]
        finally:
            for end in (client, *served):
                end.transport.abort()
    await asyncio.sleep(0)


async def closed(end: End) -> Exception | None:
    async with asyncio.timeout(PATIENCE_S):
        return await end.lost


async def test_a_connection_goes_through():
    async with way() as (_, client, _):
        large = bytes(range(256)) * 4000
        assert await client.says_back(large) == large


async def test_who_closes_is_told_to_the_other_end():
    async with way() as (_, client, served):
        served.transport.close()
        assert await closed(client) is None


async def test_a_proxy_that_is_cut_closes_everything_and_lets_nobody_in():
    async with way() as (proxy, client, served):
        proxy.cut()
        await closed(client)
        await closed(served)
        assert await (await connected(proxy.port)).says_back(b"again") == b""
        proxy.heal()
        again = await connected(proxy.port)
        assert await again.says_back(b"again") == b"again"
        again.transport.abort()


async def test_a_connection_that_vanished_says_nothing_and_is_not_closed():
    async with way() as (proxy, client, served):
        proxy.vanish()
        client.transport.write(b"is anybody there?")
        served.transport.write(b"is anybody there?")
        assert await client.hears_nothing()
        proxy.heal()  # what has vanished does not come back; a new connection comes through
        again = await connected(proxy.port)
        assert await again.says_back(b"again") == b"again"
        assert await client.hears_nothing()
        again.transport.abort()


@only_linux
async def test_only_keepalives_find_a_connection_dead_that_vanished():
    async with way() as (proxy, _, served):
        end = served.transport.get_extra_info("socket")
        end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPCNT, 1)):
            end.setsockopt(socket.IPPROTO_TCP, option, value)
        proxy.vanish()
        error = await closed(served)
        assert isinstance(error, OSError)
        assert error.errno == errno.ETIMEDOUT


@only_linux
async def test_a_connection_that_was_held_goes_on_with_what_was_said_meanwhile():
    async with way() as (proxy, client, served):
        proxy.hold()
        client.transport.write(b"one")
        served.transport.write(b"two")
        assert await client.hears_nothing()
        proxy.heal()
        assert await client.hears(6) == b"twoone"  # what was said there, and what comes back of what was said here


@only_linux
async def test_who_has_gone_while_it_was_held_is_found_to_have_gone():
    async with way() as (proxy, client, served):
        proxy.hold()
        client.transport.abort()
        await asyncio.sleep(MOMENT_S)
        assert not served.lost.done()
        proxy.heal()
        await closed(served)


@only_linux
async def test_only_the_part_of_the_one_that_is_struck_is_out():
    names: dict[int, str] = {}
    async with way(lambda who: [port for port, name in names.items() if name == who]) as (proxy, _, _):
        struck, other = [await named(proxy, names, name) for name in ("struck", "other")]
        proxy.hold("struck")
        late = await named(proxy, names, "struck")
        for end in (struck, late):
            end.transport.write(b"is anybody there?")
        assert await other.says_back(b"hello") == b"hello"
        assert await struck.hears_nothing()
        assert await late.hears_nothing()
        proxy.heal("struck")
        for end in (struck, late):
            assert await end.hears(17) == b"is anybody there?"
        for end in (struck, other, late):
            end.transport.abort()


async def named(proxy: Proxy, names: dict[int, str], name: str) -> End:
    """A client of this name, whose connection comes through."""
    sock = socket.socket()
    sock.bind((HOST, 0))
    names[sock.getsockname()[1]] = name
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sock, (HOST, proxy.port))
    _, end = await loop.create_connection(End, sock=sock)
    return end


@only_linux
async def test_nobody_reaches_a_host_that_vanished():
    async with way() as (proxy, _, _):
        proxy.vanish()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(MOMENT_S):
                await connected(proxy.port)
