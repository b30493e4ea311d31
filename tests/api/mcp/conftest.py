"""The MCP server on a socket."""

import pytest


@pytest.fixture
def url(served):
    return f"{served}/mcp"
