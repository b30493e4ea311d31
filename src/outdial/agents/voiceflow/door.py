"""Voiceflow's API asked over HTTP, for one call. The only place where a project's key is on its way."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import httpx

from outdial.agents.brains.reaching import BrainAway, Json, Project
from outdial.agents.tools.plain_json import clean, read_json
from outdial.agents.tools.reaching import word_of
from outdial.agents.voiceflow import requests
from outdial.agents.voiceflow.events import EventReader, TooLong
from outdial.net.cookies import nothing_kept
from outdial.net.guarded import CONNECT_S, GuardedTransport
from outdial.version import __version__

TURN_S = 60.0                # of a whole turn
ASKS_S = 5.0                 # of what is no turn
MAX_BYTES = 1024 * 1024      # of an answer
MAX_TRACES = 500             # of a turn
_AGAIN = frozenset({500, 502, 503, 504})


def client(transport: GuardedTransport) -> httpx.AsyncClient:
    """For all calls of a process."""
    return httpx.AsyncClient(
        transport=transport,
        timeout=httpx.Timeout(TURN_S, connect=CONNECT_S),
        follow_redirects=False,
        trust_env=False,
        cookies=nothing_kept(),
        headers={"user-agent": f"Outdial/{__version__}", "accept": "application/json", "accept-encoding": "identity"},
    )


class HttpDoor:
    def __init__(self, http: httpx.AsyncClient, project: Project) -> None:
        self._http = http
        self._project = project
        self._state: Any = None  # as the last turn told it; None where it told none
        self._was_set: set[str] = set()  # variables, in this call

    async def turn(self, action: Json, variables: Json) -> AsyncGenerator[Any]:
        """The traces, as they come. Raises BrainAway."""
        turn = self._streamed if self._project.streams else self._whole
        self._state = None
        self._was_set.update(variables)
        count = 0
        try:
            async with asyncio.timeout(TURN_S), aclosing(turn(action, variables)) as traces:
                async for trace in traces:
                    count += 1
                    if count > MAX_TRACES:
                        raise BrainAway("too_long", may_again=False)
                    yield clean(trace)
        except TimeoutError:
            raise BrainAway("timeout", may_again=False) from None

    async def forget(self) -> None:
        self._state = None
        await self._asked(requests.forgetting(self._project))

    async def variables(self) -> Json:
        if self._state is None:
            self._state = await self._asked(requests.state(self._project))
        return requests.variables_of(self._state, self._was_set)

    # -- inside ------------------------------------------------------------------------------------------------

    async def _streamed(self, action: Json, variables: Json) -> AsyncGenerator[Any]:
        reader = EventReader()
        async with aclosing(self._chunks(requests.streamed_turn(self._project, action, variables))) as chunks:
            async for chunk in chunks:
                for event in _events(reader, chunk):
                    if event.name == "trace":
                        yield event.data
                    elif event.name == "state":
                        self._state = clean(event.data)
                        self._was_set |= requests.set_in(self._state)
                    elif event.name == "end":
                        return
        raise BrainAway("broken_off", may_again=False)

    async def _whole(self, action: Json, variables: Json) -> AsyncGenerator[Any]:
        traces = await self._asked(requests.whole_turn(self._project, action, variables), TURN_S)
        for trace in traces if isinstance(traces, list) else []:
            yield trace

    async def _asked(self, asked: requests.Asked, within_s: float = ASKS_S) -> Any:
        """The JSON of an answer; None for none. Raises BrainAway."""
        try:
            async with asyncio.timeout(within_s), aclosing(self._chunks(asked)) as chunks:
                body = b"".join([chunk async for chunk in chunks])
        except TimeoutError:
            raise BrainAway("timeout") from None
        try:
            return read_json(body.decode()) if body.strip() else None
        except ValueError:
            if asked.method == "DELETE":
                return None
            raise BrainAway("no_json", may_again=False) from None

    async def _chunks(self, asked: requests.Asked) -> AsyncGenerator[bytes]:
        """Of the body of an answer that is one. Raises BrainAway; `may_again` where nothing of an answer came."""
        size = 0
        try:
            async with self._http.stream(
                asked.method, asked.url, headers=dict(asked.headers), json=asked.body
            ) as response:
                if response.status_code >= 300:
                    status = response.status_code
                    raise BrainAway(f"http_{status}", may_again=status in _AGAIN)
                async for chunk in response.aiter_raw():
                    size += len(chunk)
                    if size > MAX_BYTES:
                        raise BrainAway("too_long", may_again=False)
                    yield chunk
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            word = word_of(error)
            raise BrainAway(word, may_again=size == 0 and word != "refused_address") from None


def _events(reader: EventReader, chunk: bytes) -> Any:
    try:
        yield from reader.feed(chunk)
    except TooLong:
        raise BrainAway("too_long", may_again=False) from None
