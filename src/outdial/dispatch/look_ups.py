"""An attempt that was silent for too long, looked up at its carrier, and ended when it should have ended."""

import asyncio
import logging
from datetime import timedelta

from sqlalchemy.exc import NoResultFound
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial import clock, logs
from outdial.accounts.clients import OpenCarrier, carrier_of
from outdial.calls.advance import end_unheard_of, note_ending
from outdial.calls.checks import look_again
from outdial.calls.records import Held, read_held
from outdial.carriers.calls import CallControl, HungUp
from outdial.carriers.errors import CarrierError
from outdial.db.trouble import tell_trouble
from outdial.dispatch import carrier_records
from outdial.dispatch.hanging_up import HangUps
from outdial.dispatch.limits import is_settled, is_unwanted, over_at, overdue_end, unheard_end, waits_until
from outdial.dispatch.unknown_dials import resolve
from outdial.repeating import Pauses
from outdial.settings import Settings
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.state import CallState

logger = logging.getLogger(__name__)

LONGEST_PAUSE_S = 60.0       # between two look-ups of one attempt, unless its carrier says more
AFTER_DEADLINE_S = 0.2       # what is due at an instant is looked at when it has passed
TRANSFERRED_LOOK_UPS = 3     # that bring nothing, before a call that goes on without us is taken for forgotten


def pauses(settings: Settings) -> Pauses:
    """Between look-ups of an attempt that bring nothing."""
    return Pauses(first_s=settings.sweep_every_s, longest_s=max(LONGEST_PAUSE_S, settings.sweep_every_s))


class LookUps:
    """Looks attempts up; `slots` limits how many at the same time."""

    def __init__(
        self,
        engine: AsyncEngine,
        settings: Settings,
        open_carrier: OpenCarrier,
        hang_ups: HangUps,
        slots: asyncio.Semaphore,
    ) -> None:
        self._hang_ups = hang_ups
        self._engine = engine
        self._settings = settings
        self._open_carrier = open_carrier
        self._slots = slots

    async def look_at(self, held: Held) -> None:
        """Bring an attempt to what its carrier says of it, or see when to look again. `held` is from `take_due`.
        Never raises."""
        attempt = held.attempt
        logs.about(call_id=attempt.call_id, attempt_id=attempt.id)
        async with self._slots:
            try:
                if attempt.carrier_call is not None:
                    await self._look_up(attempt.id, attempt.carrier_call, await self._open(held))
                elif not _is_being_dialled(held):
                    await resolve(self._engine, self._settings, await self._open(held), held)
                    await self._heard_nothing(attempt.id)
            except CarrierError as error:
                logger.warning("Carrier look-up failed", extra={"attempt_id": attempt.id, **error.codes})
                await self._failed(attempt.id, error)
            except Exception as error:
                tell_trouble(self._engine, logger, "Attempt not looked up", error, attempt_id=attempt.id)

    async def _open(self, held: Held) -> CallControl:
        return await carrier_of(self._open_carrier, held.attempt.carrier_account_id)

    async def _look_up(self, attempt_id: str, call: CarrierCall, carrier: CallControl) -> None:
        record = await carrier.look_up(call)
        await carrier_records.enter(self._engine, attempt_id, record, check_in_s=self._settings.silent_after_s)
        if record.progress.state is CallState.ENDED:
            return
        held = await read_held(self._engine, attempt_id)  # meanwhile people answer, and streams open
        now = clock.now()
        if (until := waits_until(held, now)) is not None:
            await look_again(
                self._engine, attempt_id, after=held.attempt.look_ups, in_s=(until - now).total_seconds()
            )
        if held.attempt.state is CallState.ENDED or is_unwanted(held):
            return  # whose end is wanted is asked for, whatever is said here
        ending = overdue_end(held, record.progress.state, now, self._settings.stream_start_timeout_s)
        if ending is None:
            return
        await note_ending(self._engine, attempt_id, ending)
        held = await read_held(self._engine, attempt_id)
        if waits_until(held, clock.now()) is None:
            await self._hang_ups.end(held)

    async def _failed(self, attempt_id: str, error: CarrierError) -> None:
        try:
            await self._heard_nothing(attempt_id, error)
        except Exception as failure:
            tell_trouble(self._engine, logger, "Attempt not looked up", failure, attempt_id=attempt_id)

    async def _heard_nothing(self, attempt_id: str, error: CarrierError | None = None) -> None:
        """The carrier tells nothing about a call: end it when it must be over, or look again later.

        Without an error it has looked for a dial of unknown outcome, and can't tell which of its calls that is: who
        it rings may be talking, so only an operator ends it.
        """
        try:
            held = await read_held(self._engine, attempt_id)
        except NoResultFound:
            return  # it never left us: who was to dial it has taken it back meanwhile
        attempt, now = held.attempt, held.now
        if attempt.state is CallState.ENDED or attempt.look_ups == 0:
            return  # heard of meanwhile
        end_at = waits_until(held, now) or over_at(held, self._settings.stream_start_timeout_s)
        can_end = error is not None or held.call.hang_up_requested_at is not None
        if can_end and now >= end_at:
            asked = await self._hang_ups.ask(held)
            await end_unheard_of(self._engine, attempt, unheard_end(held, asked), still_to_end=asked is None)
            return
        if carrier_records.is_not_known(error) and self._may_be_forgotten(held):
            asked = await self._hang_ups.ask(held)
            if asked is HungUp.NOT_KNOWN:
                await end_unheard_of(self._engine, attempt, unheard_end(held, asked), still_to_end=False)
                return
        in_s = pauses(self._settings).after(attempt.look_ups)
        if error is not None and error.retry_after_s is not None:
            in_s = max(in_s, error.retry_after_s)
        deadlines = [end_at] if can_end else []
        if attempt.unknown_since is not None:  # then the carrier's books can be believed
            deadlines.append(attempt.unknown_since + timedelta(seconds=self._settings.settle_s))
        for deadline in deadlines:
            if (left_s := (deadline - now).total_seconds()) > 0:
                in_s = min(in_s, left_s + AFTER_DEADLINE_S)
        await look_again(self._engine, attempt_id, after=attempt.look_ups, in_s=in_s)

    def _may_be_forgotten(self, held: Held) -> bool:
        """Whether a call that the carrier says it doesn't know may be asked to end, to see whether it is there at all:
        one that was transferred, and has no limit before the longest duration of a call."""
        attempt = held.attempt
        is_transferred = attempt.stream_opened_at is not None and attempt.owner is None and attempt.ending is None
        is_settled_ = is_settled(held, held.now, self._settings.settle_s)
        return is_transferred and attempt.look_ups >= TRANSFERRED_LOOK_UPS and is_settled_


def _is_being_dialled(held: Held) -> bool:
    """Its worker dials, or is frozen and will; a dead worker's attempts are marked by `take_over`."""
    attempt = held.attempt
    return (
        attempt.unknown_since is None and attempt.state is CallState.DIALING and attempt.stream_opened_at is None
    )
