"""A relay agent's server in memory: it answers what a test has written, and keeps what it was told."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from outdial.agents.brains.reaching import BrainAway
from outdial.agents.tools.access import NoTools


class Connection:
    """`told`: its messages so far, each once it came; `closed`: with which code."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self.url = url
        self.headers = dict(headers)
        self.told: list[dict[str, Any]] = []
        self.closed: int | None = None
        self.answer: Callable[[dict[str, Any]], object] = lambda message: None
        self._sent: asyncio.Queue[str | BrainAway] = asyncio.Queue()

    def say(self, *tokens: str, last: bool = True, **more: Any) -> None:
        for place, token in enumerate(tokens, 1):
            is_last = last and place == len(tokens)
            self.send({"type": "text", "token": token, **({"last": True} if is_last else {}), **more})

    def send(self, message: Any) -> None:
        self._sent.put_nowait(message if isinstance(message, str) else json.dumps(message))

    def drop(self, word: str = "closed_1011", *, may_again: bool = True) -> None:
        self._sent.put_nowait(BrainAway(word, may_again=may_again))

    def of(self, type_: str) -> list[dict[str, Any]]:
        return [one for one in self.told if one["type"] == type_]

    # -- Socket

    async def receive(self) -> str:
        message = await self._sent.get()
        if isinstance(message, BrainAway):
            raise message
        return message

    async def send_(self, text: str) -> None:
        message = json.loads(text)
        self.told.append(message)
        self.answer(message)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        self.closed = code


class _Socket:
    def __init__(self, connection: Connection) -> None:
        self.receive, self.send, self.close = connection.receive, connection.send_, connection.close


class Server(NoTools):
    """`answer` is told of each message, with its connection. `away`: connections that fail instead, in that order."""

    def __init__(
        self, answer: Callable[[Connection, dict[str, Any]], object], *, secrets: Mapping[str, str] | None = None
    ) -> None:
        self.connections: list[Connection] = []
        self.away: list[BrainAway] = []
        self.slow_s = 0.0
        self._answer = answer
        self._secrets = secrets or {}
        self.brains = self  # type: ignore[assignment]
        self.secrets = self._reveal  # type: ignore[assignment]

    async def _reveal(self, names: Any, host: str) -> Mapping[str, str]:
        return {name: self._secrets[name] for name in names}

    async def connect(self, url: str, headers: Mapping[str, str]) -> _Socket:
        await asyncio.sleep(self.slow_s)
        if self.away:
            raise self.away.pop(0)
        connection = Connection(url, headers)
        connection.answer = lambda message: self._answer(connection, message)
        self.connections.append(connection)
        return _Socket(connection)

    @property
    def told(self) -> list[dict[str, Any]]:
        return [one for connection in self.connections for one in connection.told]
