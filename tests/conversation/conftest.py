"""Conversations are tested in virtual time: a call of a minute takes milliseconds, to the tick."""

from virtual_time import VirtualTimeLoop


def pytest_asyncio_loop_factories():
    return {"virtual time": VirtualTimeLoop}
