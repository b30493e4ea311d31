"""A process that somebody elsewhere wants emptied: its calls may go on for a while, then they hear a goodbye.

It goes on running, and takes calls again when that is taken back.
"""

import asyncio
import logging

from outdial.db.wake import Wake
from outdial.draining import Drain
from outdial.live.conversations import Conversations

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5


async def empty_when_asked(drain: Drain, conversations: Conversations, *, drain_s: float) -> None:
    """Until cancelled."""
    loop, changed = asyncio.get_running_loop(), Wake()
    drain.when_changed(changed.tell)
    while True:
        if not drain.is_asked_for:
            await changed.wait()
            continue
        logger.info("Drain begun", extra={"calls": conversations.talking, "drain_s": drain_s})
        await conversations.prepare_goodbye()
        cut_at = loop.time() + drain_s
        while drain.is_asked_for:
            if loop.time() >= cut_at:  # also those that were dialled before and are answered only now
                conversations.say_goodbye()
            await changed.wait(LOOK_EVERY_S)
        if not drain.has_begun:
            logger.info("Drain taken back")
