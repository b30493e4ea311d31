"""A workspace that calls through a carrier in memory. After every test the lines are recounted."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from calls.fake_carrier import FakeCarrier
from calls.workspace import Workspace
from outdial.calls.reconcile import Sweep
from outdial.calls.workers import Worker
from outdial.db.notify import Notifications
from outdial.settings import Settings
from outdial.workspaces.store import create_workspace


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, public_url="https://voice.example")


@pytest.fixture
def carrier() -> FakeCarrier:
    return FakeCarrier()


MakeWorkspace = Callable[..., Awaitable[Workspace]]


@pytest.fixture
async def make_workspace(
    engine: AsyncEngine, settings: Settings, carrier: FakeCarrier
) -> AsyncIterator[MakeWorkspace]:
    made: list[Workspace] = []

    async def make(*, lines: int = 5, calls_per_second: float = 1000.0) -> Workspace:
        view = await create_workspace(engine, name="Clinic", lines=lines)
        workspace = Workspace(engine, settings, carrier, view["id"])
        workspace.account_id, workspace.number_id = await workspace.add_account(calls_per_second=calls_per_second)
        made.append(workspace)
        return workspace

    yield make
    for workspace in made[:1]:
        await workspace.recount()


@pytest.fixture
async def workspace(make_workspace: MakeWorkspace) -> Workspace:
    return await make_workspace()


@pytest.fixture
def sweep(workspace: Workspace, database_url: str) -> Sweep:
    """One that is asked to sweep; it listens to nothing."""
    return Sweep(
        workspace.engine,
        workspace.settings,
        Notifications(database_url),
        workspace.open_carrier,
        owner="worker_sweep",
    )


@pytest.fixture
async def worker(workspace: Workspace, database_url: str) -> AsyncIterator[Worker]:
    """A worker that lives."""
    async with Worker(workspace.engine, database_url) as worker:
        yield worker
