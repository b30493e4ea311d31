"""What a carrier's books say of a call, entered into ours."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from outdial.carriers.errors import CarrierRefused, CarrierUnreachable
from outdial.dispatch import carrier_records
from outdial.telephony.failures import FailureCode
from outdial.telephony.price import Price
from outdial.telephony.state import CallState, EndReason
from outdial.telephony.verdict import AnsweredBy, Verdict


async def test_state_verdict_and_price_are_entered(workspace):
    claim = await workspace.dialed()
    workspace.carrier.now_is("CA1", CallState.ENDED, EndReason.BUSY)
    record = replace(
        workspace.carrier.books["CA1"],
        verdict=Verdict(answered_by=AnsweredBy.HUMAN, at=datetime.now(UTC)),
        price=Price(amount="0.0140", currency="USD"),
    )
    await carrier_records.enter(workspace.engine, claim.attempt_id, record, check_in_s=20)
    call, attempt = await workspace.call(claim.call_id), await workspace.attempt(claim.attempt_id)
    assert (call.state, call.end_reason, call.answered_by["category"]) == ("ended", "busy", "human")
    assert attempt.price == Decimal("0.0140")


@pytest.mark.parametrize(
    ("error", "not_known"),
    [
        (CarrierRefused(FailureCode.NOT_KNOWN_THERE, "There is no such call."), True),
        (CarrierRefused(FailureCode.ACCOUNT_REMOVED, "The account was removed."), False),
        (CarrierRefused(FailureCode.BAD_CREDENTIALS, "The credentials are wrong."), False),
        (CarrierUnreachable(FailureCode.CARRIER_ERROR, "It has trouble answering."), False),
        (None, False),
    ],
)
def test_only_the_carriers_word_is_one(error, not_known):
    assert carrier_records.is_not_known(error) is not_known
