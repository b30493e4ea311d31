"""Dials of unknown outcome: found in the carrier's books and adopted, or, when surely not there, queued again."""

import logging
from dataclasses import replace
from datetime import timedelta

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.calls.advance import apply_event
from outdial.calls.checks import claimed_by_others
from outdial.calls.dial_outcome import write_off
from outdial.calls.records import Held
from outdial.carriers.calls import CallControl, CarrierRecord
from outdial.settings import Settings

logger = logging.getLogger(__name__)

CLOCK_SKEW = timedelta(seconds=60)


async def resolve(engine: AsyncEngine, settings: Settings, carrier: CallControl, held: Held) -> None:
    """Ask the carrier's books for the call of an attempt whose dial got no reply. Raises a CarrierError when they
    can't be read; in doubt the attempt stays unknown."""
    attempt, call = held.attempt, held.call
    # The carrier's clock isn't ours; calls of other attempts are told apart by their ids, not by time.
    since = attempt.created_at - CLOCK_SKEW
    found = await carrier.find(ref=attempt.id, to=call.to, from_=call.from_, since=since)
    # Asked after the carrier: who dialled before its answer is on record by now. A carrier's log may know an ended
    # call by something else than its id: by one of the `refs` we have of it.
    claimed, has_rivals = await claimed_by_others(engine, held, [record.call.id for record in found])
    match [record for record in found if record.call.id not in claimed]:
        case [] if _is_settled(held, settings.settle_s):
            await write_off(engine, attempt.id)
        case [record] if not has_rivals:
            await _adopt(engine, attempt.id, record, check_in_s=settings.silent_after_s)
        case [_, *_]:
            logger.warning("Dial outcome still unknown: several carrier calls match", extra={"attempt_id": attempt.id})


def _is_settled(held: Held, settle_s: float) -> bool:
    """Whether the carrier's books can be believed: counted from when nobody could be dialling any more, on the
    database's clock."""
    unknown_since = held.attempt.unknown_since
    return unknown_since is not None and held.now - unknown_since > timedelta(seconds=settle_s)


async def _adopt(engine: AsyncEngine, attempt_id: str, record: CarrierRecord, *, check_in_s: float) -> None:
    try:
        progress = replace(record.progress, carrier_call=record.call)
        await apply_event(engine, attempt_id, progress, check_in_s=check_in_s)
    except IntegrityError:
        return  # another attempt was quicker; look again
    logger.info("Dial of unknown outcome found at carrier", extra={"attempt_id": attempt_id})
