"""A process from its start to its end: until a signal, and then for as long as its calls may go on."""

import asyncio
import gc
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from outdial.app import Running, running
from outdial.background import Background
from outdial.draining import Drain
from outdial.members.first_start import FirstStart, first_start
from outdial.settings import Settings

LOOK_EVERY_S = 0.5
TELL_EVERY_S = 10.0
STOPPING = "Stopping: live calls hear a goodbye and are hung up, then everything ends"


async def serve(
    settings: Settings,
    *,
    started: Callable[[str, FirstStart | None], None],
    progress: Callable[[str], None],
    first_person: bool = True,
    on_terminal: bool = True,
) -> None:
    """Run until SIGINT or SIGTERM, then drain: live calls may go on for a while; the next signal ends that.

    `started` is told the base URL, and how the first person gets in while nobody has been in; without `first_person`
    somebody else takes care of that. Only `on_terminal` is there a link: journals are kept, and read by others.
    """
    drain, stop = Drain(), asyncio.Event()
    with _signals(drain, stop):
        async with running(settings, drain=drain, progress=progress) as outdial:
            spare_startup_from_collection()
            first = None
            if first_person:
                first = await first_start(outdial.services.engine, outdial.base_url, with_link=on_terminal)
            started(outdial.base_url, first)
            await stop.wait()
            await drained(outdial, progress)
            progress(STOPPING)


async def drained(outdial: Running, tell: Callable[[str], None]) -> None:
    """Returns when the calls of this process have ended, their time is over, or somebody is in a hurry. `tell` hears
    how many are left, and for how long they are waited for."""
    loop, drain = asyncio.get_running_loop(), outdial.drain
    drain.begin()
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
    gc.set_threshold(10_000, 20, 20)  # the default of 700 new objects is reached several times a request
