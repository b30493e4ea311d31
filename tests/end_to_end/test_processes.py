"""One server in two processes: one port, the audio of each call at the process that has its seat, and one that dies."""

import asyncio
import os
import signal
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from end_to_end.process import Server
from end_to_end.world import HUMAN, SHORT, Story, World, connect_customer
from outdial.db.engine import create_engine, put_away
from outdial.db.tables import attempts
from outdial.history.workers import WorkerState, WorkerView, list_workers
from outdial.simulator.server import serve
from outdial.workspaces.secrets import SecretBox

LASTS_S = 40
SECRET_KEY = "a key for tests"
CALLS = 4


class Calls:
    before: list[WorkerView]
    stories: list[Story]
    owners: set[str]               # who talked on them
    after: list[WorkerView]        # once one had been killed and started again
    later: Story
    exit_code: int
    log: str


async def play(world: World) -> Calls:
    calls = Calls()
    database_url = world.new_database()
    config = replace(world.config, pace=0.3)
    async with (
        serve(config) as simulator,
        Server.up(world.folder / "processes", database_url, SECRET_KEY, "--processes", "2") as server,
    ):
        engine = create_engine(database_url)
        customer = await connect_customer(
            engine,
            SecretBox(SECRET_KEY),
            server.base_url,
            carrier_url=simulator.base_url,
            config=config,
            number=config.numbers[0],
            script=SHORT,
        )
        try:
            calls.before = await _until_serving(engine, 2)
            calls.stories = list(await asyncio.gather(*(customer.call(HUMAN) for _ in range(CALLS))))
            async with engine.connect() as conn:
                calls.owners = {owner for owner in (await conn.execute(select(attempts.c.owner))).scalars() if owner}
            os.kill(calls.before[0].pid, signal.SIGKILL)
            calls.after = await _until_serving(engine, 2, but_for=calls.before[0].id)
            calls.later = await customer.call(HUMAN)
        finally:
            await customer.http.aclose()
            await put_away(engine)
        calls.exit_code = await server.stop()
        calls.log = server.log
    return calls


async def _until_serving(engine: AsyncEngine, many: int, *, but_for: str = "") -> list[WorkerView]:
    async with asyncio.timeout(90):
        while True:
            async with engine.connect() as conn:
                found = [each for each in await list_workers(conn) if each.state is WorkerState.SERVES]
            if len([each for each in found if each.id != but_for]) == many:
                return [each for each in found if each.id != but_for]
            await asyncio.sleep(0.1)


def test_each_process_has_seats_and_an_address_of_its_own(outcome):
    one, two = outcome.before
    assert one.stream_url != two.stream_url
    assert one.seats == two.seats > 0


def test_calls_are_talked_on_in_both(outcome):
    assert [story.end for story in outcome.stories] == ["completed"] * CALLS
    assert outcome.owners == {worker.id for worker in outcome.before}


def test_one_that_dies_comes_back_at_its_address_and_calls_go_on(outcome):
    assert {each.stream_url for each in outcome.after} == {each.stream_url for each in outcome.before}
    assert outcome.later.end == "completed"
    assert "Process ended; starting it again" in outcome.log


def test_all_end_with_their_parent(outcome):
    assert outcome.exit_code == 0
    for worker in outcome.after:
        assert not os.path.exists(f"/proc/{worker.pid}")
