"""Leases: while a conversation is held here, its attempt's is renewed, so that nobody takes it for lost."""

import asyncio
import logging

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.calls.ownership import Lease, renew_leases
from outdial.live.conversations import Conversations

logger = logging.getLogger(__name__)


async def keep_leases(engine: AsyncEngine, conversations: Conversations, lease: Lease) -> None:
    """Until cancelled: three times in the length of a lease."""
    while True:
        await asyncio.sleep(lease.lease_s / 3)
        if not conversations.count:
            continue
        try:
            await renew_leases(engine, conversations.attempt_ids, lease)
        except Exception:
            logger.exception("Leases not renewed; trying again")
