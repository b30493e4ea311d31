"""A simulated model and tools on this event loop, for tests of whatever uses them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from outdial.media.frames import silence
from outdial.simulator.model.models import SimulatedModel
from outdial.simulator.server import Simulator, SimulatorConfig, serve


class Mute:
    """A voice that costs nothing, for the carriers beside them."""

    name = "mute"

    async def speak(self, text: str) -> AsyncIterator[bytes]:
        yield silence(20)


@asynccontextmanager
async def model_server(*models: SimulatedModel) -> AsyncIterator[Simulator]:
    """`models` beside the demo's. Asked at f"{simulator.base_url}/model/v1"; tools at /mcp and /tools/<name>.

    simulator.model.asked and simulator.tools.called tell what came; simulator.network.faults.add(Fault(…)) breaks it.
    """
    async with serve(SimulatorConfig(models=models), callee_voice=Mute(), agent_voice=Mute()) as simulator:
        yield simulator
