"""The brain, by all ways in which it is reached."""

from typing import Any

from starlette.routing import BaseRoute

from outdial.simulator.brain import music, relay, voiceflow
from outdial.simulator.brain.told import Notebook, Told
from outdial.simulator.faults import Faults


class Brain:
    """`key`: of both, where one is wanted: the relay's handshake is signed with it, the project's key is it."""

    def __init__(self, faults: Faults, *, key: str = "") -> None:
        self._notebook = Notebook()
        self.relay = relay.RelayBrain(self._notebook, faults, token=key)
        self.voiceflow = voiceflow.VoiceflowBrain(self._notebook, faults, key=key)

    @property
    def told(self) -> list[Told]:
        return list(self._notebook.told)

    def routes(self) -> list[BaseRoute]:
        return [*self._notebook.routes(), *music.routes(), *self.relay.routes(), *self.voiceflow.routes()]

    def about(self) -> dict[str, Any]:
        return {"relay_path": relay.PATH, "voiceflow_path": voiceflow.PATH, "voiceflow_project": voiceflow.PROJECT}
