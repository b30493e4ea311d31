"""An attempt that was silent for too long, looked up at its carrier, and ended when it should have ended."""

import asyncio
import logging
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.accounts.clients import OpenCarrier
from outdial.calls.advance import apply_event, note_ending
from outdial.calls.checks import look_again
from outdial.calls.prices import record_price
from outdial.calls.records import Held, read_held
from outdial.carriers.calls import CallControl
from outdial.carriers.errors import CarrierError, CarrierRefused
from outdial.dispatch.hanging_up import hang_up
from outdial.dispatch.limits import must_be_over, overdue_end, waits_until
from outdial.dispatch.unknown_dials import resolve
from outdial.settings import Settings
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.state import CallState, EndReason, Progress

logger = logging.getLogger(__name__)

OUTCOME_UNKNOWN = CallError(
    code=FailureCode.OUTCOME_UNKNOWN, message="The carrier could not say what became of this call."
)


class LookUps:
    """Looks attempts up; `slots` limits how many at the same time."""

    def __init__(
        self, engine: AsyncEngine, settings: Settings, open_carrier: OpenCarrier, slots: asyncio.Semaphore
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._open_carrier = open_carrier
        self._slots = slots

    async def look_at(self, held: Held) -> None:
        """Bring an attempt to what its carrier says of it, or see when to look again. Never raises."""
        attempt = held.attempt
        async with self._slots:
            try:
                if attempt.carrier_call is not None:
                    await self._look_up(held, attempt.carrier_call)
                elif not _is_being_dialled(held):
                    carrier = await self._open(held)
                    await resolve(self._engine, self._settings, carrier, held)
                    await self._end_if_over(held)
            except CarrierError as error:
                logger.warning("Carrier look-up failed", extra={"attempt_id": attempt.id, **error.codes})
                await self._end_if_over(held)
            except Exception:
                logger.exception("Attempt not looked up", extra={"attempt_id": attempt.id})

    async def _open(self, held: Held) -> CallControl:
        account_id = held.attempt.carrier_account_id
        if account_id is None:
            raise CarrierRefused(FailureCode.ACCOUNT_REMOVED, "The carrier account of this number was removed.")
        return await self._open_carrier(account_id)

    async def _look_up(self, held: Held, call: CarrierCall) -> None:
        attempt_id = held.attempt.id
        carrier = await self._open(held)
        try:
            record = await carrier.look_up(call)
        except CarrierRefused:
            held = await read_held(self._engine, attempt_id)
            if await self._let_it_be_said(held):
                return
            # A carrier may forget a call; when asked to end it, it confirms that there is nothing to end.
            if held.attempt.ending is None or not await self._hang_up(attempt_id):
                raise
            return
        if record.verdict is not None:
            await apply_event(self._engine, attempt_id, record.verdict)
        if record.price is not None:
            await record_price(self._engine, attempt_id, record.price)
        await apply_event(self._engine, attempt_id, record.progress, check_in_s=self._settings.silent_after_s)
        if record.progress.state is CallState.ENDED:
            return
        held = await read_held(self._engine, attempt_id)  # meanwhile people answer, and streams open
        if held.attempt.state is CallState.ENDED or await self._let_it_be_said(held):
            return
        if await self._must_end(held, record.progress.state) and not await self._hang_up(attempt_id):
            await self._look_again_soon(attempt_id)

    async def _let_it_be_said(self, held: Held) -> bool:
        """Whether somebody is being told a last sentence; the call is looked at again when it must have been heard."""
        now = datetime.now(UTC)
        until = waits_until(held, now)
        if until is not None:
            await look_again(self._engine, held.attempt.id, in_s=(until - now).total_seconds())
        return until is not None

    async def _must_end(self, held: Held, state: CallState) -> bool:
        """Whether the call is being ended or has outlived a limit; then its end reason is noted."""
        if held.attempt.ending is not None:
            return True
        ending = overdue_end(held, state, datetime.now(UTC), self._settings.stream_start_timeout_s)
        if ending is None:
            return False
        await note_ending(self._engine, held.attempt.id, ending)
        return True

    async def _hang_up(self, attempt_id: str) -> bool:
        """End a call whose end reason is noted; False when the carrier doesn't."""
        if not await hang_up(self._engine, self._open_carrier, attempt_id, tries=1):
            return False
        ended = Progress(state=CallState.ENDED, at=datetime.now(UTC), end_reason=EndReason.COMPLETED)
        await apply_event(self._engine, attempt_id, ended)  # with the reason noted
        return True

    async def _end_if_over(self, held: Held) -> None:
        """End a call the carrier tells nothing about, when it must have ended by itself long ago."""
        attempt = held.attempt
        if not must_be_over(held, datetime.now(UTC)):
            await self._look_again_soon(attempt.id)
            return
        # Where we know why it ended (attempt.ending), that is what apply_event makes of "completed".
        reason, error = (EndReason.COMPLETED, None) if attempt.ending else (EndReason.FAILED, OUTCOME_UNKNOWN)
        ended = Progress(state=CallState.ENDED, at=datetime.now(UTC), end_reason=reason, error=error)
        await apply_event(self._engine, attempt.id, ended)

    async def _look_again_soon(self, attempt_id: str) -> None:
        await look_again(self._engine, attempt_id, in_s=self._settings.sweep_every_s)


def _is_being_dialled(held: Held) -> bool:
    """Its worker dials, or is frozen and will; a dead worker's attempts are marked by `take_over`."""
    attempt = held.attempt
    return (
        attempt.unknown_since is None and attempt.state is CallState.DIALING and attempt.stream_opened_at is None
    )
