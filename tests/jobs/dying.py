"""A process that begins a job and never ends it; its test kills it. Its argument: the database's URL."""

import asyncio
import sys

from outdial.db.engine import create_engine
from outdial.draining import Drain
from outdial.jobs.job import Job
from outdial.jobs.runner import JobRunner


async def endless() -> None:
    print("begun", flush=True)
    await asyncio.sleep(3600)


async def main(url: str) -> None:
    await JobRunner(create_engine(url), url, [Job(name="once", run=endless)], drain=Drain()).run()


asyncio.run(main(sys.argv[1]))
