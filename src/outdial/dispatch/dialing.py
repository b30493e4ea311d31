"""From a claim to a ringing phone: one REST request, and what its reply (or the lack of one) means."""

import logging
from collections.abc import Awaitable, Callable

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial import clock
from outdial.agents.ready_agents import ReadyAgent
from outdial.calls import dial_outcome
from outdial.calls.advance import apply_event
from outdial.calls.claim import Claim
from outdial.calls.departure import Hold
from outdial.calls.records import DetectionWanted
from outdial.carriers.calls import CallControl, Detection, PlaceCall
from outdial.carriers.errors import (
    CarrierError,
    CarrierRefused,
    CarrierThrottled,
    CarrierUncertain,
    CarrierUnreachable,
)
from outdial.db.trouble import tell_trouble
from outdial.dispatch.departing import Departures
from outdial.repeating import Pauses, repeat
from outdial.settings import Settings, media_url
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.state import Ending, EndReason, Progress

logger = logging.getLogger(__name__)

AGAIN = Pauses(first_s=0.1, longest_s=5.0)
NOT_PREPARED = CarrierUnreachable(
    FailureCode.NOT_PREPARED, "Outdial could not prepare this call; its log says why."
)
ANOTHER_CALL = CarrierUncertain(
    FailureCode.CARRIER_ERROR, "The carrier's reply named a call that is another one."
)


async def dial(
    engine: AsyncEngine,
    settings: Settings,
    carrier: CallControl,
    claim: Claim,
    detection: Detection,
    *,
    departures: Departures,
    departs: Callable[[], None] = lambda: None,
) -> Hold | None:
    """Ask the carrier to dial, when its turn has come, and write down what it said. `departs` is told that it is sent;
    the result is why it wasn't. Never raises for anything a carrier does."""
    request = PlaceCall(
        ref=claim.attempt_id,
        to=claim.to,
        from_=claim.from_,
        callback_url=settings.callback_url(claim.carrier, claim.attempt_id),
        stream_url=media_url(claim.seat.stream_url, claim.carrier, claim.attempt_id, claim.stream_token),
        ring_timeout_s=claim.ring_timeout_s,
        max_duration_s=claim.max_duration_s,
        detection=detection,
        detection_timeout_s=(claim.detection or DetectionWanted()).max_wait_s,
    )
    try:
        hold = await departures.wait_for(claim)
    except Exception as error:
        tell_trouble(engine, logger, "Dial not prepared", error, call_id=claim.call_id)
        await write_down(engine, settings, claim, NOT_PREPARED)
        return None
    if hold is not None:
        await _put_back(engine, claim, hold)
        return hold
    departs()
    outcome: CarrierCall | CarrierError
    try:
        outcome = await carrier.place_call(request)
    except CarrierError as error:
        outcome = error
    except Exception:
        logger.exception("Dial failed unexpectedly", extra={"attempt_id": claim.attempt_id})
        outcome = CarrierUncertain(FailureCode.INTERNAL_ERROR, "Outdial could not tell what the carrier did.")
    await write_down(engine, settings, claim, outcome)
    return None


async def _put_back(engine: AsyncEngine, claim: Claim, hold: Hold) -> None:
    """Write down that nothing was sent, until the database takes it: it may be what held the dial back."""
    level = logging.WARNING if hold is Hold.TOO_LATE else logging.INFO
    logger.log(level, "Dial held back", extra={"call_id": claim.call_id, "reason": hold})

    async def write() -> None:
        await dial_outcome.put_back(engine, claim, hold)

    await _until_written(engine, claim, write)


async def write_down(
    engine: AsyncEngine, settings: Settings, claim: Claim, outcome: CarrierCall | CarrierError
) -> None:
    """Write down what a dial came to, until the database takes it: nobody else knows."""
    fields = {"attempt_id": claim.attempt_id}

    async def write() -> None:
        nonlocal outcome
        try:
            await _record(engine, settings, claim, outcome)
        except IntegrityError:
            logger.exception("Dial reply names another attempt's call", extra=fields)
            outcome = ANOTHER_CALL
            await _record(engine, settings, claim, outcome)

    await _until_written(engine, claim, write)


async def give_up(engine: AsyncEngine, claim: Claim, error: CallError) -> None:
    """A call that can't be talked on is not dialled: it fails. Written until the database takes it."""

    async def write() -> None:
        await apply_event(engine, claim.attempt_id, _failed(error))

    await _until_written(engine, claim, write)


async def _until_written(engine: AsyncEngine, claim: Claim, write: Callable[[], Awaitable[None]]) -> None:
    def failed(error: Exception) -> None:
        sentence = "Dial outcome not written; trying again"
        tell_trouble(engine, logger, sentence, error, attempt_id=claim.attempt_id)

    await repeat(write, on=Exception, pauses=AGAIN, failed=failed)


async def _record(engine: AsyncEngine, settings: Settings, claim: Claim, outcome: CarrierCall | CarrierError) -> None:
    fields: dict[str, str | None] = {"call_id": claim.call_id, "attempt_id": claim.attempt_id}
    if isinstance(outcome, CarrierCall):
        await dial_outcome.accept(engine, claim, outcome, check_in_s=settings.silent_after_s)
        return
    fields |= outcome.codes
    error = outcome.as_call_error()
    match outcome:
        case CarrierRefused():
            logger.info("Dial refused by carrier", extra=fields)
            await apply_event(engine, claim.attempt_id, _failed(error))
        case CarrierThrottled() | CarrierUnreachable():
            logger.warning("Dial deferred", extra=fields)
            throttled = isinstance(outcome, CarrierThrottled)
            wait_s = outcome.retry_after_s or 0.0
            await dial_outcome.defer(engine, claim, error, wait_s=wait_s, throttled=throttled)
        case _:
            logger.warning("Dial outcome unknown", extra=fields)
            await dial_outcome.mark_unknown(engine, claim, error, settle_s=settings.settle_s)


def _failed(error: CallError) -> Progress:
    return Ending(end_reason=EndReason.FAILED, error=error).reached(clock.now())


def detection_for(wanted: DetectionWanted | None, agent: ReadyAgent) -> Detection:
    """How the carrier should look for a machine, so that what the user wants done with one can be done;
    not at all where nobody asked for it, or our own detector does it alone."""
    if wanted is None or not wanted.by.is_carriers:
        return Detection.OFF
    action = wanted.on_machine or agent.machine_action
    return Detection.MESSAGE_END if action == "leave_message" else Detection.FAST
