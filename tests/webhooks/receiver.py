"""A receiver as users run them: it checks signatures with the library of the standard, and does what it is told to."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks import Webhook


@dataclass(slots=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


@dataclass(slots=True)
class Answer:
    """`raw` takes the place of all others; `after_s` is waited for first; `endless`: a body without end."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    after_s: float = 0.0
    endless: bool = False
    close: bool = False


Answers = Callable[[Received], Answer]


class Receiver:
    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answers: Answers = lambda received: Answer()
        self.written = 0  # bytes of endless answers
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = {
                    name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)
                }
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                received = Received(path=head[0].split()[1], headers=headers, body=body)
                self.received.append(received)
                await self._answer(writer, self.answers(received))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, answer: Answer) -> None:
        await asyncio.sleep(answer.after_s)
        if answer.close:
            raise ConnectionResetError
        headers = dict(answer.headers)
        if not answer.endless:
            headers["content-length"] = str(len(answer.body))
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 {answer.status} Whatever\r\n{lines}\r\n".encode())
        while answer.endless:
            writer.write(b"x" * 10_000)
            self.written += 10_000
            await writer.drain()
        writer.write(answer.body)
        await writer.drain()

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [received.json for received in self.received]

    def of_call(self, call_id: str) -> list[dict[str, Any]]:
        return [body for body in self.bodies if body["data"].get("call", {}).get("id") == call_id]

    def verify(self, secret: str) -> None:
        """Raises what the library raises for any request that isn't signed with this secret."""
        for received in self.received:
            Webhook(secret).verify(received.body.decode(), received.headers)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    try:
        yield receiver
    finally:
        server.close()
