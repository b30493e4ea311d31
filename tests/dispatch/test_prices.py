from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dispatch.silence import UNREACHABLE, ago
from outdial.telephony.price import Price
from outdial.telephony.state import CallState, EndReason


@pytest.fixture
async def unpriced(workspace):
    """An answered call that has ended, at a carrier that tells prices late."""
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    return claim.attempt_id


async def test_a_price_is_asked_for_once_some_minutes_after_the_end(workspace, sweep, unpriced):
    due_at = (await workspace.attempt(unpriced)).price_due_at
    assert 170 < (due_at - datetime.now(UTC)).total_seconds() <= 180
    await sweep.sweep()
    assert (await workspace.attempt(unpriced)).price is None, "too early"
    [record] = workspace.carrier.books.values()
    workspace.carrier.books[record.call.id] = replace(record, price=Price(amount="0.0140", currency="USD"))
    await workspace.set_attempt(unpriced, price_due_at=ago(1))
    await sweep.sweep()
    attempt = await workspace.attempt(unpriced)
    assert (str(attempt.price), attempt.price_currency, attempt.price_due_at) == ("0.0140", "USD", None)


async def test_a_price_is_asked_for_where_the_callback_that_tells_it_was_lost(workspace, sweep):
    claim = await workspace.dialed()
    await workspace.set_attempt(claim.attempt_id, carrier="vonage")
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    [record] = workspace.carrier.books.values()
    workspace.carrier.books[record.call.id] = replace(record, price=Price(amount="0.0140", currency="EUR"))
    await workspace.set_attempt(claim.attempt_id, price_due_at=ago(1))
    await sweep.sweep()
    attempt = await workspace.attempt(claim.attempt_id)
    assert (str(attempt.price), attempt.price_currency, attempt.price_due_at) == ("0.0140", "EUR", None)


async def test_a_carrier_that_knows_no_price_is_not_asked_again(workspace, sweep, unpriced):
    workspace.carrier.fault = UNREACHABLE
    await workspace.set_attempt(unpriced, price_due_at=ago(1))
    await sweep.sweep()
    attempt = await workspace.attempt(unpriced)
    assert (attempt.price, attempt.price_due_at) == (None, None)


async def test_a_call_nobody_answered_has_no_price_to_ask_for(workspace):
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.BUSY)
    assert (await workspace.attempt(claim.attempt_id)).price_due_at is None
