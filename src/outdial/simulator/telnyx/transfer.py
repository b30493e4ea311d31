"""The transfer command: somebody else is called, and connected with an answered leg."""

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
