"""Names of hosts looked up, as the system does it, without one that is slow holding up the others."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from weakref import WeakValueDictionary

from outdial.net.addresses import Address, literal

RESOLVERS = 32         # names looked up at once, each in a thread
OF_A_DOMAIN = 3        # of these: a name server that is silent holds up the names of its domain and no others


@dataclass(slots=True, kw_only=True)
class _LookUp:
    """One look-up for all who want it. Once `begun` it can't be stopped."""

    task: asyncio.Task[Sequence[Address]] | None = None
    wanted_by: int = 0
    begun: bool = False


class Names:
    """Looks names up as the system does, each in a thread of its own. One look-up of a name is under way at a time, and
    few of a domain."""

    def __init__(self) -> None:
        self._under_way: dict[tuple[str, int], _LookUp] = {}
        self._at_once = asyncio.Semaphore(RESOLVERS)
        self._of_domain: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def look_up(self, host: str, port: int) -> Sequence[Address]:
        """Raises OSError and UnicodeError. Who stops waiting leaves the look-up to the others who want it."""
        if (address := literal(host)) is not None:
            return [address]
        name = (host.lower(), port)
        if (looking := self._under_way.get(name)) is None:
            looking = self._under_way[name] = _LookUp()
            looking.task = asyncio.create_task(self._run(looking, *name))
            looking.task.add_done_callback(lambda _: self._forget(name, looking))
        assert looking.task is not None
        looking.wanted_by += 1
        try:
            await asyncio.wait([looking.task])
        finally:
            looking.wanted_by -= 1
            if not looking.wanted_by and not looking.begun and not looking.task.done():
                looking.task.cancel()
                self._forget(name, looking)
        if looking.task.cancelled():
            raise OSError("no names are looked up any more")
        return looking.task.result()

    def close(self) -> None:
        for looking in list(self._under_way.values()):
            if looking.task is not None:
                looking.task.cancel()

    def _forget(self, name: tuple[str, int], looking: _LookUp) -> None:
        if looking.task is not None and looking.task.done() and not looking.task.cancelled():
            looking.task.exception()  # perhaps nobody waits for it any more
        if self._under_way.get(name) is looking:
            del self._under_way[name]

    async def _run(self, looking: _LookUp, host: str, port: int) -> Sequence[Address]:
        domain = ".".join(host.rstrip(".").split(".")[-2:])
        of_domain = self._of_domain.get(domain)
        if of_domain is None:
            of_domain = self._of_domain[domain] = asyncio.Semaphore(OF_A_DOMAIN)
        # The domain's first: what waits for its turn there takes no place from others.
        async with of_domain, self._at_once:
            looking.begun = True
            found = await _in_thread(lambda: _addresses(host, port))
        return [address for text in found if (address := literal(text)) is not None]


async def _in_thread(work: Callable[[], list[str]]) -> list[str]:
    """In a thread that nobody waits for when the process ends, as the threads of an executor are waited for."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[list[str]] = loop.create_future()

    def tell(result: list[str] | None, error: Exception | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result or [])

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except Exception as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(tell, result, error)

    threading.Thread(target=run, name="resolver", daemon=True).start()
    return await done


def _addresses(host: str, port: int) -> list[str]:
    """In the order in which the system prefers them."""
    infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(info[4][0]).partition("%")[0] for info in infos))
