"""Transfers that came to nothing, and those of which nothing is heard: nobody is left on a line in silence, and what
became of each is found out."""

import asyncio
import logging
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial import clock
from outdial.accounts.clients import OpenCarrier
from outdial.background import Background
from outdial.calls.advance import apply_event, note_ending
from outdial.calls.records import Held, read_held
from outdial.calls.transfer_returns import prepare_return
from outdial.calls.transfers import RINGS_S, TransferRecord, leave_transfer, take_due_transfers
from outdial.carriers.callbacks import TRANSFER_FAILED, BackToAgent
from outdial.carriers.errors import CarrierError, CarrierUncertain
from outdial.db.trouble import tell_trouble
from outdial.dispatch.second_legs import SecondLegs
from outdial.lines.seats import seat_to_return_to
from outdial.settings import Settings, media_url
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.state import CallState, EndedBy, Ending, EndReason
from outdial.telephony.transfer import TransferOutcome, TransferResult

logger = logging.getLogger(__name__)

SENTENCE_WAIT_S = 1.0  # of the sweep, for what it sets going
APOLOGY_S = 20.0       # more than it takes to have one said and to hang up
FOUND_WITHIN_S = 60.0  # of the end of a call, or of the longest ringing, a carrier tells of the other party's leg

NOT_TOLD = CallError(
    code=FailureCode.OUTCOME_UNKNOWN, message="The carrier could not say what became of this transfer."
)
NOT_BACK = CallError(
    code=FailureCode.NO_MEDIA,
    message="Nobody took the transfer, and the carrier opened no audio connection to bring the call back.",
)


def apology_ending() -> Ending:
    """Why a call ends whose callee is told that nobody took the transfer."""
    not_before = clock.now() + timedelta(seconds=APOLOGY_S)
    return Ending(end_reason=EndReason.COMPLETED, ended_by=EndedBy.AGENT, not_before=not_before)


async def way_back(
    engine: AsyncEngine, settings: Settings, attempt_id: str, outcome: TransferOutcome
) -> BackToAgent | None:
    """Where the audio of a call goes on whose transfer came to nothing; None when the call is to end, also where no
    worker has a seat for it any more."""
    token = await prepare_return(engine, attempt_id, outcome)
    if token is None:
        return None
    async with engine.begin() as conn:
        seat = await seat_to_return_to(conn, attempt_id)
    if seat is None:
        logger.warning("Return to agent impossible: no seat is free", extra={"attempt_id": attempt_id})
        return None
    held = await read_held(engine, attempt_id)
    attempt, call = held.attempt, held.call
    return BackToAgent(
        ref=attempt.id,
        from_=call.from_ if call.is_outbound else call.to,
        callback_url=settings.callback_url(attempt.carrier, attempt.id),
        stream_url=media_url(seat.stream_url, attempt.carrier, attempt.id, token),
        max_duration_s=call.max_duration_s,
    )


class Transfers:
    """Sees to callees whom a transfer has left alone, and looks after transfers; `slots` limits how many at once."""

    def __init__(
        self, engine: AsyncEngine, settings: Settings, open_carrier: OpenCarrier, slots: asyncio.Semaphore | None = None
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._open_carrier = open_carrier
        self._slots = slots or asyncio.Semaphore()
        self._second_legs = SecondLegs(engine, open_carrier)
        self._background = Background()

    async def see_to(self, held: Held, call: CarrierCall, outcome: TransferOutcome) -> None:
        """Bring a call back to its agent whose callee is left on the line with nobody there, or say a sentence and
        hang up. Never raises for what carriers do."""
        attempt = held.attempt
        account_id = attempt.carrier_account_id
        if account_id is None or await self._is_given_back(attempt.id, call, account_id, outcome):
            return
        # Noted first: if nobody lives to apologise, the sweep ends the call, but not in the middle of the sentence.
        await note_ending(self._engine, attempt.id, apology_ending())
        await self._apologize(attempt.id, call, account_id)

    async def _is_given_back(
        self, attempt_id: str, call: CarrierCall, account_id: str, outcome: TransferOutcome
    ) -> bool:
        """Whether the call has an agent to come back to, and its carrier brings it back (or may)."""
        back = await way_back(self._engine, self._settings, attempt_id, outcome)
        if back is None:
            return False
        try:
            carrier = await self._open_carrier(account_id)
            await carrier.resume(call, back)
        except CarrierUncertain as error:  # if no audio comes, the sweep ends the call
            logger.warning("Return to agent uncertain", extra={"attempt_id": attempt_id, **error.codes})
        except CarrierError as error:
            logger.warning("Return to agent refused", extra={"attempt_id": attempt_id, **error.codes})
            return False
        return True

    async def _apologize(self, attempt_id: str, call: CarrierCall, account_id: str) -> None:
        try:
            carrier = await self._open_carrier(account_id)
            await carrier.say_and_hang_up(call, TRANSFER_FAILED)
        except CarrierError as error:
            logger.warning("Transfer apology failed", extra={"attempt_id": attempt_id, **error.codes})

    # -- the sweep's part ------------------------------------------------------------------------------------

    async def look_after(self, *, at_most: int) -> None:
        """Look at every transfer that is due."""
        due = await take_due_transfers(self._engine, at_most=at_most)
        await asyncio.gather(*(self._look_at(record) for record in due))

    async def _look_at(self, record: TransferRecord) -> None:
        fields = {"attempt_id": record.attempt_id}
        async with self._slots:
            try:
                held = await read_held(self._engine, record.attempt_id)
                is_live = held.attempt.state is not CallState.ENDED
                if record.warm:
                    await self._second_legs.look_at(record, held)
                elif record.ended_at is None and not (is_live and record.result is TransferOutcome.ANSWERED):
                    await self._find_out(record, held)
                elif is_live and record.ended_at is not None and _is_awaited(record):
                    if held.attempt.owner is None:  # else what the agent said is still to be written: looked at again
                        await self._end_silence(record, held)
                elif record.ended_at is not None:
                    await leave_transfer(self._engine, record.id)
            except CarrierError as error:
                logger.warning("Transfer look-up failed", extra={**fields, **error.codes})
            except Exception as error:
                tell_trouble(self._engine, logger, "Transfer not looked up", error, **fields)

    async def _find_out(self, record: TransferRecord, held: Held) -> None:
        """Ask the carrier about the other party's leg. Once it must have told, the first leg decides: it has ended, or
        nobody is known to be there. Raises CarrierError while the call is up and the carrier can't be asked."""
        attempt, now = held.attempt, clock.now()
        ended_at = attempt.ended_at if attempt.state is CallState.ENDED else None
        tell_by = (ended_at or record.at + timedelta(seconds=RINGS_S)) + timedelta(seconds=FOUND_WITHIN_S)
        found: TransferResult | None = None
        try:
            found = await self._look_up(record, held)
        except CarrierError as error:
            if ended_at is None or now < tell_by:
                raise
            logger.warning("Transfer look-up failed", extra={"attempt_id": attempt.id, **error.codes})
        if found is None or (ended_at is not None and not found.is_over):
            if now < tell_by:
                return
            found = _by_first_leg(record, found, ended_at or now)
        applied = await apply_event(self._engine, attempt.id, found)
        if applied is not None and applied.changed and found.has_failed and ended_at is None:
            await self._see_to_first_leg(held, found)

    async def _look_up(self, record: TransferRecord, held: Held) -> TransferResult | None:
        attempt = held.attempt
        if attempt.carrier_call is None or attempt.carrier_account_id is None:
            return None
        carrier = await self._open_carrier(attempt.carrier_account_id)
        return await carrier.look_up_transfer(
            attempt.carrier_call, to=record.to, leg=record.leg, since=record.at - timedelta(seconds=1)
        )

    async def _see_to_first_leg(self, held: Held, found: TransferResult) -> None:
        """The callee is alone, where the call didn't end with the transfer."""
        attempt, call = held.attempt, held.attempt.carrier_call
        if call is None or attempt.carrier_account_id is None or attempt.owner is not None:
            return  # somebody else's matter, or the agent's
        carrier = await self._open_carrier(attempt.carrier_account_id)
        first = await carrier.look_up(call)
        await apply_event(self._engine, attempt.id, first.progress, check_in_s=self._settings.silent_after_s)
        if first.progress.state is not CallState.ENDED:
            await self._not_for_long(self.see_to(held, call, found.outcome or TransferOutcome.FAILED))

    async def _end_silence(self, record: TransferRecord, held: Held) -> None:
        """Nobody came, no sentence has ended the call, and its audio didn't come back."""
        attempt = held.attempt
        if attempt.carrier_call is None or attempt.carrier_account_id is None:
            return
        error = None if record.failed_step is None else NOT_BACK
        ending = Ending(end_reason=EndReason.COMPLETED, ended_by=EndedBy.AGENT)
        if error is not None:
            ending = Ending(end_reason=EndReason.FAILED, error=error)
        await note_ending(self._engine, attempt.id, ending)
        logger.warning("Call ended: left alone by a transfer", extra={"attempt_id": attempt.id})
        await self._not_for_long(self._apologize(attempt.id, attempt.carrier_call, attempt.carrier_account_id))

    async def _not_for_long(self, work: Coroutine[Any, Any, None]) -> None:
        """The sweep has others to look at while a sentence is said; it goes on behind it."""
        await asyncio.wait({self._background.start(work, name="callee left alone")}, timeout=SENTENCE_WAIT_S)


def _is_awaited(record: TransferRecord) -> bool:
    """Whether nobody came and the call isn't back at its agent."""
    return record.result is not TransferOutcome.ANSWERED and record.returned_at is None


def _by_first_leg(record: TransferRecord, found: TransferResult | None, at: datetime) -> TransferResult:
    """What a transfer must have come to of which the carrier tells no end: who had answered talked until the end."""
    answered = TransferOutcome.ANSWERED in (record.result, found and found.outcome)
    return TransferResult(
        at=at,
        outcome=TransferOutcome.ANSWERED if answered else TransferOutcome.FAILED,
        is_over=True,
        error=None if answered else NOT_TOLD,
        leg=record.leg,
        to=record.to,
    )
