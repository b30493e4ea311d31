"""The connections of one server that aren't media streams: how many there may be, and who kept us waiting too long.

Strangers hold these, without a key. So each has its time: a request's head has to be complete within `head_s` of
the connection, or of the response before; its body within `body_s` and a second more for every `body_bytes_per_s`
that came; and what we send has to be read. Where all places are taken, whoever has kept us waiting longest
makes room: a flood of silent connections takes nobody's place who speaks.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from outdial.logs import Seldom
from outdial.networks import network_of

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """`of_an_address`: at most so many from one address (of IPv6, from one /64), unless it is a trusted proxy's."""

    in_all: int = 4096
    of_an_address: int = 512
    head_s: float = 15.0
    body_s: float = 30.0
    body_bytes_per_s: int = 4_000
    unread_s: float = 300.0  # a browser that plays a recording reads on only when it needs more


class Connection(Protocol):
    """What the books want of a connection."""

    body_bytes: int  # of the request under way, so far

    @property
    def reads(self) -> bool:
        """False while it is we who don't take more."""

    @property
    def unsent_bytes(self) -> int: ...
    def give_way(self) -> None:
        """Be gone at once."""

    def give_up(self) -> None:
        """The request didn't come to its end in time: say so and close."""


@dataclass(slots=True)
class _Address:
    open: int = 0
    waiting: dict[Connection, None] = field(default_factory=dict)


_NOBODY = _Address()


class Connections:
    """Who is connected. One server has one; all is done on its event loop."""

    def __init__(
        self,
        limits: ConnectionLimits,
        *,
        is_trusted: Callable[[str], bool] = lambda address: False,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._limits = limits
        self._is_trusted = is_trusted
        self._clock = clock or asyncio.get_running_loop().time
        self._open: dict[Connection, str | None] = {}     # whose; None: exempt from the limit of an address
        self._addresses: dict[str, _Address] = {}
        self._waiting: dict[Connection, float] = {}       # for a head, since; longest first
        self._bodies: dict[Connection, float] = {}        # being received, since
        self._unread: dict[Connection, float] = {}        # the peer doesn't read, since; longest first
        self._looked_at = self._clock()
        self._full = Seldom()
        self._late = Seldom()

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, connection: Connection, address: str | None) -> bool:
        """A new one; False when there is no room for it."""
        of = None if address is None or self._is_trusted(address) else network_of(address)
        if not self._has_room(of, address):
            return False
        self._open[connection] = of
        if of is not None:
            self._addresses.setdefault(of, _Address()).open += 1
        self.waits(connection)
        return True

    def leave(self, connection: Connection) -> None:
        """It is closed, or a media stream now."""
        if connection not in self._open:
            return
        self.asks(connection)
        self._bodies.pop(connection, None)
        self._unread.pop(connection, None)
        of = self._open.pop(connection)
        if of is not None:
            address = self._addresses[of]
            address.open -= 1
            if not address.open:
                del self._addresses[of]

    def waits(self, connection: Connection) -> None:
        """The next request's head is awaited."""
        if connection in self._open and connection not in self._waiting:
            self._waiting[connection] = self._clock()
            if (of := self._open[connection]) is not None:
                self._addresses[of].waiting[connection] = None

    def asks(self, connection: Connection) -> None:
        """A head is complete."""
        if self._waiting.pop(connection, None) is not None and (of := self._open[connection]) is not None:
            self._addresses[of].waiting.pop(connection, None)

    def sends_body(self, connection: Connection) -> None:
        """Not all of the request's body came with its head."""
        if connection in self._open:
            self._bodies[connection] = self._clock()

    def has_sent_body(self, connection: Connection) -> None:
        self._bodies.pop(connection, None)

    def is_stuck(self, connection: Connection) -> None:
        """The peer doesn't read what we send."""
        if connection in self._open:
            self._unread.setdefault(connection, self._clock())

    def reads_again(self, connection: Connection) -> None:
        self._unread.pop(connection, None)

    async def run(self) -> None:
        """Close what is too late, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self.close_late()

    def close_late(self) -> None:
        now, limits = self._clock(), self._limits
        late = []
        for connection in list(_since(now - limits.head_s, self._waiting)):
            if connection.unsent_bytes:  # closing, or so slow a reader that it has its own limit
                self.asks(connection)
                self.is_stuck(connection)
            else:
                late.append(connection)
        for connection, since in self._bodies.items():
            if not connection.reads:  # its time stands still while it is we who are slow
                self._bodies[connection] = since + now - self._looked_at
            elif now - since > limits.body_s + connection.body_bytes / limits.body_bytes_per_s:
                late.append(connection)
        for connection in late:
            self.leave(connection)
            connection.give_up()
        for connection in list(_since(now - limits.unread_s, self._unread)):
            self.leave(connection)
            connection.give_way()
        self._looked_at = now
        if late and (times := self._late.again(len(late))):
            logger.info("Connections closed: request not complete in time", extra={"times": times})

    def _has_room(self, of: str | None, address: str | None) -> bool:
        known = _NOBODY if of is None else self._addresses.get(of, _NOBODY)
        full = known.open >= self._limits.of_an_address
        if full and not self._make_room(known.waiting, limit="address", address=address):
            return False
        return len(self._open) < self._limits.in_all or self._make_room(self._waiting, limit="in all", address=address)

    def _make_room(self, waiting: Mapping[Connection, object], *, limit: str, address: str | None) -> bool:
        """Close the one that has waited longest, if any waits."""
        if times := self._full.again():
            logger.warning("Connections at their limit", extra={"limit": limit, "address": address, "times": times})
        longest = next(iter(waiting), None)
        if longest is None:
            return False
        self.leave(longest)
        longest.give_way()
        return True


def _since(instant: float, began: Mapping[Connection, float]) -> Iterator[Connection]:
    """Those that began before, from the front, where the oldest are."""
    for connection, at in began.items():
        if at > instant:
            return
        yield connection
