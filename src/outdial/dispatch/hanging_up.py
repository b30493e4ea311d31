"""Asking a carrier to end a call."""

import asyncio
import logging

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.accounts.clients import OpenCarrier
from outdial.calls.records import read_attempt
from outdial.carriers.errors import CarrierError

logger = logging.getLogger(__name__)

TRIES = 4


async def hang_up(
    engine: AsyncEngine, open_carrier: OpenCarrier, attempt_id: str, tries: int = TRIES
) -> bool:
    """Ask the carrier to end an attempt; False when it can't be reached (the sweep asks again later)."""
    attempt = await read_attempt(engine, attempt_id)
    call = attempt.carrier_call
    if call is None or attempt.carrier_account_id is None:
        return False
    for number in range(tries):
        try:
            carrier = await open_carrier(attempt.carrier_account_id)
            await carrier.hang_up(call)
            return True
        except CarrierError as error:
            logger.warning("Hang-up refused by carrier", extra={"attempt_id": attempt_id, **error.codes})
            if number < tries - 1:
                await asyncio.sleep(0.3 * 2**number)
    return False
