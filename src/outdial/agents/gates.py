"""What an agent wants done at the services that stand before its callees, as the conversation takes it."""

from collections.abc import Callable

from outdial.agents.script.model import AtScreening, Machine
from outdial.conversation.gates import Gates
from outdial.conversation.live_call import LiveCall


def gates_of(machine: Machine, word: Callable[[str, LiveCall], str]) -> Gates:
    """`word` fills the {variables} of a text for a call."""
    reason = machine.reason
    return Gates(
        hangs_up=machine.screening is AtScreening.HANG_UP,
        reason=None if reason is None else lambda call: word(reason, call),
        keys=machine.press,
    )
