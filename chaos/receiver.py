"""The customer's webhook endpoint: takes everything that it is told, and keeps it in the order in which it came."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from chaos.proxy import HOST

TAKEN = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One event, when it came the first time. `sequence`: its place among those of its call."""

    id: str
    type: str
    call_id: str | None
    sequence: int | None
    end_reason: str | None


@dataclass(slots=True, kw_only=True)
class Receiver:
    """`port`: where it listens. `told` in the order in which it came, each event once; `repeated`: how often one came
    again."""

    port: int = 0
    told: list[Told] = field(default_factory=list)
    repeated: int = 0
    _seen: set[str] = field(default_factory=set)

    @classmethod
    @asynccontextmanager
    async def up(cls) -> AsyncIterator["Receiver"]:
        receiver = cls()
        server = await asyncio.start_server(receiver._answer, HOST, 0)
        receiver.port = server.sockets[0].getsockname()[1]
        try:
            yield receiver
        finally:
            server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                length = next(line for line in head.split("\r\n") if line.startswith("content-length:"))
                self._keep(json.loads(await reader.readexactly(int(length.partition(":")[2]))))
                writer.write(TAKEN)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # whoever sent has gone
        finally:
            writer.close()

    def _keep(self, body: dict[str, Any]) -> None:
        if body["id"] in self._seen:
            self.repeated += 1
            return
        self._seen.add(body["id"])
        call = body["data"].get("call", {})
        self.told.append(
            Told(
                id=body["id"],
                type=body["type"],
                call_id=call.get("id"),
                sequence=body.get("sequence"),
                end_reason=call.get("end_reason"),
            )
        )
