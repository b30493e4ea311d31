"""A server with OpenAI's interface on this machine, which answers what a test has written down."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


def chunk(delta: dict[str, Any], finish: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    data = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return f"data: {json.dumps(data)}\n\n"


def text(*words: str, finish: str | None = "stop") -> list[str]:
    chunks = [chunk({"role": "assistant", "content": ""}), *(chunk({"content": word}) for word in words)]
    return [*chunks, *([chunk({}, finish), "data: [DONE]\n\n"] if finish else [])]


def tool(name: str, *arguments: str) -> list[str]:
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": name, "arguments": ""}}
    pieces = [{"index": 0, "function": {"arguments": piece}} for piece in arguments]
    told = [chunk({"role": "assistant", "content": None, "tool_calls": [call]})]
    told += [chunk({"tool_calls": [piece]}) for piece in pieces]
    return [*told, chunk({}, "tool_calls"), "data: [DONE]\n\n"]


def usage(tokens: int) -> str:
    data = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [],
            "usage": {"prompt_tokens": tokens - 1, "completion_tokens": 1, "total_tokens": tokens}}  # fmt: skip
    return f"data: {json.dumps(data)}\n\n"


@dataclass
class ModelServer:
    """`answers`: a list of chunks for each request, or a status with a body. `hang_s`: before each first chunk."""

    answers: list[Any]
    hang_s: float = 0.0
    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    connections: int = 0
    left: int = 0  # requests whose client went away in the middle

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")
                length = next((int(one.split(":")[1]) for one in lines if one.lower().startswith("content-length")), 0)
                body = await reader.readexactly(length)
                if lines[0].startswith("GET"):
                    await self.reply(writer, 200, {"object": "list", "data": []})
                    continue
                self.headers.append(head.decode())
                self.asked.append(json.loads(body))
                answer = self.answers.pop(0)
                if isinstance(answer, tuple):
                    await self.reply(writer, *answer)
                else:
                    await self.stream(writer, answer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client is gone, or the test is over
        finally:
            writer.close()

    async def reply(self, writer: asyncio.StreamWriter, status: int, body: Any, headers: str = "") -> None:
        data = json.dumps(body).encode()
        head = f"HTTP/1.1 {status} X\r\n{headers}Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        writer.write(head.encode() + data)
        await writer.drain()

    async def stream(self, writer: asyncio.StreamWriter, chunks: Iterable[str]) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        await writer.drain()
        try:
            await asyncio.sleep(self.hang_s)
            for one in chunks:
                data = one.encode()
                writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
                await writer.drain()
                await asyncio.sleep(0.005)
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        except ConnectionError:
            self.left += 1
            raise


@asynccontextmanager
async def model_server(*answers: Any, hang_s: float = 0.0) -> AsyncIterator[ModelServer]:
    model = ModelServer(answers=list(answers), hang_s=hang_s)
    server = await asyncio.start_server(model.serve, "127.0.0.1", 0)
    model.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield model
    finally:
        server.close()
