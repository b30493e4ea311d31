"""Scripts are tested in virtual time: nothing here waits for anything else."""

from virtual_time import VirtualTimeLoop


def pytest_asyncio_loop_factories():
    return {"virtual time": VirtualTimeLoop}
