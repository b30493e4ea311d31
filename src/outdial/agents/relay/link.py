"""The connection to a relay agent's server, for one call: made, kept, and made anew when it is lost.

What comes in is read (protocol.py) and handed on at once; what goes out waits in a queue of its own, so that a server
that doesn't read holds up nobody.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from outdial.agents.brains.outbox import Outbox, until_one_ends
from outdial.agents.brains.reaching import BrainAway, Socket
from outdial.agents.relay import protocol
from outdial.agents.relay.protocol import Message, WrongMessage
from outdial.conversation.stopping import stop

logger = logging.getLogger(__name__)

CONNECT_S = 5.0          # for an attempt: name, connection, TLS, handshake
AGAIN_S = (0.0, 1.0)     # before the first attempt after a loss, and before each further one
MAX_WAITING = 100        # messages to it
MAX_UNANSWERED = 20      # that are sent anew after a loss
BURST = 1000             # messages from it that are read at once; …
A_SECOND = 200           # … then so many a second: it is slowed down, nothing is lost
CLOSE_S = 2.0


@dataclass(frozen=True, slots=True)
class Connected:
    """`after_ms`: since it was begun with; `attempt`: of this call, from 1."""

    after_ms: int
    attempt: int


class Link:
    """`connect` makes a connection, `setup` the first message on it. `take` gets each message, and `over`
    is told when a connection breaks off; `lost`, too, where another one is tried. `aclose` it in the end."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[Socket]],
        setup: Callable[[], str],
        take: Callable[[Message], object],
        *,
        reconnects: int,
        over: Callable[[], object] = lambda: None,
        connected: Callable[[Connected], object] = lambda how: None,
        lost: Callable[[BrainAway], object] = lambda why: None,
    ) -> None:
        self.news = asyncio.Event()             # a message came, or it is up, or it has failed
        self.failure: BrainAway | None = None   # for good, …
        self.has_failed = asyncio.Event()       # … from then on
        self.is_up = False
        self._connect = connect
        self._setup = setup
        self._take = take
        self._reconnects = reconnects
        self._over = over
        self._connected = connected
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._outbox = Outbox()
        self._unanswered: list[str] = []
        self._attempts = 0
        self._task = asyncio.create_task(self._run(), name="connection to a relay agent's server")

    def send(self, message: str, *, wants_answer: bool = False) -> None:
        """Returns at once. What `wants_answer` is sent anew after a loss, until `answered`."""
        if wants_answer:
            self._unanswered.append(message)
            del self._unanswered[:-MAX_UNANSWERED]
        if self.is_up and len(self._outbox) < MAX_WAITING:
            self._outbox.put(message)

    def answered(self) -> None:
        self._unanswered.clear()

    async def aclose(self) -> None:
        await stop(self._task)

    # -- inside ------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        lost = 0
        while True:
            try:
                await self._hold_connection()
            except BrainAway as away:
                why = away
            except Exception as error:  # nothing may end the call without a word to the callee
                logger.error("Relay connection failed", extra={"error": type(error).__name__})
                why = BrainAway(type(error).__name__, may_again=False)
            self.is_up = False
            self._over()
            if not why.may_again or lost >= self._reconnects:
                self.failure = why
                self.has_failed.set()
                self.news.set()
                return
            self._lost(why)
            await asyncio.sleep(AGAIN_S[min(lost, len(AGAIN_S) - 1)])
            lost += 1

    async def _hold_connection(self) -> None:
        """Until it is lost. Raises BrainAway."""
        self._attempts += 1
        began = self._loop.time()
        try:
            async with asyncio.timeout(CONNECT_S):
                socket = await self._connect()
        except TimeoutError:
            raise BrainAway("timeout") from None
        close = (1000, "")
        try:
            self._outbox.begin([self._setup(), *self._unanswered])
            self.is_up = True
            self._connected(Connected(round((self._loop.time() - began) * 1000), self._attempts))
            self.news.set()
            await self._both_ways(socket)
        except _Malformed:
            close = (protocol.MALFORMED_CODE, protocol.MALFORMED)
            raise BrainAway("malformed_messages", may_again=False) from None
        finally:
            self.is_up = False
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await socket.close(*close)

    async def _both_ways(self, socket: Socket) -> None:
        """Raises what ends it, from either side."""
        await until_one_ends(
            reading_from_a_relay_server=self._read(socket), writing_to_a_relay_server=self._outbox.write(socket)
        )

    async def _read(self, socket: Socket) -> None:
        malformed, allowed, at = 0, float(BURST), self._loop.time()
        while True:
            text = await socket.receive()
            now = self._loop.time()
            allowed, at = min(BURST, allowed + (now - at) * A_SECOND) - 1, now
            if allowed < 0:
                await asyncio.sleep(1 / A_SECOND)
            try:
                message = protocol.read(text)
            except WrongMessage as wrong:
                malformed += 1
                if malformed >= protocol.MOST_MALFORMED:
                    raise _Malformed from None
                self.send(protocol.error(str(wrong)))
                continue
            malformed = 0
            self._take(message)
            self.news.set()


class _Malformed(Exception):
    pass
