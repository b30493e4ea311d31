"""Second legs of warm transfers, whoever dialled them: what carriers tell of them, and that none is left up."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial import clock
from outdial.accounts.clients import OpenCarrier, carrier_of
from outdial.calls.advance import note_ending_in
from outdial.calls.consultations import (
    Consultation,
    apply_to_leg,
    drop,
    keep_leg_price,
    note_leg_ended,
    open_consultations,
    read_consultation,
)
from outdial.calls.records import AttemptRecord, Held, read_attempt
from outdial.calls.transfers import TransferRecord, leave_transfer
from outdial.carriers.callbacks import Callback
from outdial.carriers.calls import HungUp
from outdial.carriers.errors import CarrierError
from outdial.db.engine import autocommit
from outdial.dispatch.hanging_up import ask_to_end
from outdial.settings import Settings
from outdial.telephony.state import CallState, Ending, EndReason, Progress
from outdial.telephony.transfer import TransferOutcome

logger = logging.getLogger(__name__)

MARK = "consult-"      # of the kind of its callbacks; the transfer's id follows
TRIES, PAUSE_S = 3, 0.5
AT_MOST_S = 300.0      # that somebody is asked; longer than all its waits together
UNHEARD_S = 300.0      # a leg that no carrier told an id of has rung out long ago
PRICED_WITHIN_S = 900.0

Work = Coroutine[Any, Any, None]


def callback_url(settings: Settings, attempt: AttemptRecord, transfer_id: int) -> str:
    """Where a carrier tells of a second leg; the kind of callback follows."""
    return f"{settings.callback_url(attempt.carrier, attempt.id)}/{MARK}{transfer_id}"


def second_leg_of(kind: str) -> tuple[int | None, str]:
    """Which transfer's leg a stored callback is of (None: it is of the attempt's own call), and its carrier's kind."""
    mark, _, rest = kind.partition("/")
    number = mark.removeprefix(MARK)
    if not rest or not mark.startswith(MARK) or not (number.isascii() and number.isdecimal() and len(number) < 19):
        return None, kind
    return int(number), rest


async def end_leg(engine: AsyncEngine, open_carrier: OpenCarrier, leg: Consultation) -> None:
    """Ask the carrier to end a leg, where it has told its id; never raises for what it answers."""
    attempt = await read_attempt(engine, leg.attempt_id)
    if leg.carrier_call is None or leg.ended_at is not None:
        return
    for try_ in range(TRIES):
        try:
            carrier = await carrier_of(open_carrier, attempt.carrier_account_id)
            answer = await carrier.hang_up(leg.carrier_call)
        except CarrierError as error:
            logger.warning("Hang-up refused by carrier", extra={"attempt_id": attempt.id, **error.codes})
            if error.retry_after_s is not None:
                return  # the sweep asks again
            await asyncio.sleep(PAUSE_S * (try_ + 1))
        else:
            if answer is not HungUp.TAKEN:
                await note_leg_ended(engine, leg)
            return


class SecondLegs:
    """What is heard of second legs, and what is done then."""

    def __init__(self, engine: AsyncEngine, open_carrier: OpenCarrier) -> None:
        self._engine = engine
        self._open_carrier = open_carrier

    async def told(
        self, conn: AsyncConnection, held: Held, transfer_id: int, callback: Callback
    ) -> Work | None:
        """Enter what a carrier tells of a leg, whose attempt is locked; what is to be done once that is written."""
        if callback.price is not None:
            await keep_leg_price(conn, transfer_id, callback.price)
        event = callback.event
        if not isinstance(event, Progress):
            return None
        leg = await apply_to_leg(conn, transfer_id, event)
        if leg is None:
            return None
        if leg.is_to_end:  # it was heard of too late
            return end_leg(self._engine, self._open_carrier, leg)
        is_up = held.attempt.state is not CallState.ENDED
        if leg.ended_at is not None and leg.is_joined and is_up and held.attempt.ending is None:
            # The other party has left a callee whom nobody talks with any more.
            await note_ending_in(conn, held.attempt.id, Ending(end_reason=EndReason.COMPLETED))
            return self._end_first(held.attempt)
        return None

    async def first_has_ended(self, conn: AsyncConnection, held: Held) -> Work | None:
        """The callee's call is over: what is to be done about second legs of it that are up."""
        legs = await open_consultations(conn, held.attempt.id)
        return self._end_all(legs) if legs else None

    async def look_at(self, record: TransferRecord, held: Held) -> None:
        """The sweep's look at a warm transfer: no leg outlives what it was for, nor is a callee kept for one. Raises
        CarrierError."""
        leg, attempt = await read_consultation(self._engine, record.id), held.attempt
        age_s = (clock.now() - leg.created_at).total_seconds()
        is_live = attempt.state is not CallState.ENDED
        is_left = not is_live or attempt.ending is not None or attempt.owner != leg.owner
        if leg.ended_at is not None:
            await self._close(record, leg)
        elif leg.is_joined:
            if not is_live or not await self._is_up(leg):
                await self._end_all([leg])
        elif leg.is_to_end:
            if leg.carrier_call is None and age_s > UNHEARD_S:
                await note_leg_ended(self._engine, leg)
            await end_leg(self._engine, self._open_carrier, leg)
        elif is_left or age_s > AT_MOST_S:
            await self._end_all([leg])

    async def _close(self, record: TransferRecord, leg: Consultation) -> None:
        """A leg that is over: its price is asked for, once it is known."""
        assert leg.ended_at is not None
        was_answered = leg.opened_at is not None or leg.answer is not None
        if leg.has_price or not was_answered or leg.carrier_call is None:
            await leave_transfer(self._engine, record.id)
            return
        attempt = await read_attempt(self._engine, leg.attempt_id)
        carrier = await carrier_of(self._open_carrier, attempt.carrier_account_id)
        price = (await carrier.look_up(leg.carrier_call)).price
        if price is not None:
            async with autocommit(self._engine) as conn:
                await keep_leg_price(conn, leg.transfer_id, price)
        if price is not None or (clock.now() - leg.ended_at).total_seconds() > PRICED_WITHIN_S:
            await leave_transfer(self._engine, record.id)

    async def _is_up(self, leg: Consultation) -> bool:
        """Whether the carrier's books have a leg that is up."""
        attempt = await read_attempt(self._engine, leg.attempt_id)
        assert leg.carrier_call is not None  # else it could not be connected
        carrier = await carrier_of(self._open_carrier, attempt.carrier_account_id)
        progress = (await carrier.look_up(leg.carrier_call)).progress
        if progress.state is CallState.ENDED:
            async with self._engine.begin() as conn:
                await apply_to_leg(conn, leg.transfer_id, progress)
        return progress.state is not CallState.ENDED

    async def _end_all(self, legs: list[Consultation]) -> None:
        for leg in legs:
            dropped = await drop(self._engine, leg.transfer_id, leg.result or TransferOutcome.NO_ANSWER)
            await end_leg(self._engine, self._open_carrier, dropped)

    async def _end_first(self, attempt: AttemptRecord) -> None:
        if attempt.carrier_call is not None and attempt.carrier_account_id is not None:
            await ask_to_end(self._engine, self._open_carrier, attempt)
