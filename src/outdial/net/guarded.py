"""HTTP to URLs that users gave us: each name is resolved once, every address judged, and what was judged connected to.

Checking a name and letting the client resolve it again would be open to a name server that answers otherwise the second
time. Redirects aren't followed: a client with this transport that follows them has each one judged in the same way.
"""

import asyncio
import socket
import ssl
import typing
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from functools import cache

import certifi
import httpcore
import httpx

from outdial.net.addresses import Address, Allowed
from outdial.net.names import Names
from outdial.net.urls import NOT_HTTPS, REFUSED_ADDRESS, check_url

CONNECT_S = 5.0
IDLE_S = 20.0          # a connection that nobody uses is closed

Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]


class RefusedAddress(httpx.ConnectError):
    """The host leads to an address that mustn't be reached. Which one is told to nobody: that would map our network."""


class GuardedTransport(httpx.AsyncBaseTransport):
    """Connections to whatever `allowed` permits, kept open for a while, `at_once` at most."""

    def __init__(self, allowed: Allowed, *, at_once: int = 100, resolve: Resolve | None = None) -> None:
        self._allowed = allowed
        self._names = Names()
        self._resolve = resolve or self._names.look_up
        context = tls()
        self._pools = {
            scheme: httpcore.AsyncConnectionPool(
                ssl_context=context,
                max_connections=at_once,
                max_keepalive_connections=at_once,
                keepalive_expiry=IDLE_S,
                network_backend=_Guarded(self._resolve, permits),
            )
            # Without TLS nothing but what is allowed is asked.
            for scheme, permits in (("https", allowed.permits), ("http", allowed.covers))
        }

    async def check(self, text: str) -> str:
        """A URL that somebody gives, as it is asked. Raises ValueError with a reason for them; a name that can't be
        resolved now is left for later."""
        url = httpx.URL(check_url(text, self._allowed))
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            async with asyncio.timeout(CONNECT_S):
                found = await self._resolve(url.host, port)
        except (OSError, TimeoutError, UnicodeError):
            return str(url)
        if not all(self._allowed.permits(url.host, address) for address in found):
            raise ValueError(REFUSED_ADDRESS)
        if url.scheme == "http" and not all(self._allowed.covers(url.host, address) for address in found):
            raise ValueError(NOT_HTTPS)
        return str(url)

    async def open_socket(self, url: str) -> socket.socket:
        """Connected to where a URL of http or https leads, for whoever speaks another protocol there; without TLS yet.
        Raises httpx's errors, as `handle_async_request` does."""
        request = httpx.Request("GET", url)
        try:
            checked = httpx.URL(check_url(url, self._allowed))
        except ValueError as error:
            raise httpx.UnsupportedProtocol(f"URL {error}", request=request) from None
        is_tls = checked.scheme == "https"
        port = checked.port or (443 if is_tls else 80)
        permits = self._allowed.permits if is_tls else self._allowed.covers
        with _as_httpx(request):
            found = await _judged(checked.host, port, self._resolve, permits, CONNECT_S)
            return await _connected(found, port)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises httpx's errors: RefusedAddress, ConnectError, the timeouts, ProtocolError; UnsupportedProtocol for a
        URL that `check_url` refuses."""
        try:
            check_url(str(request.url), self._allowed)
        except ValueError as error:
            raise httpx.UnsupportedProtocol(f"URL {error}", request=request) from None
        asked = httpcore.Request(
            method=request.method,
            url=httpcore.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        with _as_httpx(request):
            answer = await self._pools[request.url.scheme].handle_async_request(asked)
        assert isinstance(answer.stream, typing.AsyncIterable)
        return httpx.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=_Stream(answer.stream, request),
            extensions=answer.extensions,
        )

    async def aclose(self) -> None:
        self._names.close()
        for pool in self._pools.values():
            await pool.aclose()


@cache
def tls() -> ssl.SSLContext:
    """Certificates are always checked: against the usual authorities, the system's, and those of SSL_CERT_FILE.

    One for all connections of the process: to read so many certificates takes a while.
    """
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


async def _judged(
    host: str, port: int, resolve: Resolve, permits: Callable[[str, Address], bool], timeout_s: float
) -> Sequence[Address]:
    """Where a host leads to, if it may be reached. Raises httpcore's errors."""
    try:
        async with asyncio.timeout(timeout_s):
            found = await resolve(host, port)
    except TimeoutError:
        raise httpcore.ConnectTimeout("host not resolved in time") from None
    except (OSError, UnicodeError):
        raise httpcore.ConnectError("host not found") from None
    # One bad address among them is enough: which one is tried first is up to whoever runs the name server.
    if not found or not all(permits(host, address) for address in found):
        raise _Refused("address refused")
    return found


class _Guarded(httpcore.AsyncNetworkBackend):
    """Resolves, judges, connects: to nothing else than what was judged."""

    def __init__(self, resolve: Resolve, permits: Callable[[str, Address], bool]) -> None:
        self._resolve = resolve
        self._permits = permits
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        found = await _judged(host, port, self._resolve, self._permits, CONNECT_S if timeout is None else timeout)
        error: Exception = httpcore.ConnectError("not connected")
        for address in found:
            try:
                return await self._backend.connect_tcp(
                    str(address), port, timeout=timeout or CONNECT_S, socket_options=socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failed:
                error = failed
        raise error

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise _Refused("address refused")

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)


async def _connected(addresses: Sequence[Address], port: int) -> socket.socket:
    """To the first of them that can be reached. Raises httpcore's errors."""
    loop = asyncio.get_running_loop()
    error: Exception = httpcore.ConnectError("not connected")
    for address in addresses:
        sock = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(CONNECT_S):
                await loop.sock_connect(sock, (str(address), port))
            return sock
        except TimeoutError:
            error = httpcore.ConnectTimeout("not connected in time")
        except OSError:
            error = httpcore.ConnectError("not connected")
        except BaseException:
            sock.close()
            raise
        sock.close()
    raise error


class _Refused(httpcore.ConnectError):
    """Within httpcore, what RefusedAddress is outside."""


class _Stream(httpx.AsyncByteStream):
    def __init__(self, stream: typing.AsyncIterable[bytes], request: httpx.Request) -> None:
        self._stream = stream
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx(self._request):
            async for part in self._stream:
                yield part

    async def aclose(self) -> None:
        if hasattr(self._stream, "aclose"):
            await self._stream.aclose()


_SAME: Mapping[type[Exception], type[httpx.TransportError]] = {
    _Refused: RefusedAddress,
    httpcore.ConnectTimeout: httpx.ConnectTimeout,
    httpcore.ReadTimeout: httpx.ReadTimeout,
    httpcore.WriteTimeout: httpx.WriteTimeout,
    httpcore.PoolTimeout: httpx.PoolTimeout,
    httpcore.ConnectError: httpx.ConnectError,
    httpcore.ReadError: httpx.ReadError,
    httpcore.WriteError: httpx.WriteError,
    httpcore.RemoteProtocolError: httpx.RemoteProtocolError,
    httpcore.LocalProtocolError: httpx.LocalProtocolError,
    httpcore.ProtocolError: httpx.ProtocolError,
    httpcore.NetworkError: httpx.NetworkError,
    httpcore.TimeoutException: httpx.TimeoutException,
    httpcore.UnsupportedProtocol: httpx.UnsupportedProtocol,
}


class _as_httpx:  # noqa: N801 - reads as a verb where it is used
    """Errors of httpcore, as httpx calls them."""

    def __init__(self, request: httpx.Request) -> None:
        self._request = request

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        for ours, theirs in _SAME.items():
            if isinstance(error, ours):
                raise theirs(str(error), request=self._request) from error
