"""Listening in where another process has the call's audio: the request goes on to it as it came, and what it answers
comes back. It checks for itself who asks, and for how long they may; it is asked inside the operator's network, at the
address that it has entered of itself (`OUTDIAL_INTERNAL_URL`).
"""

import ipaddress
import logging
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.types import Receive, Scope, Send

from outdial.calls.workers import is_seen
from outdial.db.engine import reading
from outdial.db.tables import attempts, workers

logger = logging.getLogger(__name__)

RELAYED = "x-outdial-relayed"  # such a request goes no further
# Who asks, and from which page; the rest concerns the connection it came by.
PASSED_ON = ("cookie", "host", "origin", "referer", "sec-fetch-site", "user-agent", "x-csrf-token", "x-workspace")
PASSED_BACK = ("cache-control", "content-type", "retry-after", "x-accel-buffering", "x-content-type-options")
PATIENCE = httpx.Timeout(10.0, connect=2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherProcesses:
    """The way to them. `transport`: how they are reached; None: by HTTP."""

    engine: AsyncEngine
    transport: httpx.AsyncBaseTransport | None = None

    async def listen(self, request: Request, call_id: str) -> Response | None:
        """What the process answers that has the call's audio; None where none can be asked."""
        if RELAYED in request.headers or (url := await self._url_of(call_id)) is None:
            return None
        headers = {name: value for name in PASSED_ON if (value := request.headers.get(name)) is not None}
        http = httpx.AsyncClient(transport=self.transport, trust_env=False, timeout=PATIENCE)
        headers |= {RELAYED: "1", "accept-encoding": "identity"}
        asked = http.build_request("POST", f"{url}/v1/calls/{call_id}/listen", headers=headers)
        try:
            answer = await http.send(asked, stream=True)
        except BaseException as error:
            await http.aclose()
            if not isinstance(error, httpx.HTTPError):
                raise
            fields = {"call_id": call_id, "reason": type(error).__name__}
            logger.warning("Listening in failed: worker not reached", extra=fields)
            return None
        return Relayed(answer, http)

    async def _url_of(self, call_id: str) -> str | None:
        """Inside, of the worker that has the call's conversation. An address of a machine's own is good on it alone."""
        query = (
            select(workers.c.internal_url, workers.c.host)
            .join(attempts, attempts.c.owner == workers.c.id)
            .where(attempts.c.call_id == call_id, is_seen())
            .order_by(attempts.c.number.desc())
            .limit(1)
        )
        async with reading(self.engine) as conn:
            row = (await conn.execute(query)).one_or_none()
        if row is None or row.internal_url is None:
            return None
        url: str = row.internal_url
        return None if _is_loopback(url) and row.host != socket.gethostname() else url


class Relayed(StreamingResponse):
    """Another process's answer, as it comes. With whoever reads it, the other end is let go."""

    def __init__(self, answer: httpx.Response, http: httpx.AsyncClient) -> None:
        headers = {name: value for name in PASSED_BACK if (value := answer.headers.get(name)) is not None}
        super().__init__(self._pieces(answer), status_code=answer.status_code, headers=headers)
        self._answer, self._http = answer, http

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._answer.aclose()
            await self._http.aclose()

    @staticmethod
    async def _pieces(answer: httpx.Response) -> AsyncIterator[bytes]:
        try:
            async for piece in answer.aiter_raw():
                yield piece
        except httpx.HTTPError:  # the other process has gone, and the call's audio with it
            return


def _is_loopback(url: str) -> bool:
    name = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
