"""The MCP server on a socket."""

import pytest


@pytest.fixture
def url(served):
    return f"{served}/mcp"


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"max_event_streams": 5})
