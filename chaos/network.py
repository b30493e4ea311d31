"""The network between the hosts of a run and everything else, and how parts of it fail.

Every way leads through a proxy. Each host has one that carriers and customers come in by, and one to its database;
those to the carriers, to the store of recordings and to the customer's webhook endpoint are shared: there a host is
told by its process.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from chaos.peers import Peers
from chaos.proxy import Proxy
from chaos.server import Server

CARRIERS = "carriers"


class Network:
    """The shared ways are known by what is behind them."""

    def __init__(self, carriers: Proxy, store: Proxy, receiver: Proxy) -> None:
        self.carriers = carriers
        self.store = store
        self.receiver = receiver

    @classmethod
    @asynccontextmanager
    async def open(cls, peers: Peers, *, carriers: int, store: int, receiver: int) -> AsyncIterator["Network"]:
        """To these ports."""
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            yield cls(*[await enter(Proxy.open(port, peers.ports_of)) for port in (carriers, store, receiver)])

    # -- a host -----------------------------------------------------------------------------------------------

    def unplug(self, host: Server) -> None:
        """Nobody hears of it any more, and what it had open never comes back."""
        host.database.vanish()
        host.entrance.vanish()
        for way in self._shared:
            way.vanish(host.name)

    def hold(self, host: Server) -> None:
        """The same for a while: it may come back as it was."""
        host.database.hold()
        host.entrance.hold()
        for way in self._shared:
            way.hold(host.name)

    def part_from_database(self, host: Server) -> None:
        host.database.hold()

    def part_from_carriers(self, host: Server) -> None:
        """Both ways: what it asks them, and their callbacks and audio."""
        self.carriers.hold(host.name)
        host.entrance.hold(CARRIERS)

    def heal(self, host: Server) -> None:
        for way in (host.database, host.entrance):
            way.heal()
        host.entrance.heal(CARRIERS)
        for way in self._shared:
            way.heal(host.name)

    # -- all of them ------------------------------------------------------------------------------------------

    def heal_all(self) -> None:
        for way in self._shared:
            way.heal()

    @property
    def _shared(self) -> tuple[Proxy, ...]:
        return self.carriers, self.store, self.receiver
