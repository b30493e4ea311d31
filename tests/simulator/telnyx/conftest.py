from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from outdial.simulator.telnyx.config import TelnyxConfig
from simulator.customers import Customers
from simulator.own_clock import OwnClock
from simulator.telnyx.telnyx_customer import TelnyxCustomer, TelnyxSetup


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def telnyx_customers() -> AsyncIterator[Customers[TelnyxCustomer]]:
    async with Customers(TelnyxCustomer).serve() as customers:
        yield customers


@pytest.fixture(scope="session")
def start_telnyx(start, telnyx_customers):
    """`async with start_telnyx(...) as setup`: a simulator of its own, with these TelnyxConfig."""

    @asynccontextmanager
    async def start_(**settings) -> AsyncIterator[TelnyxSetup]:
        telnyx = TelnyxConfig(**{"retry_delays_s": (0.05, 0.1), **settings})
        async with start(telnyx=telnyx) as running:
            setup = TelnyxSetup(running.simulator, telnyx_customers.new())
            yield setup
            await setup.reset()

    return start_


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def shared_telnyx(start_telnyx) -> AsyncIterator[TelnyxSetup]:
    async with start_telnyx() as setup_:
        yield setup_


@pytest_asyncio.fixture(loop_scope="session")
async def setup(shared_telnyx, telnyx_customers) -> AsyncIterator[TelnyxSetup]:
    """The simulator most tests share, with nothing in its books; the customer is the test's own."""
    setup_ = TelnyxSetup(shared_telnyx.simulator, telnyx_customers.new())
    setup_.simulator.network.clock = OwnClock(setup_.simulator.network.clock.pace)
    yield setup_
    await setup_.reset()
