"""The proxies of deploy/, as they are but for addresses and certificates, before a server that says what it got."""

import asyncio
import json
import os
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from workspace import until

DEPLOY = Path(__file__).parents[2] / "deploy"
DOMAIN = "voice.example.com"


def _says(server: uvicorn.Server) -> Callable[[], Awaitable[bool]]:
    async def started() -> bool:
        return server.started

    return started


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


async def _what_came(request: Request) -> JSONResponse:
    body = await request.body()
    return JSONResponse({"path": str(request.url.path), "headers": dict(request.headers), "body": len(body)})


async def _events(request: Request) -> StreamingResponse:
    """One event, and then nothing for a while: whoever waits for the end is late."""

    async def events() -> AsyncIterator[str]:
        yield "data: first\n\n"
        await asyncio.sleep(6)

    return StreamingResponse(events(), media_type="text/event-stream")


async def _media(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(json.dumps({"path": websocket.url.path, "host": websocket.headers["host"]}))
    await websocket.send_text(await websocket.receive_text())
    await websocket.close()


@asynccontextmanager
async def upstream() -> AsyncIterator[int]:
    """Its port."""
    routes = [
        WebSocketRoute("/media/{rest:path}", _media),
        Route("/v1/calls/{call}/events", _events),
        Route("/{rest:path}", _what_came, methods=["GET", "POST"]),
    ]
    config = uvicorn.Config(Starlette(routes=routes), port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    config.load()
    serving = asyncio.create_task(server.serve())
    await until(_says(server))
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = server.force_exit = True
        await serving


Started = tuple[list[str], dict[str, str], Path | None]  # its command, its environment, its log
Written = Callable[[Path, int, int], Started]


Change = tuple[str, str]  # what stands in a proxy's configuration, and what somebody has made of it


def nginx(folder: Path, port: int, behind: int, *changes: Change) -> Started:
    written = (DEPLOY / "nginx/outdial.conf").read_text()
    for old, new in changes:
        assert old in written, old
        written = written.replace(old, new)
    certificate(folder)
    log = folder / "access.log"
    for old, new in (
        ("127.0.0.1:8080", f"127.0.0.1:{behind}"),
        ("listen 80;", f"listen 127.0.0.1:{_free_port()};"),
        ("listen 443", f"listen 127.0.0.1:{port}"),
        ("/etc/ssl/outdial/", f"{folder}/"),
        ("/var/log/nginx/outdial.log", str(log)),
    ):
        assert old in written, old
        written = written.replace(old, new)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = folder / "nginx.conf"
    main.write_text(
        f"daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;\n"
        f"{'user root;' if os.getuid() == 0 else ''}\n"
        f"events {{}}\nhttp {{ {temporary}\n{written}\n}}\n"
    )
    return [found("nginx"), "-p", str(folder), "-c", str(main)], {}, log


def caddy(folder: Path, port: int, behind: int, *changes: Change) -> Started:
    """Without TLS: whom its certificate is from isn't what is tried."""
    written = (DEPLOY / "caddy/Caddyfile").read_text()
    for old, new in changes:
        assert old in written, old
        written = written.replace(old, new)
    environ = {
        "OUTDIAL_DOMAIN": f"http://{DOMAIN}:{port}, http://127.0.0.1:{port}",
        "OUTDIAL_UPSTREAM": f"127.0.0.1:{behind}",
        "HOME": str(folder),
    }
    file = folder / "Caddyfile"
    file.write_text("{\n\tadmin off\n}\n" + written)
    return [found("caddy"), "run", "--adapter", "caddyfile", "--config", str(file)], environ, folder / "output"


def edge(folder: Path, port: int, behind: int) -> Started:
    """Caddy inside a cluster."""
    written = (DEPLOY / "kubernetes/caddy/Caddyfile").read_text()
    for old, new in (
        (":8080 {", f"http://:{port} {{"),
        ("{re.pod.1}.outdial-media:8080", f"127.0.0.1:{behind}"),
        ("outdial-api:8080", f"127.0.0.1:{behind}"),
    ):
        assert old in written, old
        written = written.replace(old, new, 1)
    (folder / "Caddyfile").write_text(written)
    command = [found("caddy"), "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]
    return command, {"HOME": str(folder)}, None


def found(program: str) -> str:
    """Debian's nginx is not in everybody's path."""
    return shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin") or program


def certificate(folder: Path) -> None:
    """One that signs itself, fullchain.pem and privkey.pem."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, DOMAIN)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(DOMAIN), x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    (folder / "fullchain.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "privkey.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


@asynccontextmanager
async def proxy(written: Written, folder: Path, behind: int) -> "AsyncIterator[tuple[int, Path | None]]":
    """Its port and its log, as long as it runs."""
    port = _free_port()
    command, environ, log = written(folder, port, behind)
    with (folder / "output").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, env=os.environ | environ, stdout=output, stderr=output
        )
        try:
            for _ in range(500):
                assert process.returncode is None, (folder / "output").read_text()
                with socket.socket() as tried:
                    if tried.connect_ex(("127.0.0.1", port)) == 0:
                        break
                await asyncio.sleep(0.02)
            yield port, log
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()
