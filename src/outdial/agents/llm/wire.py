"""HTTP/1.1 to the server of a model: requests that leave at once, and answers that stream. A transport for httpx.

httpx' own gives way to everything else on the event loop three times before a request has left, and looks
through all of its connections for each. Beside sixty conversations, whose audio goes first each time, that took up to
20 ms. Here the connection that was used last is written to in one go.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import cast
from urllib.request import getproxies, proxy_bypass

import httptools
import httpx

MAX_HEAD = 100_000     # bytes of an answer's headers
MAX_WAITING = 256_000  # bytes of an answer that nobody has read yet; then its server waits


def is_direct(url: httpx.URL) -> bool:
    """Whether no proxy of the environment stands between: this transport knows none."""
    return not getproxies().keys() & {url.scheme, "all"} or bool(proxy_bypass(url.host))


class ModelTransport(httpx.AsyncBaseTransport):
    """To one server. Of its connections `kept` wait for their next request, each for `kept_s`."""

    def __init__(self, url: httpx.URL, *, kept: int, kept_s: float) -> None:
        self._host = url.host
        self._port = url.port or (443 if url.scheme == "https" else 80)
        self._tls = httpx.create_ssl_context() if url.scheme == "https" else None
        self._kept = kept
        self._kept_s = kept_s
        self._open: set[ModelConnection] = set()
        self._idle: dict[ModelConnection, asyncio.TimerHandle] = {}  # in the order in which they were used

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises httpx's errors: ConnectError and ConnectTimeout, ReadError and ReadTimeout, the ProtocolErrors."""
        asked = _head_of(request) + await request.aread()
        limits = request.extensions.get("timeout", {})
        if (kept := self._taken()) is not None:
            try:
                return await self._answer(kept, asked, limits)
            except (httpx.ReadError, httpx.RemoteProtocolError):
                if kept.has_answered:
                    raise
            # Its server closed it in the same moment, and has read nothing.
        return await self._answer(await self._connected(limits.get("connect")), asked, limits)

    async def aclose(self) -> None:
        for connection in tuple(self._open):
            connection.abort()

    async def _answer(
        self, connection: "ModelConnection", asked: bytes, limits: Mapping[str, float | None]
    ) -> httpx.Response:
        answer = AnswerBody(connection, limits.get("read"), self._give_back)
        try:
            await connection.ask(asked, limits.get("read"))
        except BaseException:
            await answer.aclose()
            raise
        return httpx.Response(status_code=connection.status, headers=connection.headers, stream=answer)

    def _taken(self) -> "ModelConnection | None":
        while self._idle:
            connection, expiry = self._idle.popitem()
            expiry.cancel()
            if connection.is_ready:
                return connection
        return None

    async def _connected(self, limit_s: float | None) -> "ModelConnection":
        loop, connection = asyncio.get_running_loop(), ModelConnection(self._open)
        try:
            async with asyncio.timeout(limit_s):
                await loop.create_connection(lambda: connection, self._host, self._port, ssl=self._tls)
        except TimeoutError:
            raise httpx.ConnectTimeout("not connected in time") from None
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(str(error)) from error
        return connection

    def _give_back(self, connection: "ModelConnection") -> None:
        """Nobody reads from it any more."""
        if connection.is_ready and len(self._idle) < self._kept:
            self._idle[connection] = asyncio.get_running_loop().call_later(self._kept_s, connection.abort)
        else:
            connection.abort()


class AnswerBody(httpx.AsyncByteStream):
    """The body of one answer, as it comes."""

    def __init__(
        self, connection: "ModelConnection", read_s: float | None, give_back: "Callable[[ModelConnection], object]"
    ) -> None:
        self._connection: ModelConnection | None = connection
        self._read_s = read_s
        self._give_back = give_back

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        while self._connection is not None and (data := await self._connection.data(self._read_s)):
            yield data

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._give_back(connection)


class ModelConnection(asyncio.Protocol):
    """To a server, for one request after the other; among `those_open` while it is."""

    def __init__(self, those_open: "set[ModelConnection]") -> None:
        self.status = 0  # of the newest answer, and its …
        self.headers: list[tuple[bytes, bytes]] = []
        self._those_open = those_open
        self._transport: asyncio.Transport
        self._parser: httptools.HttpResponseParser | None = None  # of an answer that isn't whole
        self._has_head = self._is_whole = self._is_kept = False
        self._head_bytes = self._waiting_bytes = 0
        self._pieces: deque[bytes] = deque()
        self._error: httpx.TransportError | None = None
        self._news: asyncio.Future[None] | None = None

    @property
    def is_ready(self) -> bool:
        """For the next request: the newest answer was read to its end, and the server keeps the connection."""
        return self._is_kept and not self._pieces

    @property
    def has_answered(self) -> bool:
        """Whether any of the answer to the newest request has come."""
        return self._head_bytes > 0

    async def ask(self, request: bytes, read_s: float | None) -> None:
        """Returns when the answer's head is there: its `data` follows. Raises what `data` raises."""
        self._has_head = self._is_whole = self._is_kept = False
        self._head_bytes = 0
        self._parser = httptools.HttpResponseParser(self)
        self._transport.write(request)
        while not self._has_head:
            await self._more(read_s)

    async def data(self, read_s: float | None) -> bytes:
        """More of the answer, b"" at its end. Raises ReadError, ReadTimeout and RemoteProtocolError."""
        while not self._pieces and not self._is_whole:
            await self._more(read_s)
        data = b"".join(self._pieces)
        self._pieces.clear()
        if self._waiting_bytes > MAX_WAITING and not self._transport.is_closing():
            self._transport.resume_reading()
        self._waiting_bytes = 0
        return data

    def abort(self) -> None:
        self._is_kept = False
        self._transport.abort()

    async def _more(self, read_s: float | None) -> None:
        if self._error is not None:
            raise self._error
        self._news = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(read_s):
                await self._news
        except TimeoutError:
            raise httpx.ReadTimeout("no answer in time") from None
        finally:
            self._news = None

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    # -- told by the event loop ----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._those_open.add(self)

    def data_received(self, data: bytes) -> None:
        if self._parser is None:
            self.abort()  # nobody has asked for that
            return
        if not self._has_head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(httpx.RemoteProtocolError("answer not understood"))
        if not self._has_head and self._head_bytes > MAX_HEAD:
            self._fail(httpx.RemoteProtocolError("headers too long"))
        if self._is_whole:
            self._parser = None
        self._tell()

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None:
            self._fail(httpx.ReadError(str(error)))
        elif self._has_head and self._ends_with_connection():
            self._is_whole = True
        else:
            self._fail(httpx.RemoteProtocolError("connection closed"))
        self._parser = None
        self._those_open.discard(self)
        self._tell()

    def eof_received(self) -> None:
        self._is_kept = False

    def _fail(self, error: httpx.TransportError) -> None:
        self._error = self._error or error
        self.abort()

    def _ends_with_connection(self) -> bool:
        return not any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in self.headers)

    # -- told by the parser --------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._is_whole:
            raise httpx.RemoteProtocolError("two answers to one request")
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        self.status = self._parser.get_status_code()
        self._has_head = self.status >= 200  # what comes before is no answer yet

    def on_body(self, data: bytes) -> None:
        self._pieces.append(data)
        if self._waiting_bytes <= MAX_WAITING < self._waiting_bytes + len(data):
            self._transport.pause_reading()
        self._waiting_bytes += len(data)

    def on_message_complete(self) -> None:
        assert self._parser is not None
        if self._has_head:
            self._is_whole = True
            self._is_kept = self._parser.should_keep_alive()


def _head_of(request: httpx.Request) -> bytes:
    """Raises LocalProtocolError for what would be read as more headers than there are."""
    lines = [b"%b %b HTTP/1.1" % (request.method.encode(), request.url.raw_path)]
    lines += [b"%b: %b" % header for header in request.headers.raw]
    if any(b"\r" in line or b"\n" in line for line in lines):
        raise httpx.LocalProtocolError("line break in a header")
    return b"\r\n".join((*lines, b"", b""))
