"""HTTP to URLs that users gave us: each name is resolved once, every address judged, and what was judged connected to.

Checking a name and letting the client resolve it again would be open to a name server that answers otherwise the second
time. Redirects aren't followed: a client with this transport that follows them has each one judged in the same way.
"""

import asyncio
import socket
import ssl
import typing
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import certifi
import httpcore
import httpx

from outdial.net.addresses import Address, Allowed, literal
from outdial.net.urls import NOT_HTTPS, REFUSED_ADDRESS, check_url

CONNECT_S = 5.0
IDLE_S = 20.0          # a connection that nobody uses is closed
RESOLVERS = 16         # names looked up at once: a name server that is silent holds up these threads and no others

Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]


class RefusedAddress(httpx.ConnectError):
    """The host leads to an address that mustn't be reached. Which one is told to nobody: that would map our network."""


class GuardedTransport(httpx.AsyncBaseTransport):
    """Connections to whatever `allowed` permits, kept open for a while, `at_once` at most."""

    def __init__(self, allowed: Allowed, *, at_once: int = 100, resolve: Resolve | None = None) -> None:
        self._allowed = allowed
        self._resolver = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="resolver")
        self._resolve = resolve or self._look_up
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
        self._resolver.shutdown(wait=False, cancel_futures=True)
        for pool in self._pools.values():
            await pool.aclose()

    async def _look_up(self, host: str, port: int) -> Sequence[Address]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._resolver, _addresses, host, port)
        return [address for text in found if (address := literal(text)) is not None]


def _addresses(host: str, port: int) -> list[str]:
    """In the order in which the system prefers them."""
    infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(info[4][0]).partition("%")[0] for info in infos))


def tls() -> ssl.SSLContext:
    """Certificates are always checked: against the usual authorities, the system's, and those of SSL_CERT_FILE."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


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
        try:
            async with asyncio.timeout(CONNECT_S if timeout is None else timeout):
                found = await self._resolve(host, port)
        except TimeoutError:
            raise httpcore.ConnectTimeout("host not resolved in time") from None
        except (OSError, UnicodeError):
            raise httpcore.ConnectError("host not found") from None
        # One bad address among them is enough: which one is tried first is up to whoever runs the name server.
        if not found or not all(self._permits(host, address) for address in found):
            raise _Refused("address refused")
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
