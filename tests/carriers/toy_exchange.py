"""The other end of the toy carrier: a telephone exchange on a loopback port, with one account and one phone per call.

Every phone is answered at once, stays on the line until we end the call, and says nothing.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI, Request, Response
from websockets.asyncio.client import connect

from carriers.toy.callbacks import sign
from outdial.media.frames import SILENT_FRAME

KEY = "a key of the tests"
NUMBER = "+15550000021"


@dataclass(slots=True, kw_only=True)
class Phone:
    id: str
    asked: dict[str, Any]
    status: str = "asked"
    heard_bytes: int = 0
    asked_at: datetime = field(default_factory=lambda: datetime.now(UTC))


class ToyExchange:
    def __init__(self) -> None:
        self.url = ""
        self.answer: str | None = None  # where calls to NUMBER are announced
        self.phones: dict[str, Phone] = {}
        self._told = 0
        self._talking: asyncio.TaskGroup
        self._http = httpx.AsyncClient(trust_env=False)
        self._app = FastAPI()
        self._app.add_api_route("/account", self._account, methods=["GET"])
        self._app.add_api_route("/numbers", self._numbers, methods=["GET"])
        self._app.add_api_route("/numbers/{number}", self._number, methods=["GET", "POST"])
        self._app.add_api_route("/calls", self._calls, methods=["GET", "POST"])
        self._app.add_api_route("/calls/{call_id}", self._call, methods=["GET"])
        self._app.add_api_route("/calls/{call_id}/end", self._end, methods=["POST"])

    @classmethod
    @asynccontextmanager
    async def up(cls) -> AsyncIterator["ToyExchange"]:
        exchange = cls()
        config = uvicorn.Config(exchange._app, port=0, log_config=None, lifespan="off")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        exchange.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        try:
            async with asyncio.TaskGroup() as exchange._talking:
                yield exchange
        finally:
            server.should_exit = True
            await serving
            await exchange._http.aclose()

    async def tell(self, url: str, told: dict[str, Any], *, key: str = KEY) -> httpx.Response:
        """A signed request to Outdial, as often as it is wanted."""
        body = json.dumps(told).encode()
        headers = sign(url, datetime.now(UTC), body, key)
        return await self._http.post(url, content=body, headers=headers)

    async def call_in(self, from_: str) -> Phone:
        """Somebody calls NUMBER; Outdial says where the audio goes, and they talk."""
        phone = Phone(id=f"toy-{len(self.phones)}", asked={})
        self.phones[phone.id] = phone
        assert self.answer is not None
        answer = await self.tell(self.answer, {"call": phone.id, "to": NUMBER, "from": from_})
        assert answer.status_code == 200, answer.text
        phone.asked = answer.json()
        self._talking.create_task(self._talk(phone))
        return phone

    # -- REST

    async def _account(self, request: Request) -> Response:
        return _json({"error": "key"}, 401) if request.headers["authorization"] != f"Key {KEY}" else _json({})

    async def _numbers(self) -> Response:
        return _json({"numbers": [{"number": NUMBER, "answer": self.answer}]})

    async def _number(self, number: str, request: Request) -> Response:
        if number != NUMBER:
            return _json({"error": "unknown"}, 404)
        if request.method == "POST":
            self.answer = (await request.json())["answer"]
        return _json({"number": NUMBER, "answer": self.answer})

    async def _calls(self, request: Request) -> Response:
        if request.method == "GET":
            found = [each for each in self.phones.values() if each.asked.get("ref") == request.query_params["ref"]]
            return _json({"calls": [self._shown(each) for each in found]})
        phone = Phone(id=f"toy-{len(self.phones)}", asked=await request.json())
        self.phones[phone.id] = phone
        self._talking.create_task(self._ring(phone))
        return _json(self._shown(phone), 201)

    async def _call(self, call_id: str) -> Response:
        return _json(self._shown(self.phones[call_id]))

    async def _end(self, call_id: str) -> Response:
        phone = self.phones[call_id]
        if phone.status == "done":
            return _json({"error": "over"}, 409)
        self._talking.create_task(self._move(phone, "done"))
        return _json({})

    def _shown(self, phone: Phone) -> dict[str, Any]:
        at = datetime.now(UTC).isoformat()
        return {"id": phone.id, "status": phone.status, "at": at, "asked_at": phone.asked_at.isoformat()}

    # -- a call

    async def _ring(self, phone: Phone) -> None:
        await self._move(phone, "rings")
        await self._talk(phone)

    async def _talk(self, phone: Phone) -> None:
        await self._move(phone, "talks")
        url = phone.asked["audio"]
        headers = sign(url, datetime.now(UTC), b"", KEY)
        async with connect(url, additional_headers=headers, proxy=None) as socket:
            await socket.send(json.dumps({"begin": phone.id}))
            async for message in socket:
                if isinstance(message, bytes):
                    phone.heard_bytes += len(message)
                    await socket.send(SILENT_FRAME)
                elif "tell_when_played" in (told := json.loads(message)):
                    await socket.send(json.dumps({"played": told["tell_when_played"]}))
        if phone.status != "done":
            await self._move(phone, "done")

    async def _move(self, phone: Phone, status: str) -> None:
        phone.status = status
        self._told += 1
        at = datetime.now(UTC).isoformat()
        await self.tell(phone.asked["tell"], {"id": self._told, "call": phone.id, "status": status, "at": at})


def _json(body: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(body), status, media_type="application/json")
