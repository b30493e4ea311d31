"""Asking carriers to end calls: before anything else, and until they have taken it."""

import asyncio
import logging
from collections.abc import Collection

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial import clock
from outdial.accounts.clients import OpenCarrier, carrier_of
from outdial.background import PATIENCE_S, Background
from outdial.calls.advance import apply_event
from outdial.calls.checks import hang_up_again, hang_up_done, take_hang_ups
from outdial.calls.records import AttemptRecord, Held, read_attempt, read_held
from outdial.carriers.calls import HungUp
from outdial.carriers.errors import CarrierError
from outdial.db.notify import Notifications
from outdial.db.trouble import tell_trouble
from outdial.db.wake import Wake
from outdial.dispatch import carrier_records
from outdial.dispatch.limits import is_settled, surely_ended, unwanted_end
from outdial.repeating import Pauses
from outdial.settings import Settings
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.state import CallState

logger = logging.getLogger(__name__)

AT_ONCE = 20         # attempts at the same time
PUT_OFF_S = 40.0     # longer than two requests may take, so that nobody else asks meanwhile
TRIES = 4            # of who has just ended a conversation
AT_FIRST = Pauses(first_s=0.3, longest_s=1.2)
NOTED_WITHIN_S = 2.0
LATER = Pauses(first_s=1.0, longest_s=30.0)


async def hang_up(engine: AsyncEngine, open_carrier: OpenCarrier, attempt_id: str, tries: int = TRIES) -> bool:
    """Ask the carrier to end an attempt whose end reason is noted; False when it doesn't take it (it is asked again
    later, by `HangUps`)."""
    attempt = await read_attempt(engine, attempt_id)
    if attempt.carrier_call is None or attempt.carrier_account_id is None:
        return False
    return await ask_to_end(engine, open_carrier, attempt, tries)


async def ask_to_end(
    engine: AsyncEngine, open_carrier: OpenCarrier, attempt: AttemptRecord, tries: int = TRIES
) -> bool:
    """`hang_up` for who knows what the carrier calls the call: no database keeps it waiting for long."""
    assert attempt.carrier_call is not None
    failures = 0
    while True:
        try:
            await _ask(open_carrier, attempt, attempt.carrier_call)
            return True
        except CarrierError as error:
            failures += 1
            if failures >= tries or error.retry_after_s is not None:
                await _note_refusal(engine, attempt.id, in_s=_pause_s(failures, error))
                return False
        await asyncio.sleep(AT_FIRST.after(failures))


async def _note_refusal(engine: AsyncEngine, attempt_id: str, in_s: float) -> None:
    """When the carrier is asked again. A database that is away asks it as soon as it is back."""
    try:
        async with asyncio.timeout(NOTED_WITHIN_S):
            await hang_up_again(engine, attempt_id, in_s=in_s)
    except Exception as error:
        tell_trouble(engine, logger, "Refused hang-up not noted", error, attempt_id=attempt_id)


async def _ask(open_carrier: OpenCarrier, attempt: AttemptRecord, call: CarrierCall) -> HungUp:
    try:
        carrier = await carrier_of(open_carrier, attempt.carrier_account_id)
        return await carrier.hang_up(call)
    except CarrierError as error:
        logger.warning("Hang-up refused by carrier", extra={"attempt_id": attempt.id, **error.codes})
        raise


def _pause_s(failures: int, error: CarrierError) -> float:
    return max(LATER.after(failures), error.retry_after_s or 0.0)


class HangUps:
    """Has every call ended whose end is wanted, whatever look-ups say. Any number of processes may do it."""

    def __init__(
        self, engine: AsyncEngine, settings: Settings, notifications: Notifications, open_carrier: OpenCarrier
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._notifications = notifications
        self._open_carrier = open_carrier
        self._wake = Wake()              # calls somebody wants something of
        self._under_way = Background()

    async def run(self) -> None:
        """Until cancelled: at once when a call is to be hung up that no conversation holds, and regularly. One whose
        carrier is slow keeps no other waiting."""
        try:
            with self._wake.listening(self._notifications, "outdial_control"):
                while True:
                    told = await self._wake.wait(self._settings.sweep_every_s)
                    try:
                        await self.start(None if "" in told else told)
                    except Exception as error:
                        tell_trouble(self._engine, logger, "Hang-ups not read; trying again", error)
        finally:
            await self._under_way.cancel(patience_s=PATIENCE_S)  # what is cut is asked for again, after PUT_OFF_S

    async def start(self, call_ids: Collection[str] | None = None) -> None:
        """Begin a round, over these calls or all, and wait for no carrier."""
        free = AT_ONCE - len(self._under_way)
        due = await self._take(free, call_ids) if free > 0 else []
        for held in due:
            task = self._under_way.start(self.end(held), name=f"hang-up of {held.attempt.id}")
            if len(due) == free:  # there may be more
                task.add_done_callback(lambda _: self._wake.tell())

    async def sweep(self) -> None:
        """One round over all that are due."""
        while due := await self._take(AT_ONCE, None):
            await asyncio.gather(*(self.end(held) for held in due))

    async def ask(self, held: Held) -> HungUp | None:
        """What the carrier makes of it; None when it didn't take it, or does not want to be asked yet."""
        attempt = held.attempt
        if attempt.carrier_call is None or (attempt.hang_up_at is not None and attempt.hang_up_at > held.now):
            return None
        return await self._try(held, attempt.carrier_call)

    async def _take(self, at_most: int, call_ids: Collection[str] | None) -> list[Held]:
        return await take_hang_ups(self._engine, put_off_s=PUT_OFF_S, at_most=at_most, call_ids=call_ids)

    async def end(self, held: Held) -> None:
        """Have an attempt ended whose end is wanted, and bring it to its end where the carrier takes it. Never raises.
        """
        attempt = held.attempt
        try:
            if attempt.carrier_call is None:
                return
            answer = await self._try(held, attempt.carrier_call)
            if answer is None:
                return
            if attempt.state is CallState.ENDED:
                await hang_up_done(self._engine, attempt.id)
            else:
                await self._conclude(attempt.id, attempt.carrier_call, answer)
        except Exception as error:
            tell_trouble(self._engine, logger, "Call not hung up; trying again", error, attempt_id=attempt.id)

    async def _try(self, held: Held, call: CarrierCall) -> HungUp | None:
        attempt = held.attempt
        try:
            return await _ask(self._open_carrier, attempt, call)
        except CarrierError as error:
            if attempt.state is CallState.ENDED and surely_ended(held, clock.now()):
                await hang_up_done(self._engine, attempt.id)
            else:
                await self._again(held, _pause_s(max(1, attempt.hang_ups), error))
            return None

    async def _conclude(self, attempt_id: str, call: CarrierCall, answer: HungUp) -> None:
        """The carrier has ended the call, or knows of none that is up: it may still know how it ended.

        One that says it knows no such call is believed when its books say so, too, and not right after the dial.
        """
        held = await read_held(self._engine, attempt_id)
        if held.attempt.carrier_account_id is None:
            return
        unknown = False
        try:
            carrier = await self._open_carrier(held.attempt.carrier_account_id)
            record = await carrier.look_up(call)
        except CarrierError as error:
            logger.info("Carrier look-up failed", extra={"attempt_id": attempt_id, **error.codes})
            unknown = carrier_records.is_not_known(error)
        else:
            await carrier_records.enter(
                self._engine, attempt_id, record, check_in_s=self._settings.silent_after_s
            )
            if record.progress.state is CallState.ENDED:
                return
        if answer is HungUp.NOT_KNOWN and not (unknown and is_settled(held, held.now, self._settings.settle_s)):
            await self._again(held, LATER.after(max(1, held.attempt.hang_ups)))
            return
        await apply_event(self._engine, attempt_id, unwanted_end(held).reached(clock.now()))

    async def _again(self, held: Held, in_s: float) -> None:
        await hang_up_again(self._engine, held.attempt.id, in_s=in_s)
        asyncio.get_running_loop().call_later(in_s, self._wake.tell, held.call.id)
