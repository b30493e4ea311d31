"""One server and one simulator for the whole folder, as for end_to_end; here every call is played on every carrier."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import pytest_asyncio

from end_to_end.conftest import folder, log, new_database, outcome, play_all, world
from end_to_end.world import World

__all__ = ["folder", "log", "new_database", "outcome", "outcomes", "pace", "world"]


@pytest.fixture(scope="session")
def pace() -> float:
    """Phones ring long enough for a busy computer to notice, where the carrier tells it."""
    return 0.3


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def outcomes(request: pytest.FixtureRequest, world: World) -> dict[ModuleType, Any]:
    """What each collected module's `play` returned, or why it failed."""
    return await play_all(request.session, Path(__file__).parent, world, at_once=2)
