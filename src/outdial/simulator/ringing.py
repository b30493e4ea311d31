"""A phone is called: set-up, ringing, and what becomes of it."""

from collections.abc import Callable

from outdial.simulator.callees import Callee, Reaction
from outdial.simulator.network import Network


async def ring(
    network: Network, callee: Callee, ring_timeout_s: float, on_ringing: Callable[[], object]
) -> Reaction:
    """ANSWERS, or why nobody does: RINGS_OUT also when `ring_timeout_s` is over before anything else happens.

    `on_ringing` is called when the phone begins to ring; a number that doesn't exist never does.
    """
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
