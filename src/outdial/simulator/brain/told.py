"""What the brain was told, for tests and for the simulator's own API."""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

KEPT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """`over`: relay or voiceflow; `about`: the connection's number, or the user. `at_s`: of the event loop's clock."""

    over: str
    about: str
    message: Any
    headers: Mapping[str, str]
    at_s: float


class Notebook:
    def __init__(self) -> None:
        self.told: deque[Told] = deque(maxlen=KEPT)

    def note(self, over: str, about: str, message: Any, headers: Mapping[str, str]) -> None:
        at_s = asyncio.get_running_loop().time()
        self.told.append(Told(over=over, about=about, message=message, headers=dict(headers), at_s=at_s))

    def routes(self) -> list[Route]:
        return [
            Route("/_simulator/brain/told", self._told, methods=["GET"]),
            Route("/_simulator/brain/told", self._forget, methods=["DELETE"]),
        ]

    async def _told(self, request: Request) -> Response:
        told = [{"over": one.over, "about": one.about, "message": one.message} for one in self.told]
        return JSONResponse({"told": told})

    async def _forget(self, request: Request) -> Response:
        self.told.clear()
        return Response(status_code=204)
