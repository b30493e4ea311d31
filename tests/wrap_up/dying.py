"""A process that asks a model for a wrap-up and never hears of it; its test kills it. Its argument: the database."""

import asyncio
import sys

from outdial.agents.spend_meters import SpendMeters
from outdial.db.engine import create_engine
from outdial.draining import Drain
from outdial.jobs.runner import JobRunner
from outdial.wrap_up.job import WrapUps


class Endless:
    name = "gpt-test"

    async def ask(self, request):
        print("asked", flush=True)
        await asyncio.sleep(3600)
        yield


class Servers:
    def open(self, models):
        return [Endless()]


async def main(url: str) -> None:
    engine = create_engine(url)
    await JobRunner(engine, url, WrapUps(engine, Servers(), SpendMeters(engine).of).jobs, drain=Drain()).run()


asyncio.run(main(sys.argv[1]))
