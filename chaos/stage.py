"""All that a run is played with, up and connected: database, store, carriers, webhook endpoint, network, hosts."""

import json
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from chaos.clock import compiled
from chaos.database import Database
from chaos.furnish import Furnished, furnish
from chaos.network import CARRIERS, Network
from chaos.peers import Peers
from chaos.process import Process
from chaos.proxy import HOST
from chaos.receiver import Receiver
from chaos.server import Server, Surroundings
from chaos.store import URL as STORE_URL
from chaos.store import Store, variables

NAMES = "ABC"
PACE = 0.5  # of what the simulator's callees do


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """`simulator_url`: past every proxy."""

    database: Database
    store: Store
    receiver: Receiver
    network: Network
    simulator_url: str
    servers: Sequence[Server]
    furnished: Furnished

    @classmethod
    @asynccontextmanager
    async def up(
        cls, folder: Path, *, hosts: int, without: Sequence[str], with_standby: bool
    ) -> AsyncIterator["Stage"]:
        """Every host serves. Ends whatever it has started."""
        secret_key, peers = secrets.token_urlsafe(32), Peers()
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            database = Database(folder / "database")
            stack.push_async_callback(database.aclose)
            await database.start()
            store = await enter(Store.up(folder))
            receiver = await enter(Receiver.up())
            config = json.dumps({"folder": str(folder), "pace": PACE})
            simulator = await enter(Process.started("chaos.carrier", [config], folder / "simulator.log"))
            peers.add(CARRIERS, lambda: simulator.pid)
            network = await enter(
                Network.open(peers, carriers=simulator.port, store=store.port, receiver=receiver.port)
            )
            around = Surroundings(
                folder=folder,
                database=database,
                peers=peers,
                secret_key=secret_key,
                environment=variables(network.store.url),
                settings={"STORE_URL": STORE_URL, "ALLOWED_PRIVATE_HOSTS": HOST},
                clock=compiled(folder),
                without=without,
            )
            servers = [await enter(Server.up(name, around)) for name in NAMES[:hosts]]
            for server in servers:
                server.start()  # they load their models while the rest is made ready
            furnished = await furnish(
                database.url,
                secret_key,
                simulator_url=simulator.url,
                carrier_url=network.carriers.url,
                webhook_url=network.receiver.url,
                public_urls=[server.base_url for server in servers],
            )
            if with_standby:
                await database.add_standby()
            for server in servers:
                if not await server.ready():
                    raise RuntimeError(f"server {server.name} did not start; see {server.log}")
            yield cls(
                database=database,
                store=store,
                receiver=receiver,
                network=network,
                simulator_url=simulator.url,
                servers=servers,
                furnished=furnished,
            )
