"""Prices whose callback was lost, or that a carrier tells in its books only: asked for, once."""

import asyncio
import logging

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.accounts.clients import OpenCarrier
from outdial.calls.prices import record_price, take_unpriced
from outdial.calls.records import AttemptRecord
from outdial.carriers.errors import CarrierError
from outdial.db.trouble import tell_trouble

logger = logging.getLogger(__name__)


class Prices:
    """Asks carriers what calls have cost; `slots` limits the requests at the same time."""

    def __init__(self, engine: AsyncEngine, open_carrier: OpenCarrier, slots: asyncio.Semaphore) -> None:
        self._engine = engine
        self._open_carrier = open_carrier
        self._slots = slots

    async def ask_for_missing(self, *, at_most: int) -> None:
        """Of every attempt whose price the carrier must know by now."""
        attempts = await take_unpriced(self._engine, at_most=at_most)
        await asyncio.gather(*(self._ask(attempt) for attempt in attempts))

    async def _ask(self, attempt: AttemptRecord) -> None:
        call = attempt.carrier_call
        if call is None or attempt.carrier_account_id is None or attempt.price is not None:
            return
        async with self._slots:
            try:
                carrier = await self._open_carrier(attempt.carrier_account_id)
                price = (await carrier.look_up(call)).price
                if price is not None:
                    await record_price(self._engine, attempt.id, price)
            except CarrierError as error:
                logger.info("Price look-up failed", extra={"attempt_id": attempt.id, **error.codes})
            except Exception as error:
                tell_trouble(self._engine, logger, "Price not recorded", error, attempt_id=attempt.id)
