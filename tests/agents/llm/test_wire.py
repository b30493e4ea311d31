"""HTTP to the server of a model, against servers that are late, rude or gone."""

import asyncio
import datetime
import ipaddress
import select
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agents.llm.model_server import model_server, text
from outdial.agents.llm.chat import CalleeSaid, ModelFailed, Request, Words
from outdial.agents.llm.chat_server import ChatServerModel
from outdial.agents.llm.wire import MAX_WAITING, ModelTransport

REQUEST = Request(instructions="Be brief.", messages=(CalleeSaid("Hello"),), first_s=1.0, gap_s=1.0)
FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nFine."

Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(answering: Answering, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answering(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client is gone
        finally:
            writer.close()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()


def answers(*each: bytes, asked: list[bytes] | None = None) -> Answering:
    """One after the other on each connection, which is closed then."""

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for one in each:
            head = await reader.readuntil(b"\r\n\r\n")
            if asked is not None:
                asked.append(head)
            writer.write(one)
            await writer.drain()

    return answering


@asynccontextmanager
async def client(url: str, *, kept: int = 5, kept_s: float = 60.0) -> AsyncIterator[httpx.AsyncClient]:
    transport = ModelTransport(httpx.URL(url), kept=kept, kept_s=kept_s)
    async with httpx.AsyncClient(base_url=url, transport=transport, timeout=1.0) as http:
        yield http


async def test_a_request_has_left_before_anything_else_has_its_turn():
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        model = ChatServerModel("m", f"http://127.0.0.1:{listening.getsockname()[1]}/v1", None)
        warming = asyncio.create_task(model.warm_up())
        ours, _ = await loop.sock_accept(listening)
        with ours:
            await loop.sock_recv(ours, 65536)
            await loop.sock_sendall(ours, FINE)
            await warming
            asking = asyncio.create_task(anext(model.ask(REQUEST)))
            await asyncio.sleep(0)
            assert select.select([ours], [], [], 1.0)[0], "the request waits for others"
            assert b'"Hello"' in ours.recv(65536)
            asking.cancel()
            await asyncio.wait([asking])
        await model.aclose()


async def test_the_connection_used_last_is_used_next_and_old_ones_are_closed():
    asked: list[str] = []

    async def named(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = f"{writer.get_extra_info('peername')[1]}"
        while await reader.readuntil(b"\r\n\r\n"):
            asked.append(name)
            await asyncio.sleep(0.05)
            writer.write(FINE)

    async with server(named) as url, client(url, kept_s=0.2) as http:
        await asyncio.gather(http.get("/"), http.get("/"), http.get("/"))
        assert len({*asked}) == 3
        for _ in range(3):
            await http.get("/")
        assert len({*asked[3:]}) == 1
        await asyncio.sleep(0.3)
        await http.get("/")
        assert asked[-1] not in asked[:-1]


async def test_an_answer_that_nobody_read_is_in_no_other_answer():
    first = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nFirst."
    async with server(answers(first, FINE)) as url, client(url) as http:
        async with http.stream("GET", "/"):
            await asyncio.sleep(0.05)
        assert (await http.get("/")).text == "First."  # on a connection of its own
        assert (await http.get("/")).text == "Fine."


async def test_no_more_connections_are_kept_than_may_be():
    left = 0

    async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal left
        await answers(FINE)(reader, writer)
        await reader.read()
        left += 1

    async with server(counted) as url, client(url, kept=1) as http:
        await asyncio.gather(*(http.get("/") for _ in range(3)))
        async with asyncio.timeout(30):
            while left < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert left == 2


@pytest.mark.parametrize("goodbye", [b"", b"HTTP/1.1 408 Too Late\r\nContent-Length: 0\r\n\r\n"])
@pytest.mark.parametrize("pause_s", [0.0, 0.05])
async def test_a_connection_that_its_server_gives_up_is_none_for_the_next_request(goodbye, pause_s):
    async def gives_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answers(FINE)(reader, writer)
        await asyncio.sleep(pause_s / 5)
        writer.write(goodbye)

    async with server(gives_up) as url, client(url) as http:
        for _ in range(3):
            assert (await http.get("/")).text == "Fine."
            await asyncio.sleep(pause_s)


@pytest.mark.parametrize(
    "answer",
    [
        FINE,
        b"HTTP/1.1 200 OK\r\n\r\nFine.",  # until the connection ends
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nFine.",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nFi\r\n3;x=y\r\nne.\r\n0\r\nA-Trailer: x\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + FINE,
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + FINE,
        FINE + FINE,  # one more than was asked for
        FINE + b"\r\nand more",
    ],
)
async def test_an_answer_ends_where_its_server_says(answer):
    async with server(answers(answer)) as url, client(url) as http:
        for _ in range(2):
            response = await http.get("/")
            assert (response.status_code, response.text) == (200, "Fine.")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200",
        b"220 smtp.example.com ESMTP\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nFine.",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nFine.",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nFine.\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nFine.",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 50_000 + b"\r\nFine.",
    ],
)
async def test_what_is_no_whole_answer_is_an_error_and_the_connection_gone(answer):
    async with server(answers(answer)) as url, client(url) as http:
        for _ in range(2):
            with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
                await http.get("/")


async def test_a_server_that_says_nothing_is_not_waited_for_without_end():
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.read()

    async with server(silent) as url, client(url) as http:
        with pytest.raises(httpx.ReadTimeout):
            await http.get("/", timeout=0.05)
        with pytest.raises(httpx.ConnectError):
            await httpx.AsyncClient(transport=ModelTransport(httpx.URL("http://127.0.0.1:1"), kept=1, kept_s=1)).get(
                "http://127.0.0.1:1"
            )


async def test_a_server_waits_for_who_does_not_read():
    size, sent = 100 * MAX_WAITING, 0

    async def floods(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        while sent < size:
            writer.write(bytes(64_000))
            await writer.drain()
            sent += 64_000

    async with server(floods) as url, client(url) as http, http.stream("GET", "/") as response:
        data = response.aiter_raw()
        received = len(await anext(data))
        before = -1
        while before < sent:
            before = sent
            await asyncio.sleep(0.05)
        assert sent < size / 2, "all of it was taken"
        async for piece in data:
            received += len(piece)
        assert received == size


async def test_a_key_cannot_add_a_header():
    asked: list[bytes] = []
    async with server(answers(FINE, asked=asked)) as url:
        model = ChatServerModel("m", f"{url}/v1", "secret\r\nX-Other: 1")
        with pytest.raises(ModelFailed, match="LocalProtocolError"):
            [_ async for _ in model.ask(REQUEST)]
        await model.aclose()
    assert asked == []


async def test_a_proxy_of_the_environment_is_asked(monkeypatch):
    async with model_server(text("By", " proxy.")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.removesuffix("/v1"))
        monkeypatch.setenv("NO_PROXY", "")
        model = ChatServerModel("m", "http://model.invalid/v1", None)
        pieces = [piece async for piece in model.ask(REQUEST)]
        await model.aclose()
    assert "".join(piece.text for piece in pieces if isinstance(piece, Words)) == "By proxy."
    assert "http://model.invalid/v1/chat/completions" in proxy.headers[0]


async def test_certificates_are_checked(monkeypatch, tmp_path):
    tls, authority = certified(tmp_path)
    async with server(answers(FINE), tls) as url:
        async with client(url) as http:
            with pytest.raises(httpx.ConnectError):
                await http.get("/")
        monkeypatch.setenv("SSL_CERT_FILE", authority)
        async with client(url) as http:
            assert (await http.get("/")).text == "Fine."


def certified(folder) -> tuple[ssl.SSLContext, str]:
    """What a server at 127.0.0.1 shows, and the file of who vouches for it."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "A server")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    file.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, str(file)
