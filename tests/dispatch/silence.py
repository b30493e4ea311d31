"""What time does to attempts: the sweep is to look at them."""

from datetime import UTC, datetime, timedelta

from outdial.carriers.errors import CarrierUnreachable
from outdial.telephony.failures import FailureCode

PAST = datetime(2026, 1, 1, 12, tzinfo=UTC)
UNREACHABLE = CarrierUnreachable(FailureCode.CARRIER_UNREACHABLE, "The carrier could not be reached.")


def ago(seconds: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)


async def due(workspace, attempt_id, **columns):
    """Time has passed: the sweep is to look at this attempt."""
    await workspace.set_attempt(attempt_id, **{"check_at": PAST} | columns)


def talked(seconds):
    """Columns of an attempt whose audio began so long ago."""
    return {"stream_opened_at": ago(seconds), "audio_started_at": ago(seconds)}


async def unknown(workspace, *, since=31, **columns):
    """A call whose dial got no reply, `since` seconds ago; nothing is in the carrier's books."""
    await workspace.queue(**columns)
    (claim,) = await workspace.claim()
    await due(workspace, claim.attempt_id, unknown_since=ago(since), created_at=ago(since + 1))
    return claim

