from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

import httpx
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from vonage_jwt import JwtClient, verify_signature

from outdial.media.tones import tone
from outdial.simulator.server import SimulatorConfig, serve
from outdial.simulator.vonage.account import VonageConfig
from simulator.customers import Customers
from simulator.own_clock import OwnClock
from simulator.vonage.customer import Customer
from simulator.vonage.spec import judge


@cache
def _read(pem: str) -> PrivateKeyTypes:
    """To check a key takes longer than most tests."""
    return load_pem_private_key(pem.encode(), password=None)


class Hum:
    """A voice without an engine: a hum as long as the text, 20 ms a character."""

    name = "hum"

    async def speak(self, text: str) -> AsyncIterator[bytes]:
        yield tone((180, 360), 20 * len(text))


class Setup:
    """A simulator, its customer, and the REST calls tests make most."""

    def __init__(self, simulator, customer, config) -> None:
        self.simulator = simulator
        self.customer = customer
        self.config = config
        self.account = simulator.vonage
        self.number = config.numbers[0].removeprefix("+")
        self.secret = httpx.BasicAuth(config.api_key, config.api_secret)
        self.http = httpx.AsyncClient(
            base_url=simulator.base_url, trust_env=False, auth=self._sign, event_hooks={"response": [judge]}
        )

    def _sign(self, request: httpx.Request) -> httpx.Request:
        request.headers.setdefault("Authorization", f"Bearer {self.token()}")
        return request

    def token(self, **claims) -> str:
        """Made by Vonage's own SDK."""
        client = JwtClient(self.config.application_id, _read(self.account.private_key))
        return client.generate_application_jwt(claims).decode()

    def body(self, callee: str = "00", **fields) -> dict:
        """A call to callee NN whose events we take."""
        document = {} if "answer_url" in fields else {"ncco": [self.customer.connect()]}
        body = {
            "to": [{"type": "phone", "number": f"120255501{callee}"}],
            "from": {"type": "phone", "number": self.number},
            "event_url": [self.customer.url("event")],
            **document,
            **fields,
        }
        return {name: value for name, value in body.items() if value is not None}

    async def create(self, callee: str = "00", **fields) -> httpx.Response:
        return await self.http.post("/v1/calls", json=self.body(callee, **fields))

    async def place(self, callee: str = "00", **fields) -> str:
        """The uuid of a new call; raises httpx.HTTPStatusError."""
        return (await self.create(callee, **fields)).raise_for_status().json()["uuid"]

    async def update(self, uuid: str, **body) -> httpx.Response:
        return await self.http.put(f"/v1/calls/{uuid}", json=body)

    async def fetch(self, uuid: str) -> dict:
        return (await self.http.get(f"/v1/calls/{uuid}")).raise_for_status().json()

    async def put_application(self, **fields) -> dict:
        body = {"name": "Test", **fields}
        path = f"/v2/applications/{self.config.application_id}"
        return (await self.http.put(path, json=body, auth=self.secret)).raise_for_status().json()

    async def link(self, application_id: str) -> None:
        form = {"country": "US", "msisdn": self.number, "app_id": application_id}
        (await self.http.post("/number/update", data=form, auth=self.secret)).raise_for_status()

    def verifies(self, token: str) -> bool:
        return verify_signature(token, self.config.signature_secret)

    async def dialled(self) -> list[dict]:
        return (await self.http.get("/_simulator/calls")).json()["calls"]

    async def switch_on(self, kind: str, **settings) -> None:
        (await self.http.post("/_simulator/faults", json={"kind": kind, **settings})).raise_for_status()


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def customers(own_time) -> AsyncIterator[Customers[Customer]]:
    async with Customers(Customer).serve() as customers_:
        yield customers_


@pytest.fixture(scope="session")
def start(customers):
    """`async with start(...) as setup`: a simulator of its own whose phones ring twenty times faster."""

    @asynccontextmanager
    async def start_(pace: float = 0.05, **settings) -> AsyncIterator[Setup]:
        unlimited = {"calls_per_second": 0, "requests_per_second": 0, "event_retry_delay_s": 0.02}
        config = VonageConfig(**{**unlimited, **settings})
        async with serve(
            SimulatorConfig(pace=pace, vonage=config), callee_voice=Hum(), agent_voice=Hum()
        ) as simulator:
            simulator.network.clock = OwnClock(pace)
            setup_ = Setup(simulator, customers.new(config.signature_secret), config)
            async with setup_.http:
                yield setup_

    return start_


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def shared(start) -> AsyncIterator[Setup]:
    async with start() as setup_:
        yield setup_


@pytest_asyncio.fixture(loop_scope="session")
async def setup(shared, customers) -> AsyncIterator[Setup]:
    """The simulator most tests share, with nothing in its books; the customer is the test's own."""
    shared.customer = customers.new(shared.config.signature_secret)
    shared.simulator.network.clock = OwnClock(shared.simulator.network.clock.pace)
    yield shared
    await shared.http.delete("/_simulator/faults")
    await shared.http.delete("/_simulator/calls")
