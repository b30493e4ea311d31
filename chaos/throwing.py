"""Carries the throws of a schedule out: each at its time, or when the process it is for serves again."""

import asyncio
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx

from chaos.schedule import OF_ALL_HOSTS, OF_THE_DATABASE, OF_THE_SIMULATOR, Kind, Throw
from chaos.server import Server
from chaos.stage import Stage

SENDS_CALLBACKS = ["status", "amd", "stream"]
DEAD_AFTER_S = 10.0     # at most, a host whose network has gone
CLOCK_JUMPS_S = 3600
LATE_S = 6.0            # at most, a callback
RETRY_AFTER_S = 2.0
ONE_REQUEST_EACH = httpx.Limits(max_keepalive_connections=0)  # one that is kept may be closed just when it is used
MAY_WAIT_S = 60.0       # a busy machine lets a host serve late
SERVES_S = 60.0         # until a process does, or is hit all the same
ENDS = {
    Kind.DATABASE_RESTART: signal.SIGINT,
    Kind.DATABASE_CRASH: signal.SIGQUIT,
    Kind.DATABASE_KILL: signal.SIGKILL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Thrown:
    """One that was carried out, on the wall clock."""

    kind: Kind
    server: str | None
    since: float
    until: float


class Throwing:
    """`run` throws; afterwards nothing of it is left. `tell` hears of each throw."""

    def __init__(self, stage: Stage, tell: Callable[[str], None]) -> None:
        self._servers = stage.servers
        self._database = stage.database
        self._store = stage.store
        self._network = stage.network
        self._simulator_url = stage.simulator_url
        self._tell = tell
        self._turns = {server.name: asyncio.Lock() for server in stage.servers}
        self._database_turn = asyncio.Lock()  # a new standby takes its time
        self.thrown: list[Thrown] = []

    async def run(self, throws: Sequence[Throw], *, seconds: float) -> None:
        """Begins none after so many seconds, and `MAY_WAIT_S` for those that had to wait for their host."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for throw in throws:
                await asyncio.sleep(max(0.0, began + throw.at_s - time.monotonic()))
                group.create_task(self._in_turn(throw, until=began + seconds + MAY_WAIT_S))

    async def _in_turn(self, throw: Throw, *, until: float) -> None:
        if throw.server is None:
            await self._throw(throw, None)
            return
        server = self._servers[throw.server]
        async with self._turns[server.name]:
            await server.ready(SERVES_S)
            if time.monotonic() < until:
                await self._throw(throw, server)

    async def _throw(self, throw: Throw, server: Server | None) -> None:
        at = "" if server is None else f" {server.name}"
        self._tell(f"{throw.kind}{at}, {throw.lasts_s:.1f} s")
        since = time.time()
        if server is not None:
            await self._at_server(server, throw)
        elif throw.kind in OF_THE_SIMULATOR:
            await self._fault(throw)
        elif throw.kind in OF_THE_DATABASE:
            async with self._database_turn:
                await self._at_database(throw)
        elif throw.kind in OF_ALL_HOSTS:
            await self._deploy(throw)
        else:
            await self._beside(throw)
        name = None if server is None else server.name
        self.thrown.append(Thrown(kind=throw.kind, server=name, since=since, until=time.time()))

    async def _at_server(self, server: Server, throw: Throw) -> None:
        match throw.kind:
            case Kind.KILL:
                await server.kill()
                await asyncio.sleep(throw.lasts_s)
            case Kind.DRAIN:
                await server.stop()
                await asyncio.sleep(throw.lasts_s)
            case Kind.VANISH | Kind.POWER_CUT:
                server.abandon()
                self._network.unplug(server)
                if throw.kind is Kind.VANISH:
                    await asyncio.sleep(throw.strength * DEAD_AFTER_S)
                await server.kill()
                await asyncio.sleep(throw.lasts_s)
                self._network.heal(server)
            case Kind.FREEZE:
                server.freeze()
                await asyncio.sleep(throw.lasts_s)
                server.thaw()
                return
            case Kind.PAUSE:
                self._network.hold(server)  # a machine that stands still acknowledges nothing
                server.freeze()
                await asyncio.sleep(throw.lasts_s)
                server.thaw()
                self._network.heal(server)
                return
            case Kind.CLOCK_JUMP:
                server.clock.jump(CLOCK_JUMPS_S if throw.strength > 0.6 else -CLOCK_JUMPS_S)
                await asyncio.sleep(throw.lasts_s)
                server.clock.jump(0)
                return
            case Kind.NO_DATABASE | Kind.NO_CARRIERS:
                if throw.kind is Kind.NO_DATABASE:
                    self._network.part_from_database(server)
                else:
                    self._network.part_from_carriers(server)
                await asyncio.sleep(throw.lasts_s)
                self._network.heal(server)
                return
        server.start()

    async def _at_database(self, throw: Throw) -> None:
        if throw.kind is Kind.FAILOVER:
            await self._database.fail_over()
            await asyncio.sleep(throw.lasts_s)
            await self._database.add_standby()
        elif throw.kind is Kind.DATABASE_FREEZE:
            self._database.freeze()
            await asyncio.sleep(throw.lasts_s)
            self._database.thaw()
        else:
            await self._database.end(ENDS[throw.kind])
            await asyncio.sleep(throw.lasts_s)
            await self._database.start()

    async def _deploy(self, throw: Throw) -> None:
        """As a new version is brought: one host after the other, the next once the one before serves."""
        for server in self._servers:
            async with self._turns[server.name]:
                await server.stop()
                await asyncio.sleep(throw.lasts_s)
                server.start()
                await server.ready(SERVES_S)

    async def _beside(self, throw: Throw) -> None:
        match throw.kind:
            case Kind.CARRIER_UNREACHABLE:
                self._network.carriers.cut()
                await asyncio.sleep(throw.lasts_s)
                self._network.carriers.heal()
            case Kind.STORE_UNREACHABLE:
                self._network.store.cut()
                await asyncio.sleep(throw.lasts_s)
                self._network.store.heal()
            case Kind.STORE_FREEZE:
                self._store.freeze()
                await asyncio.sleep(throw.lasts_s)
                self._store.thaw()

    async def _fault(self, throw: Throw) -> None:
        fault: dict[str, object] = {
            "kind": throw.kind,
            "probability": throw.strength,
            "delay_s": RETRY_AFTER_S if throw.kind is Kind.HANG_UP_ERROR else LATE_S * throw.strength,
        }
        if throw.kind in (Kind.CALLBACK_LOST, Kind.CALLBACK_REPEATED, Kind.CALLBACK_LATE, Kind.CALLBACK_REORDERED):
            fault["callbacks"] = SENDS_CALLBACKS
        async with _control(self._simulator_url) as http:
            added = (await http.post("/_simulator/faults", json=fault)).raise_for_status().json()
            await asyncio.sleep(throw.lasts_s)
            await http.delete(f"/_simulator/faults/{added['id']}")

    async def heal(self) -> None:
        """Whatever was thrown is over, and every server is wanted again."""
        self._network.heal_all()
        self._store.thaw()
        self._database.thaw()
        await self._database.start()  # attaches where it runs
        async with _control(self._simulator_url) as http:
            (await http.delete("/_simulator/faults")).raise_for_status()
        for server in self._servers:
            server.clock.jump(0)
            server.thaw()
            self._network.heal(server)
            server.start()


def _control(simulator_url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=simulator_url, trust_env=False, timeout=30, limits=ONE_REQUEST_EACH)
