"""The list of compared calls, page by page, and the same for spreadsheets. How many rows it reads:
test_agreement.py."""

from datetime import timedelta
from functools import partial

import pytest

from compared_dials import NOW, compared_dial
from outdial.history.compared_calls import ComparedFilter, Which, csv_of_compared, list_compared
from outdial.history.reading import History
from tenants import make_tenant


@pytest.fixture
async def tenant(engine):
    return await make_tenant(engine)


@pytest.fixture
def compared(engine, tenant):
    return partial(compared_dial, engine, tenant)


@pytest.fixture
def listed(engine, tenant):
    async def listed(**wanted):
        async with engine.connect() as conn:
            return await list_compared(conn, tenant.workspace_id, ComparedFilter(**wanted))

    return listed


async def test_calls_are_listed_page_by_page(compared, listed):
    def hours(number):
        return {"at": NOW - timedelta(hours=number)}

    differ = [await compared("machine", "human", -500, **hours(number)) for number in range(3)]
    agree = await compared("human", "human", 700, **hours(4))
    labelled = await compared(None, "machine", asked="carrier", truth="machine", **hours(5))
    page = await listed(limit=2)
    assert [call["call_id"] for call in page["calls"]] == differ[:2]
    assert page["calls"][0]["lead_ms"] == -500
    rest = await listed(limit=2, cursor=page["next_cursor"])
    assert [call["call_id"] for call in rest["calls"]] == differ[2:]
    assert rest["next_cursor"] is None
    both = await listed(which=Which.BOTH, since=NOW - timedelta(hours=4, minutes=1), until=NOW)
    assert [call["call_id"] for call in both["calls"]] == [*differ[1:], agree]
    cell = await listed(local="human", carrier_said="human")
    assert [call["call_id"] for call in cell["calls"]] == [agree]
    (only,) = (await listed(which=Which.LABELLED))["calls"]
    assert (only["call_id"], only["truth"]["category"], only["local"]) == (labelled, "machine", None)
    assert (await listed(carrier="telnyx"))["calls"] == []


async def test_the_same_for_spreadsheets(compared, engine, tenant):
    call_id = await compared("machine", "human", -500, truth="human")
    pieces = csv_of_compared(History(primary=engine), tenant.workspace_id, ComparedFilter(which=Which.BOTH))
    header, line = "".join([piece async for piece in pieces]).splitlines()
    told = dict(zip(header.removeprefix("\ufeff").split(","), line.split(","), strict=True))
    assert told == {
        "call_id": call_id, "attempt": "1", "answered_at": "2026-06-01T11:00:00Z", "carrier": "twilio",
        "asked": "both", "local": "machine", "carrier_said": "human", "agree": "false", "first": "carrier",
        "lead_ms": "500", "local_revisions": "0", "carrier_revisions": "0", "truth": "human",
    }  # fmt: skip
