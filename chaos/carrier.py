"""The carriers of a run: Outdial's simulator, a process of its own that outlives everything else.

The last two digits of every number choose who answers there, so that each call can have a number of its own: whoever is
called twice is seen. Its first line on stdout says where it listens.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import outdial.simulator.network
from chaos.process import say
from outdial import logs
from outdial.cli.processes import end_with_parent, stop_signals
from outdial.simulator.callees import CALLEES, Callee
from outdial.simulator.server import SimulatorConfig, serve
from outdial.simulator.telnyx.config import TelnyxConfig
from outdial.simulator.vonage.config import VonageConfig
from outdial.speech.instant import InstantTextToSpeech

HUMAN = "00"


def callee_at(number: str) -> Callee:
    return CALLEES.get(number[-2:], CALLEES[HUMAN])


async def main(config: dict[str, Any]) -> None:
    watch = asyncio.create_task(end_with_parent())
    outdial.simulator.network.callee_at = callee_at  # type: ignore[attr-defined]
    simulated = SimulatorConfig(
        calls_per_second=0,
        pace=config["pace"],
        prompts_dir=Path(config["folder"]) / "prompts",
        vonage=VonageConfig(calls_per_second=0, requests_per_second=1000),
        telnyx=TelnyxConfig(dials_per_second=0),
    )
    voice = InstantTextToSpeech()  # nothing is judged by what is said here
    with stop_signals() as stop:
        async with serve(simulated, callee_voice=voice, agent_voice=voice) as simulator:
            say(simulator.base_url)
            await stop.wait()
    watch.cancel()


if __name__ == "__main__":
    logs.set_up("warning")
    asyncio.run(main(json.loads(sys.argv[1])))
