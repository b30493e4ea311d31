"""What a voiceflow agent is once parsed."""

from dataclasses import dataclass, field
from enum import StrEnum

from outdial.agents.brains.definition import BrainAgent, Sent

BASE_URL = "https://general-runtime.voiceflow.com"
ENVIRONMENT = "production"


class User(StrEnum):
    """Whose state in the project a call uses."""

    CALLEE = "callee"  # that of the other party's number
    CALL = "call"      # its own, by the call's id


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceflowAgent(BrainAgent):
    """`project` is the id in the project's settings, `api_key` the name of the secret that holds its key. `sent`:
    variables that the flow begins with. `remembers`: what earlier calls left in the state stays in it. `streams`: its
    turns are said as they come. `transfer_failed`: the name of the event that is sent when nobody took the callee;
    None: the call ends then."""

    project: str
    api_key: str
    base_url: str = BASE_URL
    base_url_line: int = field(default=0, compare=False)
    environment: str = ENVIRONMENT
    user: User = User.CALLEE
    remembers: bool = False
    sent: Sent = field(default_factory=Sent)
    streams: bool = True
    transfer_failed: str | None = None

    @property
    def reached(self) -> tuple[str, int]:
        return self.base_url.partition("{")[0], self.base_url_line
