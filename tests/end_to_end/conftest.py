"""One server and one carrier for the whole folder, and calls by the dozen on them at the same time.

A call lasts as long as people talk, so calls one after the other would take many minutes. Each module therefore
plays all of its calls in `play(world)`, an ordinary coroutine, and its tests look at what came of it (`outcome`).
Of the modules that were collected, AT_ONCE play at the same time: with more of them, the computer this runs on
would be judged, and not the product.
"""

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from end_to_end.world import World, names
from outdial.db.embedded import EmbeddedPostgres
from outdial.logs import JsonFormatter

AT_ONCE = 3


class Log(logging.Handler):
    """What an operator finds in the log, a line a record."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(JsonFormatter())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture(scope="session")
def log() -> Iterator[Log]:
    log = Log()
    root = logging.getLogger()
    before = root.level
    root.addHandler(log)
    root.setLevel(logging.INFO)
    yield log
    root.removeHandler(log)
    root.setLevel(before)


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """Data of the servers."""
    with tempfile.TemporaryDirectory(prefix="outdial-e2e-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def new_database(postgres: EmbeddedPostgres):
    """Makes a database with all tables and no rows; returns its URL. They go with the server."""

    def make() -> str:
        name = next(names)
        with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template_migrated")
        return postgres.url(name)

    return make


@pytest.fixture(scope="session")
def pace() -> float:
    """Of everything before an answer, against the simulator's own."""
    return 0.15


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def world(new_database, folder: Path, log: Log, pace: float) -> AsyncIterator[World]:
    async with World.up(new_database, folder, pace) as world:
        yield world


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def outcomes(request: pytest.FixtureRequest, world: World) -> dict[ModuleType, Any]:
    """What each collected module's `play` returned, or why it failed."""
    return await play_all(request.session, Path(__file__).parent, world, at_once=AT_ONCE)


async def play_all(
    session: pytest.Session, folder: Path, world: World, *, at_once: int
) -> dict[ModuleType, Any]:
    """Plays the collected modules of a folder."""
    turn = asyncio.Semaphore(at_once)

    async def play(module: ModuleType) -> Any:
        async with turn:
            return await module.play(world)

    items = [item for item in session.items if item.path.is_relative_to(folder)]
    modules = {item.module: None for item in items if hasattr(item.module, "play")}
    first = sorted(modules, key=lambda module: -getattr(module, "LASTS_S", 0))
    results = await asyncio.gather(*(play(module) for module in first), return_exceptions=True)
    return dict(zip(first, results, strict=True))


@pytest.fixture(scope="module")
def outcome(request: pytest.FixtureRequest, outcomes: dict[ModuleType, Any]) -> Any:
    """What came of this module's calls."""
    result = outcomes[request.module]
    if isinstance(result, BaseException):
        raise result
    return result
