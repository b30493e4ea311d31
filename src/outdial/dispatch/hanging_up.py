"""Asking a carrier to end a call."""

import logging
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.accounts.clients import OpenCarrier
from outdial.calls.records import read_attempt
from outdial.carriers.errors import CarrierError
from outdial.repeating import Pauses, repeat
from outdial.telephony.carrier_call import CarrierCall

logger = logging.getLogger(__name__)

TRIES = 4
PAUSES = Pauses(first_s=0.3, longest_s=1.2)


async def hang_up(
    engine: AsyncEngine, open_carrier: OpenCarrier, attempt_id: str, tries: int = TRIES
) -> bool:
    """Ask the carrier to end an attempt; False when it can't be reached (the sweep asks again later)."""
    attempt = await read_attempt(engine, attempt_id)
    if attempt.carrier_call is None or attempt.carrier_account_id is None:
        return False
    return await ask_to_end(open_carrier, attempt.carrier_account_id, attempt.carrier_call, attempt_id, tries)


async def ask_to_end(
    open_carrier: OpenCarrier, account_id: str, call: CarrierCall, attempt_id: str, tries: int = TRIES
) -> bool:
    """`hang_up` for who knows what the carrier calls the call: no database is asked."""

    async def ask() -> None:
        try:
            carrier = await open_carrier(account_id)
            await carrier.hang_up(call)
        except CarrierError as error:
            logger.warning("Hang-up refused by carrier", extra={"attempt_id": attempt_id, **error.codes})
            raise

    try:
        await repeat(ask, on=CarrierError, pauses=replace(PAUSES, tries=tries))
    except CarrierError:
        return False
    return True
