"""What a relay agent is once parsed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from outdial.agents.brains.definition import BrainAgent, Sent
from outdial.speech.choice import SpeechChoice

RECONNECTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayAgent(BrainAgent):
    """`url`: of the server, may name secrets in its path and query. `signing_secret`: the name of the secret with which
    the handshake is signed; None: it isn't. `parameters`: sent with `setup`. `dtmf`: keys are told to the server.
    `partial_prompts`: it also hears what the callee seems to have said so far. `interruptible`, `preemptible`: where
    its own messages don't say so. `reconnects`: how often a connection that is lost is made anew in a call.
    `languages`: what it speaks and listens with in other languages, by their tags."""

    url: str
    url_line: int = field(default=0, compare=False)
    signing_secret: str | None = None
    parameters: Sent = field(default_factory=Sent)
    dtmf: bool = False
    partial_prompts: bool = False
    interruptible: bool = True
    preemptible: bool = False
    reconnects: int = RECONNECTS
    languages: Mapping[str, SpeechChoice] = field(default_factory=dict)

    @property
    def reached(self) -> tuple[str, int]:
        return f"http{self.url[2:].partition('{')[0]}", self.url_line
