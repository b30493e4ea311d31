from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest
import pytest_asyncio

from outdial.media.tones import tone
from outdial.simulator.server import SimulatorConfig, serve
from outdial.simulator.tools.rest import Tools
from own_time import OwnTime, keep_own_time
from simulator.customer import Customer
from simulator.customers import Customers
from simulator.own_clock import HASTE, OwnClock


class Hum:
    """A voice without an engine: a hum as long as the text, 12 ms a character."""

    name = "hum"

    async def speak(self, text: str) -> AsyncIterator[bytes]:
        yield tone((180, 360), 12 * len(text))


class Setup:
    """A simulator, its customer, and the REST calls tests make most."""

    def __init__(self, simulator, customer, config) -> None:
        self.simulator = simulator
        self.customer = customer
        self.config = config
        self.calls_path = f"/2010-04-01/Accounts/{config.account_sid}/Calls"
        self.http = httpx.AsyncClient(
            base_url=simulator.base_url, auth=(config.account_sid, config.auth_token), trust_env=False
        )

    async def place(self, callee: str = "00", *, twiml: str | None = None, **fields) -> dict:
        """Create a call to callee NN with all status callbacks; raises httpx.HTTPStatusError."""
        response = await self.create(callee, twiml=twiml, **fields)
        response.raise_for_status()
        return response.json()

    async def create(self, callee: str = "00", *, twiml: str | None = None, **fields) -> httpx.Response:
        form = {
            "To": f"+120255501{callee}",
            "From": self.config.numbers[0],
            "Twiml": twiml if twiml is not None else self.customer.connect(),
            "StatusCallback": self.customer.url("status"),
            "StatusCallbackEvent": ["initiated", "ringing", "answered", "completed"],
            **fields,
        }
        return await self.http.post(f"{self.calls_path}.json", data=form)

    async def update(self, sid: str, **fields) -> httpx.Response:
        return await self.http.post(f"{self.calls_path}/{sid}.json", data=fields)

    async def fetch(self, sid: str) -> dict:
        return (await self.http.get(f"{self.calls_path}/{sid}.json")).json()

    async def dialled(self) -> list[dict]:
        return (await self.http.get("/_simulator/calls")).json()["calls"]


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def own_time() -> OwnTime:
    return keep_own_time()


@pytest.fixture(autouse=True)
def _haste(request: pytest.FixtureRequest) -> Iterator[None]:
    """The simulator and its customers play on one loop; what they wait for may come sooner.

    Tests of other folders come to that loop before and after these, and wait for more than the loop itself does.
    """
    if "own_time" not in request.fixturenames:
        yield
        return
    own_time: OwnTime = request.getfixturevalue("own_time")
    own_time.haste = HASTE
    yield
    own_time.haste = 1


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def customers(own_time) -> AsyncIterator[Customers[Customer]]:
    async with Customers(Customer).serve() as customers_:
        yield customers_


@pytest.fixture(scope="session")
def start(customers):
    """`async with start(...) as setup`: a simulator of its own whose phones ring twenty times faster."""

    @asynccontextmanager
    async def start_(**settings) -> AsyncIterator[Setup]:
        config = SimulatorConfig(**{"pace": 0.05, "calls_per_second": 0, **settings})
        async with serve(config, callee_voice=Hum(), agent_voice=Hum()) as simulator:
            simulator.network.clock = OwnClock(config.pace)
            setup = Setup(simulator, customers.new(config.auth_token), config)
            async with setup.http:
                yield setup

    return start_


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def shared(start) -> AsyncIterator[Setup]:
    async with start() as setup_:
        yield setup_


@pytest_asyncio.fixture(loop_scope="session")
async def setup(shared, customers) -> AsyncIterator[Setup]:
    """The simulator most tests share, with nothing in its books; the customer is the test's own."""
    shared.customer = customers.new(shared.config.auth_token)
    shared.simulator.network.clock = OwnClock(shared.config.pace)
    yield shared
    await shared.http.delete("/_simulator/faults")
    await shared.http.delete("/_simulator/calls")


@pytest_asyncio.fixture(loop_scope="session")
async def tools(setup) -> Tools:
    """The simulated tools, with nothing called or booked."""
    tools = setup.simulator.tools
    tools.called.clear()
    tools.calendar.clear()
    return tools
