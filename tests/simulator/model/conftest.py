"""A simulated model, and the vendor's own client asking it."""

import itertools
from collections.abc import AsyncIterator, Callable

import openai
import pytest
import pytest_asyncio

from outdial.simulator.model.models import Rule, SimulatedModel

MakeModel = Callable[..., SimulatedModel]
_names = (f"simulated-{number}" for number in itertools.count(1))


@pytest.fixture
def model(shared) -> MakeModel:
    """`model(Rule(…), …, first_token_s=…)`: a model of the test's own on the simulator that tests share."""

    def make(*rules: Rule, **settings) -> SimulatedModel:
        made = SimulatedModel(name=next(_names), rules=rules, **settings)
        shared.simulator.model.add(made)
        return made

    return make


@pytest_asyncio.fixture(loop_scope="session")
async def client(setup) -> AsyncIterator[openai.AsyncOpenAI]:
    base_url = f"{setup.simulator.base_url}/model/v1"
    async with openai.AsyncOpenAI(base_url=base_url, api_key="any", max_retries=0) as client:
        yield client
