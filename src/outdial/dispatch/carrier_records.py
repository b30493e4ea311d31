"""What a carrier's books say of a call, entered into ours."""

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.calls.advance import apply_event
from outdial.calls.prices import record_price
from outdial.carriers.calls import CarrierRecord
from outdial.carriers.errors import CarrierError, CarrierRefused
from outdial.telephony.failures import FailureCode


async def enter(engine: AsyncEngine, attempt_id: str, record: CarrierRecord, *, check_in_s: float) -> None:
    """Who answered and what it cost, where the carrier keeps it, and how far the call has come."""
    if record.verdict is not None:
        await apply_event(engine, attempt_id, record.verdict)
    if record.price is not None:
        await record_price(engine, attempt_id, record.price)
    await apply_event(engine, attempt_id, record.progress, check_in_s=check_in_s)


def is_not_known(error: CarrierError | None) -> bool:
    """Whether the carrier said that it has no such call: an account that was removed says nothing about its calls."""
    return isinstance(error, CarrierRefused) and error.code is FailureCode.NOT_KNOWN_THERE
