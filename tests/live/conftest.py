from collections.abc import AsyncIterator

import pytest

from live.talking import Talking, ringing, sign_with
from outdial.calls.claim import Claim
from workspace import Workspace


@pytest.fixture
async def talking(workspace: Workspace) -> AsyncIterator[Talking]:
    """A process that holds conversations for accounts that sign with AUTH_TOKEN."""
    await sign_with(workspace)
    talking = Talking(workspace)
    yield talking
    await talking.aclose()


@pytest.fixture
async def claim(workspace: Workspace) -> Claim:
    """An attempt whose phone rings."""
    return await ringing(workspace)
