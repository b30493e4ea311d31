"""A leg while it lives: what it is connected to, what it tells the customer, what goes wrong on it."""

from dataclasses import dataclass

from outdial.simulator.calls import Notification
from outdial.simulator.faults import Fault, FaultKind
from outdial.simulator.network import Network
from outdial.simulator.telnyx.audio import LegAudio
from outdial.simulator.telnyx.callbacks import Callbacks, Courier
from outdial.simulator.telnyx.config import TelnyxConfig
from outdial.simulator.telnyx.leg import Leg


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shared:
    """What all legs of an account share."""

    network: Network
    config: TelnyxConfig
    courier: Courier


class Party:
    def __init__(self, shared: Shared, leg: Leg) -> None:
        self.shared = shared
        self.network = shared.network
        self.leg = leg
        self.callbacks = Callbacks(shared.courier, leg)
        self.audio = LegAudio(self._pressed)

    def note(self, message: str, *, url: str = "") -> None:
        """For the simulator's own API: what a developer would want to know, and Telnyx would not say."""
        self.leg.call.notifications.append(
            Notification(code=0, message=message, at=self.network.clock.now(), request_url=url, warning=True)
        )

    def strikes(self, kind: FaultKind) -> Fault | None:
        call = self.leg.call
        return self.network.faults.strike(kind, account=call.account, numbers=(call.to, call.from_))

    def _pressed(self, digit: str) -> None:
        self.callbacks.post("call.dtmf.received", **self.leg.parties(), digit=digit)
