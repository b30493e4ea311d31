"""Legs connected with each other: the transfer command, which calls somebody else for it, and the bridge command."""

from outdial.simulator.telnyx.call import TelnyxCall, bridge
from outdial.simulator.telnyx.leg import Ending
from outdial.simulator.waiting import first_of, run_until


async def transfer(call: TelnyxCall, target: TelnyxCall) -> None:
    """Rings `target` for `call`; joined, each hangs up when the other does. A failed transfer leaves `call` up."""
    call.transferring = True
    living = call.network.start(target.live())
    try:
        await run_until(call.audio.ring_back(), target.answered, target.ended, call.ended)
        if target.answered.is_set() and not target.over and not call.over:
            bridge(call, target)
            await first_of(target.ended, call.ended)
            if not call.ended.is_set():
                call.end(Ending(cause="normal_clearing", source=call.leg.us))
        if not target.ended.is_set():
            target.hang_up()
        await first_of(living)
    finally:
        call.audio.far = None
        call.transferring = False


async def stay_bridged(call: TelnyxCall, other: TelnyxCall) -> None:
    """Two answered legs, joined until one ends; the other is hung up then, for neither is parked."""
    call.transferring = other.transferring = True
    try:
        bridge(call, other)
        await first_of(other.ended, call.ended)
        for each in (call, other):
            if not each.over:
                each.end(Ending(cause="normal_clearing", source=each.leg.us))
    finally:
        call.audio.far = other.audio.far = None
        call.transferring = other.transferring = False
