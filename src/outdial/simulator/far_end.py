"""The far end of a call, as a carrier reaches it: a number is called, or calls; somebody answers, or nobody.

Behind a number is a script (callees.py) or a person with a browser (handset.py). Carriers know no difference.
"""

from collections.abc import Callable
from typing import Protocol

from outdial.simulator.callees import Callee, Reaction
from outdial.simulator.calls import Call, Direction
from outdial.simulator.faults import FaultKind
from outdial.simulator.handset import Handset, HandsetCall
from outdial.simulator.line import Line
from outdial.simulator.network import Network
from outdial.simulator.phone import Phone, ScriptedPhone
from outdial.simulator.waiting import first_of


class FarEnd(Protocol):
    """One for every call; `line` is asked for once, after the answer or when they call us."""

    async def ring(self, ring_timeout_s: float, on_ringing: Callable[[], object]) -> Reaction:
        """ANSWERS, or why nobody does: RINGS_OUT also when `ring_timeout_s` is over before anything else happens.

        `on_ringing` is called when the phone begins to ring, which not every phone does.
        """
        ...

    async def line(self, *, on_hang_up: Callable[[], None]) -> Line:
        """`on_hang_up` is called once, when the far end hangs up."""
        ...

    def release(self) -> None:
        """The call is over, however far it came."""
        ...


def far_end(network: Network, call: Call, *, carrier: str) -> FarEnd:
    match call.callee:
        case Handset() as handset:
            return _PersonsEnd(network, call, handset, carrier)
        case callee:
            return _ScriptedEnd(network, call, callee)


class _ScriptedEnd:
    def __init__(self, network: Network, call: Call, callee: Callee) -> None:
        self._network = network
        self._call = call
        self._callee = callee
        self._script = callee.as_caller() if call.direction is Direction.INBOUND else callee.script
        self._said = sorted(callee.utterances)

    async def ring(self, ring_timeout_s: float, on_ringing: Callable[[], object]) -> Reaction:
        network, callee = self._network, self._callee
        network.start(network.callee_voice.audio_of(self._said))  # kept for the answer, or for the next call
        await network.clock.sleep(network.setup_s)
        if callee.reaction is Reaction.NO_SUCH_NUMBER:
            return callee.reaction
        on_ringing()
        rings_s = network.ring_s if callee.rings_s is None else callee.rings_s
        if callee.reaction is Reaction.RINGS_OUT or rings_s >= ring_timeout_s:
            await network.clock.sleep(ring_timeout_s)
            return Reaction.RINGS_OUT
        await network.clock.sleep(rings_s)
        return callee.reaction

    async def line(self, *, on_hang_up: Callable[[], None]) -> Line:
        voice = self._network.start(self._network.callee_voice.audio_of(self._said))
        await first_of(voice)  # and when the call ends meanwhile, the next one has it
        phone = ScriptedPhone(self._script, voice.result(), behind=self._callee.behind)
        return _line(self._network, self._call, phone, on_hang_up)

    def release(self) -> None:
        pass


class _PersonsEnd:
    def __init__(self, network: Network, call: Call, handset: Handset, carrier: str) -> None:
        self._network = network
        self._call = call
        self._handset = handset
        self._carrier = carrier
        self._phone: HandsetCall | None = handset.call if call.direction is Direction.INBOUND else None

    async def ring(self, ring_timeout_s: float, on_ringing: Callable[[], object]) -> Reaction:
        """A person needs real time to answer: `pace` doesn't shorten it."""
        handset = self._handset
        await self._network.clock.sleep(self._network.setup_s)
        if handset.call is not None:
            return Reaction.BUSY
        if handset.browser is None:
            return Reaction.UNREACHABLE
        self._phone = handset.begin(incoming=True, other=self._call.from_, carrier=self._carrier)
        self._phone.ring_in(handset.browser)
        on_ringing()
        reaction = self._phone.reaction
        try:
            return reaction.result() if await first_of(reaction, at_most_s=ring_timeout_s) else Reaction.RINGS_OUT
        finally:
            reaction.cancel()  # it rings no more

    async def line(self, *, on_hang_up: Callable[[], None]) -> Line:
        assert self._phone is not None
        line = _line(self._network, self._call, self._phone, on_hang_up)
        self._phone.attach(line.hang_up)
        return line

    def release(self) -> None:
        if self._phone is not None:
            self._phone.end()


def _line(network: Network, call: Call, phone: Phone, on_hang_up: Callable[[], None]) -> Line:
    name = call.id.replace(":", "_")
    recording = network.recordings_dir / f"{name}.wav" if network.recordings_dir else None
    numbers = (call.to, call.from_)
    late = network.faults.strike(FaultKind.VERDICT_LATE, account=call.account, numbers=numbers)
    behind = network.faults.strike(FaultKind.TALK_BEHIND, account=call.account, numbers=numbers)
    return Line(
        phone,
        on_hang_up=on_hang_up,
        recording=recording,
        heard_late_ms=0 if late is None else round(late.delay_s * 1000),
        talk_behind_ms=0 if behind is None else behind.after_ms,
    )
