"""The connection to a realtime model's server, for one call: made, kept, and made anew when it is lost.

What comes in is read (protocol.py) and handed on at once; what goes out waits in a queue of its own, so that a server
that doesn't read holds up nobody. A new connection knows nothing of the conversation: whoever talks tells it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import quote

import httpx

from outdial.agents.brains.outbox import Outbox, until_one_ends
from outdial.agents.brains.reaching import BrainAway, Socket
from outdial.agents.realtime import protocol
from outdial.agents.realtime.definition import RealtimeAgent
from outdial.agents.realtime.protocol import Event, Failed, Ready, WrongMessage
from outdial.agents.tools.access import Tools
from outdial.conversation.stopping import stop
from outdial.secrets.store import SecretMissing

logger = logging.getLogger(__name__)

CONNECT_S = 5.0          # for an attempt: name, connection, TLS, handshake, and the session set up
MAX_WAITING = 1000       # messages to it: 20 s of audio
MOST_UNREAD = 3 << 20    # characters that nobody has looked at: 2 MB of audio, four minutes
MOST_BYTES = 1 << 20     # of a message from it
RECONNECTS = 3           # in a call
CLOSE_S = 2.0
MOST_WRONG = 10          # messages that aren't of the protocol, on one connection
TRANSIENT = frozenset({"server_error", "rate_limit_exceeded", "overloaded"})  # instead of a session that is set up


class Inbox:
    """What has come from a server, until somebody looks at it."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._size = 0

    def put(self, event: Event, size: int) -> None:
        """`size`: of its message. Raises BrainAway where too much waits."""
        self._events.append(event)
        self._size += size
        if self._size > MOST_UNREAD:
            raise BrainAway("too_much", may_again=False)

    def take(self) -> list[Event]:
        events, self._events, self._size = self._events, [], 0
        return events


async def connected(agent: RealtimeAgent, tools: Tools) -> Socket:
    """Raises BrainAway."""
    try:
        key = (await tools.secrets([agent.api_key], httpx.URL(agent.base_url).host))[agent.api_key]
    except SecretMissing:
        raise BrainAway("secret_missing", may_again=False) from None
    url = f"ws{agent.base_url.removeprefix('http')}/realtime?model={quote(agent.model, safe='')}"
    headers = {"Authorization": f"Bearer {key}"}
    return await tools.brains.connect(url, headers, most_bytes=MOST_BYTES)


class Link:
    """`take` gets each event, and how long its message was; it may raise BrainAway. A Ready is the first of a
    connection: `sessions` counts them. `lost` is told when a connection breaks off and another one is tried. `aclose`
    it in the end."""

    def __init__(
        self,
        agent: RealtimeAgent,
        tools: Tools,
        setup: Callable[[], Awaitable[str]],
        take: Callable[[Event, int], object],
        lost: Callable[[BrainAway], object] = lambda why: None,
        up: Callable[[int, int], object] = lambda after_ms, attempt: None,
    ) -> None:
        """`setup`: the first message of each connection. `up`: it is connected, so many ms after it was tried, at this
        attempt of the call's (from 1)."""
        self.failure: BrainAway | None = None  # for good
        self.sessions = 0
        self.is_up = False
        self._agent = agent
        self._tools = tools
        self._setup = setup
        self._take = take
        self._lost = lost
        self._up = up
        self._loop = asyncio.get_running_loop()
        self._outbox = Outbox()
        self._renews = asyncio.Event()
        self._attempts = 0
        self._news: Callable[[], object] = lambda: None
        self._task = asyncio.create_task(self._run(), name="connection to a realtime model")

    def when_news(self, tell: Callable[[], object]) -> None:
        """`tell` is told whenever something came, or it has failed."""
        self._news = tell

    def send(self, message: str) -> None:
        """Returns at once. While there is no connection, nothing is sent."""
        if self.is_up:
            self._outbox.put(message)
            if len(self._outbox) > MAX_WAITING:
                self.renew()

    def renew(self) -> None:
        """This connection is no good: another one is tried, as after a loss."""
        if self.is_up:
            self._renews.set()

    async def aclose(self) -> None:
        await stop(self._task)

    # -- inside ------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        losses, in_a_row = 0, 0
        while True:
            sessions = self.sessions
            try:
                await self._hold_connection()
            except BrainAway as away:
                why = away
            except Exception as error:  # nothing may end the call without a word to the callee
                logger.error("Realtime connection failed", extra={"error": type(error).__name__})
                why = BrainAway(type(error).__name__, may_again=False)
            in_a_row = 1 if self.sessions > sessions else in_a_row + 1
            losses += 1
            if not why.may_again or losses > RECONNECTS or in_a_row > 1:
                self.failure = why
                self._news()
                return
            self._lost(why)

    async def _hold_connection(self) -> None:
        """Until it is lost. Raises BrainAway."""
        self._attempts += 1
        began = self._loop.time()
        socket: Socket | None = None
        try:
            async with asyncio.timeout(CONNECT_S):
                setup = await self._setup()
                socket = await connected(self._agent, self._tools)
                await socket.send(setup)
                ready = await _set_up(socket)
        except TimeoutError:
            await _close(socket)
            raise BrainAway("timeout") from None
        except BaseException:
            await _close(socket)
            raise
        try:
            self._outbox.begin()
            self._renews.clear()
            self.is_up = True
            self.sessions += 1
            self._up(round((self._loop.time() - began) * 1000), self._attempts)
            self._hand_on(ready, 0)
            await self._both_ways(socket)
        finally:
            self.is_up = False
            await _close(socket)

    async def _both_ways(self, socket: Socket) -> None:
        """Raises what ends it, from either side."""
        await until_one_ends(
            reading_from_a_realtime_model=self._read(socket),
            writing_to_a_realtime_model=self._outbox.write(socket),
            renewing_a_realtime_connection=self._renews.wait(),
        )
        raise BrainAway("no_answer")

    async def _read(self, socket: Socket) -> None:
        wrong = 0
        while True:
            text = await socket.receive()
            try:
                event = protocol.read(text)
            except WrongMessage:
                wrong += 1
                if wrong > MOST_WRONG:
                    raise BrainAway("no_protocol", may_again=False) from None
                continue
            if isinstance(event, Failed) and event.code == protocol.EXPIRED:
                raise BrainAway(protocol.EXPIRED)
            if event is not None and not isinstance(event, Ready):
                self._hand_on(event, len(text))

    def _hand_on(self, event: Event, size: int) -> None:
        self._take(event, size)
        self._news()


async def _set_up(socket: Socket) -> Ready:
    """Until the session is as it was asked for. Raises BrainAway."""
    while True:
        match _event(await socket.receive()):
            case Ready(input_format=heard, output_format=spoken) as ready:
                if {heard, spoken} - {protocol.PCMU, ""}:
                    raise BrainAway("wrong_audio_format", may_again=False)
                return ready
            case Failed(code=code):
                raise BrainAway(code or "refused", may_again=code in TRANSIENT)


def _event(text: str) -> Event | None:
    """While a session is set up. Raises BrainAway."""
    try:
        return protocol.read(text)
    except WrongMessage:
        raise BrainAway("no_protocol", may_again=False) from None


async def _close(socket: Socket | None) -> None:
    if socket is not None:
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await socket.close()
