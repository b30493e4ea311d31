"""A process from its start to its end: until a signal, and then for as long as its calls may go on."""

import asyncio
import gc
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy.exc import InterfaceError, OperationalError

from outdial.app import Running, running
from outdial.background import Background
from outdial.draining import Drain
from outdial.members.first_start import FirstStart, first_start
from outdial.repeating import UNTIL_WRITTEN, repeat
from outdial.roles import ROLES, Role
from outdial.settings import Settings

GONE_WITHIN_S = 4.0  # a process that can't go on: whatever waits for what will not come, it ends
LOOK_EVERY_S = 0.5
TELL_EVERY_S = 10.0
STOPPING = "Stopping: live calls hear a goodbye and are hung up, then everything ends"


async def serve(
    settings: Settings,
    *,
    started: Callable[[Settings, FirstStart | None], None],
    progress: Callable[[str], None],
    first_person: bool = True,
    on_terminal: bool = True,
    roles: Collection[Role] = ROLES,
    listeners: Sequence[socket.socket] = (),
) -> None:
    """Run until SIGINT or SIGTERM, then drain: live calls may go on for a while; the next signal ends that.

    `started` is told the settings that hold, with the port it has got, and how the first person gets in while nobody
    has been in; without `first_person` somebody else takes care of that. Only `on_terminal` is there a link: journals
    are kept, and read by others.
    """
    drain, stop = Drain(), asyncio.Event()
    with _signals(drain, stop):
        async with running(
            settings, roles=roles, drain=drain, progress=progress, failed=end_soon, listeners=listeners
        ) as outdial:
            spare_startup_from_collection()
            first = None
            if first_person and Role.API in roles:
                first = await _first_start(outdial, on_terminal)
            started(outdial.services.settings, first)
            await stop.wait()
            await drained(outdial, progress)
            progress(STOPPING)


async def _first_start(outdial: Running, on_terminal: bool) -> FirstStart | None:
    """Also where the database goes away right after the start."""
    engine, base_url = outdial.services.engine, outdial.base_url
    return await repeat(
        lambda: first_start(engine, base_url, with_link=on_terminal),
        on=(OperationalError, InterfaceError),
        pauses=UNTIL_WRITTEN,
    )


def end_soon(code: int = 1, *, within_s: float = GONE_WITHIN_S) -> None:
    """This process is gone with that exit code in time, if not before: threads that wait for an answer of the network
    or for another program can't be ended, and Python would wait for them without end."""

    def end() -> None:
        time.sleep(within_s)
        os._exit(code)

    threading.Thread(target=end, name="end", daemon=True).start()


async def drained(outdial: Running, tell: Callable[[str], None]) -> None:
    """Returns when the calls of this process have ended, their time is over, or somebody is in a hurry. `tell` hears
    how many are left, and for how long they are waited for."""
    loop, drain = asyncio.get_running_loop(), outdial.drain
    drain.begin()
    await outdial.give_no_more_seats()
    beside = Background()
    beside.start(outdial.prepare_goodbye(), name="goodbye")
    give_up_at = loop.time() + outdial.services.settings.drain_s
    told: tuple[int, float] | None = None
    while (left_s := give_up_at - loop.time()) > 0 and not drain.hurried.is_set():
        calls = await outdial.calls_left()
        if not calls:
            break
        if told is None or told[0] != calls or told[1] - left_s >= TELL_EVERY_S:
            told = calls, left_s
            tell(f"Draining: {calls} {'call' if calls == 1 else 'calls'} left, {left_s:.0f} s; once more ends them now")
        await drain.wait(min(LOOK_EVERY_S, left_s))
    await beside.cancel(patience_s=LOOK_EVERY_S)


@contextmanager
def _signals(drain: Drain, stop: asyncio.Event) -> Iterator[None]:
    """The first one stops, the next ones hurry."""

    def received() -> None:
        if stop.is_set():
            drain.hurry()
        stop.set()

    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, received)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def spare_startup_from_collection() -> None:
    """Never look again for garbage in what is there once the process is up: modules, models, routes. A full
    collection took a tenth of a second with it, in which no frame leaves."""
    gc.collect()
    gc.freeze()
    # The default of 700 new objects is reached several times a request. A call that is over is some hundred objects
    # that know each other in circles: with rarer full collections, thousands of calls would wait for one.
    gc.set_threshold(10_000, 3, 3)
