"""What is told of a call's transfers, and what those cost for which somebody was asked first."""

import pytest
from sqlalchemy import delete

from asking import talking_call
from dispatch.silence import ago
from outdial.calls.counts import fold_counts
from outdial.db.tables import calls
from outdial.history.call_filter import CallSearch
from outdial.history.counted import charged_since
from outdial.history.csv_export import csv_of_calls
from outdial.history.reading import History
from outdial.history.views import get_call
from outdial.telephony.price import Price
from outdial.telephony.state import CallState, EndReason


@pytest.fixture
async def claim(workspace):
    return await talking_call(workspace)


async def cost(workspace):
    """As the overview has it, before and after its rows are folded."""
    async with workspace.engine.connect() as conn:
        charged = await charged_since(conn, workspace.id, ago(3600))
    await fold_counts(workspace.engine)
    async with workspace.engine.connect() as conn:
        assert await charged_since(conn, workspace.id, ago(3600)) == charged
    return {each.currency: (each.answered, str(each.cost)) for each in charged}


async def test_what_a_leg_has_cost_stands_in_the_record_and_in_what_calls_have_cost(workspace, claim, asking):
    await asking.is_dialled()
    for amount in ("0.0137", "0.014"):  # a carrier may put it right
        await asking.tells(CallState.ENDED, EndReason.BUSY, price=Price(amount=amount, currency="USD"))
    assert await cost(workspace) == {"USD": (0, "0.0140")}, "beside what its attempts cost"
    async with workspace.engine.connect() as conn:
        call = await get_call(conn, workspace.id, claim.call_id, base_url="")
    [transfer] = call["transfers"]
    assert (transfer["price"], transfer["price_currency"]) == ("0.014", "USD")
    exported = csv_of_calls(History(primary=workspace.engine), workspace.id, CallSearch(), base_url="")
    assert ",0.014,USD," in "".join([piece async for piece in exported])
    await asking.fails()
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    async with workspace.engine.begin() as conn:
        await conn.execute(delete(calls))
    assert await cost(workspace) == {}, "as what its attempts have cost"
