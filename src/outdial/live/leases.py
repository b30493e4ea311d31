"""Leases: while a conversation is held here, its attempt's is renewed, so that nobody takes it for lost."""

import logging

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.calls.ownership import Lease, let_go_transferred, renew_leases, taken_from, unattended
from outdial.db.trouble import tell_trouble
from outdial.db.wake import Wake
from outdial.live.conversations import BROKE, Conversations
from outdial.telephony.state import Ending, EndReason

logger = logging.getLogger(__name__)


async def keep_leases(engine: AsyncEngine, conversations: Conversations, lease: Lease, wake: Wake) -> None:
    """Until cancelled: three times in the length of a lease, and when woken."""
    while True:
        await wake.wait(lease.lease_s / 3)
        try:
            if conversations.count:
                await renew_leases(engine, conversations.attempt_ids, lease)
                for attempt_id in await taken_from(engine, conversations.attempt_ids, lease):
                    conversations.let_go(attempt_id)
            await let_go_transferred(engine, lease, held=conversations.attempt_ids)
            await _end_unattended(engine, conversations, lease)
        except Exception as error:
            tell_trouble(engine, logger, "Leases not renewed; trying again", error)


async def _end_unattended(engine: AsyncEngine, conversations: Conversations, lease: Lease) -> None:
    """End calls of ours that nobody talks on: their conversation broke, or never began, while the database was away."""
    for attempt_id in await unattended(engine, lease):
        if attempt_id in conversations.attempt_ids:  # renewed late, or begun just now
            continue
        logger.error("Call ended: no conversation holds it", extra={"attempt_id": attempt_id})
        await conversations.give_up(attempt_id, Ending(end_reason=EndReason.FAILED, error=BROKE))
