"""Placing and following calls through the HTTP API, as any client would."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import httpx
from httpx_sse import EventSource, SSEError, aconnect_sse

from outdial.cli.failures import CommandFailed
from outdial.repeating import Pauses
from outdial.version import USER_AGENT

RECONNECT = Pauses(first_s=0.5, longest_s=1.0, tries=20)  # a server that is started anew takes some seconds
AFTER_END_S = 5.0  # the server closes the stream of an ended call; this is how long we believe that it will
HANG_UP_WAIT_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedEvent:
    """One entry of a call's feed; `id` is where to go on reading after a lost connection."""

    type: str
    data: dict[str, Any]
    id: str | None = None

    @property
    def ends_the_call(self) -> bool:
        return self.type == "state" and self.data.get("state") == "ended"


Tell = Callable[[StreamedEvent], None]


class ApiClient:
    """The API of one server with one key. Every method raises CommandFailed with the server's own words."""

    def __init__(self, base_url: str, api_key: str, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._http = httpx.AsyncClient(
            base_url=base_url.rstrip("/"),
            headers={"Authorization": api_key, "User-Agent": USER_AGENT},
            timeout=httpx.Timeout(15, read=60),
            transport=transport,
            trust_env=False,  # a proxy has no business between us and a server on this machine
        )

    async def aclose(self) -> None:
        await self._http.aclose()

    async def place_call(self, number_id: str, body: dict[str, Any]) -> dict[str, Any]:
        return await self._json("POST", f"/v1/phone-number/{number_id}/outbound", json=body)

    async def get_call(self, call_id: str) -> dict[str, Any]:
        return await self._json("GET", f"/v1/calls/{call_id}")

    async def list_calls(self) -> list[dict[str, Any]]:
        """The newest calls."""
        calls = (await self._json("GET", "/v1/calls"))["calls"]
        return list(calls)

    async def hang_up(self, call_id: str) -> None:
        await self._json("POST", f"/v1/calls/{call_id}/hang-up")

    async def place_and_follow(
        self, number_id: str, body: dict[str, Any], tell: Tell, stop: asyncio.Event
    ) -> dict[str, Any]:
        """Place a call, tell every event of it, and return the call as it ended. `stop` hangs up."""
        placed = await self.place_call(number_id, body)
        tell(StreamedEvent(type="placed", data=placed))
        call_id = str(placed["call_id"])
        if (waiting := (await self.get_call(call_id)).get("waiting_for")) is not None:
            tell(StreamedEvent(type="waiting", data=waiting))
        following = asyncio.create_task(self.follow(call_id, tell))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({following, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not following.done():
                await self.hang_up(call_id)
                await asyncio.wait({following}, timeout=HANG_UP_WAIT_S)
            if following.done():
                following.result()
        finally:
            for task in (following, stopping):
                task.cancel()
            await asyncio.gather(following, stopping, return_exceptions=True)
        return await self.get_call(call_id)

    async def follow(self, call_id: str, tell: Tell) -> None:
        """Tell the events of a call from its beginning until it has ended; survives lost connections."""
        last_id: str | None = None
        ended = False
        failures = 0
        while not ended:
            try:
                async with asyncio.timeout(None) as limit, aclosing(self._stream(call_id, last_id)) as events:
                    async for event in events:
                        failures = 0
                        last_id = event.id or last_id
                        tell(event)
                        if event.ends_the_call:
                            ended = True
                            limit.reschedule(asyncio.get_running_loop().time() + AFTER_END_S)
            except TimeoutError:
                return
            except httpx.TransportError:
                failures += 1
                if RECONNECT.are_over(failures):
                    raise
                await asyncio.sleep(RECONNECT.after(failures))
            else:
                # A stream that was closed early is opened again, unless the call has ended meanwhile.
                ended = ended or (await self.get_call(call_id))["state"] == "ended"

    async def _stream(self, call_id: str, last_id: str | None) -> AsyncGenerator[StreamedEvent, None]:
        """The events of one connection, until it is closed."""
        headers = {"Last-Event-ID": last_id} if last_id else {}
        async with aconnect_sse(self._http, "GET", f"/v1/calls/{call_id}/events", headers=headers) as source:
            await _raise_for_problem(source.response)
            if source.response.status_code == 204:  # nothing is left to tell
                return
            async with aclosing(read_events(source)) as events:
                async for event in events:
                    yield event

    async def _json(self, method: str, path: str, json: Any = None) -> dict[str, Any]:
        response = await self._http.request(method, path, json=json)
        await _raise_for_problem(response)
        try:
            body = response.json() if response.content else {}
        except ValueError:
            raise CommandFailed("this is not an Outdial server (its answer isn't JSON); check --api-url") from None
        return body if isinstance(body, dict) else {}


async def read_events(source: EventSource) -> AsyncGenerator[StreamedEvent, None]:
    """Server-sent events whose data are JSON objects; others (keep-alives) are skipped.

    Raises CommandFailed for what is no stream of events.
    """
    try:
        async with aclosing(source.aiter_sse()) as told:
            async for event in told:
                try:
                    data = event.json()
                except ValueError:
                    continue
                if isinstance(data, dict):
                    yield StreamedEvent(type=event.event, data=data, id=event.id or None)
    except SSEError:
        raise CommandFailed("this is not an Outdial server (no stream of events); check --api-url") from None


async def _raise_for_problem(response: httpx.Response) -> None:
    if response.is_success:
        return
    await response.aread()
    try:
        problem = response.json()
        said = problem.get("message") or problem.get("detail") or problem.get("title")
        code = problem.get("code")
    except (ValueError, AttributeError):
        said = code = None
    raise CommandFailed(str(said or f"the server answered {response.status_code}; check --api-url"), code=code)
