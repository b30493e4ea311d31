import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from outdial.calls.prices import record_price, take_unpriced
from outdial.telephony.price import Price
from outdial.telephony.state import CallState, EndReason


@pytest.fixture
async def over(workspace):
    """An answered call that has ended; its carrier knows the price by now."""
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    await workspace.set_attempt(claim.attempt_id, price_due_at=datetime.now(UTC) - timedelta(seconds=1))
    return claim.attempt_id


async def test_a_price_is_kept_to_its_last_digit_and_not_asked_for(workspace, over):
    await record_price(workspace.engine, over, Price(amount="0.0070", currency="USD"))
    attempt = await workspace.attempt(over)
    assert (str(attempt.price), attempt.price_currency, attempt.price_due_at) == ("0.0070", "USD", None)
    assert await take_unpriced(workspace.engine, at_most=10) == []


async def test_the_carriers_last_word_counts(workspace, over):
    for amount in ("0.0070", "0.0075"):
        await record_price(workspace.engine, over, Price(amount=amount, currency="USD"))
    assert str((await workspace.attempt(over)).price) == "0.0075"


async def test_a_missing_price_is_given_out_once(workspace, over):
    taken = await asyncio.gather(*(take_unpriced(workspace.engine, at_most=10) for _ in range(3)))
    (attempt,) = [attempt for attempts in taken for attempt in attempts]
    assert (attempt.id, attempt.state) == (over, CallState.ENDED)


async def test_a_price_is_not_given_out_too_early(workspace, over):
    await workspace.set_attempt(over, price_due_at=datetime.now(UTC) + timedelta(minutes=1))
    assert await take_unpriced(workspace.engine, at_most=10) == []
