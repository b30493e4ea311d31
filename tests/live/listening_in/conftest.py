"""What is heard is tested in virtual time, to the sample; who may listen, on the database."""

import asyncio

from virtual_time import VirtualTimeLoop


def pytest_asyncio_loop_factories(item):
    if item.path.name == "test_tap.py":
        return {"virtual time": VirtualTimeLoop}
    return {"real time": asyncio.new_event_loop}
