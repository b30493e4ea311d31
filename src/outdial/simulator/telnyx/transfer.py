"""The transfer command: somebody else is called, and connected with an answered leg."""

import asyncio

from outdial.simulator.telnyx.call import TelnyxCall, bridge
from outdial.simulator.telnyx.leg import Ending


async def transfer(call: TelnyxCall, target: TelnyxCall) -> None:
    """Rings `target` for `call`; joined, each hangs up when the other does. A failed transfer leaves `call` up."""
    call.transferring = True
    living = call.network.start(target.live())
    ringing = call.network.start(call.audio.ring_back())
    try:
        await _first(target.answered, target.ended, call.ended)
        ringing.cancel()
        if target.answered.is_set() and not target.over and not call.over:
            bridge(call, target)
            await _first(target.ended, call.ended)
            if not call.ended.is_set():
                call.end(Ending(cause="normal_clearing", source=call.leg.us))
        if not target.ended.is_set():
            target.hang_up()
        await asyncio.wait({living})
    finally:
        ringing.cancel()
        call.audio.far = None
        call.transferring = False


async def _first(*events: asyncio.Event) -> None:
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for future in waiting:
            future.cancel()
