"""Simulated tools that forget what was called and booked before each test."""

import pytest_asyncio

from outdial.simulator.tools.rest import Tools


@pytest_asyncio.fixture(loop_scope="session")
async def tools(setup) -> Tools:
    tools = setup.simulator.tools
    tools.called.clear()
    tools.calendar.clear()
    return tools
