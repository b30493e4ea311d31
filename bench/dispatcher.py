"""A dispatcher that is measured, a process of its own: Outdial's, with a carrier that takes every dial at once.

Who is called is never there: half a second after a dial it rings, and half a second later nobody has answered, as
callbacks would tell. Told what to do in JSON lines:

    {"do": "start"}  → it dials from now on
    {"do": "counts"} → what it did since the last time: dials, and of each look at a queue how long it took, ms, and
                     what came of it: "claimed", "busy" (somebody else had the pool, an account or the list), "nothing"
"""

import asyncio
import itertools
import json
import sys
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

import uvloop
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.processes import commands, say
from outdial import logs
from outdial.agents.ready_agents import ReadyAgent
from outdial.calls.advance import apply_event
from outdial.calls.claim import BUSY, Claimed, claim_due_calls
from outdial.carriers.calls import PlaceCall
from outdial.db.engine import create_engine
from outdial.db.notify import Notifications
from outdial.dispatch import dispatcher
from outdial.settings import Settings
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.state import CallState, EndReason, Progress

STEP_S = 0.5


class InstantCarrier:
    """Takes what it is asked for and tells what becomes of it, without a network."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.dials = 0
        self._engine = engine
        self._ids = (f"CA{number:032}" for number in itertools.count(1))
        self._tasks: set[asyncio.Task[None]] = set()

    async def place_call(self, request: PlaceCall) -> CarrierCall:
        self.dials += 1
        call = CarrierCall(id=f"{request.ref}-{next(self._ids)}")
        task = asyncio.create_task(self._tell(request.ref, call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return call

    async def _tell(self, ref: str, call: CarrierCall) -> None:
        await asyncio.sleep(STEP_S)
        await self._says(ref, call, CallState.RINGING, None)
        await asyncio.sleep(STEP_S)
        await self._says(ref, call, CallState.ENDED, EndReason.NO_ANSWER)

    async def _says(self, ref: str, call: CarrierCall, state: CallState, end: EndReason | None) -> None:
        said = Progress(state=state, at=datetime.now(UTC), carrier_call=call, end_reason=end)
        await apply_event(self._engine, ref, said)

    async def finish(self) -> None:
        await asyncio.gather(*self._tasks)


class Agents:
    """Nobody answers, so nobody talks."""

    async def agent(self, agent_id: str, version: int) -> ReadyAgent:
        async def run(call: object) -> None: ...

        return ReadyAgent(run=run, machine_action="hang_up", machine_message=None, word=lambda text, call: text)


_looks: list[tuple[str, float]] = []


async def _claim_and_note(*given: Any, **named: Any) -> Claimed:
    began = perf_counter()
    claimed = await claim_due_calls(*given, **named)
    result = "claimed" if claimed.claims else "busy" if claimed is BUSY else "nothing"
    _looks.append((result, (perf_counter() - began) * 1000))
    return claimed


async def main(config: dict[str, Any]) -> None:
    settings = Settings(database_url=config["database_url"])
    engine = create_engine(config["database_url"])
    carrier = InstantCarrier(engine)

    async def open_carrier(account_id: str) -> InstantCarrier:
        return carrier

    async with Notifications(config["database_url"]) as notifications:
        made = dispatcher.Dispatcher(
            engine, settings, notifications, open_carrier, Agents(), owner=config["owner"]  # type: ignore[arg-type]
        )
        running: asyncio.Task[None] | None = None
        say({"up": True})
        async for command in commands():
            match command["do"]:
                case "start":
                    running = asyncio.create_task(made.run())
                    say(None)
                case "counts":
                    say({"dials": carrier.dials, "looks": _looks})
                    carrier.dials = 0
                    _looks.clear()
        if running is not None:
            running.cancel()
            await asyncio.wait({running})
        await carrier.finish()
    await engine.dispose()


if __name__ == "__main__":
    logs.set_up("warning")
    dispatcher.claim_due_calls = _claim_and_note  # type: ignore[attr-defined]
    uvloop.run(main(json.loads(sys.argv[1])))
