"""A websocket of a simulated vendor's voice, without I/O: what it is told, and what it sends."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from outdial.simulator.faults import Fault, FaultKind, Faults
from outdial.simulator.speech.utterance import Speak

Message = str | bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What the simulated vendor's side of a websocket can do."""

    send: Callable[[Message], None]
    close: Callable[[int, str], None]
    cut: Callable[[], None]  # without a close frame


class VoiceSocket(Protocol):
    """The vendor's side of one websocket."""

    def receive(self, message: Message) -> None: ...

    async def aclose(self) -> None:
        """It is closed, by whom ever: nothing goes on."""
        ...


class Refused(Exception):
    """The handshake, or a request, is answered with an error."""

    def __init__(self, *, status: int, body: str) -> None:
        super().__init__(f"refused with {status}")
        self.status = status
        self.body = body


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A handshake: `query` has the last value of each key, `headers` lower-case names."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]


class SimulatedVoice(Protocol):
    """A vendor's streaming synthesis."""

    name: str
    path: str  # of the websocket, as a route

    def accept(self, asked: Asked, line: Line, speak: Speak, faults: Faults) -> VoiceSocket:
        """Raises Refused."""
        ...


def refusal(faults: Faults, vendor: str, body: Callable[[Fault], str]) -> Refused | None:
    for kind in (FaultKind.VOICE_UNAUTHORIZED, FaultKind.VOICE_THROTTLED, FaultKind.VOICE_ERROR):
        fault = faults.strike_voice(kind, vendor=vendor)
        if fault is not None:
            status = {FaultKind.VOICE_UNAUTHORIZED: 401, FaultKind.VOICE_THROTTLED: 429}.get(kind, fault.status)
            return Refused(status=status, body=body(fault))
    return None
