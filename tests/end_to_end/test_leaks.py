"""A server that has stopped leaves nothing behind in its process and on its disk."""

import asyncio
import gc
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from end_to_end.world import CALLEE, HUMAN, SHORT, TALKATIVE, World
from outdial.simulator.faults import FaultKind


@pytest.fixture
def open_files() -> Iterator[None]:
    """Sockets and files that are open afterwards and weren't before are a leak."""
    before = _open()
    yield
    gc.collect()
    assert _open() <= before


async def test_nothing_is_left_of_a_stopped_server(open_files: None, new_database, folder: Path):
    async with World.up(new_database, folder / "leaks") as world:
        ordinary, cut, talking = [await world.customer(script) for script in (SHORT, SHORT, TALKATIVE)]
        world.fault(cut, FaultKind.STREAM_CUT, after_ms=500)
        up = await talking.place(HUMAN)  # still talking when the server stops
        await asyncio.gather(
            ordinary.call(HUMAN), ordinary.call(CALLEE + "03"), cut.call(HUMAN), talking.until(up, "in_progress")
        )
        recordings = world.outdial.services.recordings.folder
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert len(list(recordings.rglob("*.wav"))) == 3
    assert not list(recordings.rglob("*.part"))


def _open() -> int:
    process = psutil.Process()
    return len(process.net_connections("all")) + len(process.open_files())
