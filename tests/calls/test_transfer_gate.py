"""Transfers meet the rules of calls: destinations and the daily limit."""

import pytest
from sqlalchemy import delete, insert

from outdial.calls.transfer_gate import admit_transfer, require_transferable
from outdial.db.tables import destinations
from outdial.policy.daily_limit import change_daily_limit, get_daily_limit
from outdial.policy.do_not_call import NewEntry, Source, insert_entries
from outdial.refusals import Denied, LimitReached
from outdial.workspaces.audit import COMMAND_LINE

DESK, ABROAD, PREMIUM = "+15551230009", "+18765551234", "+19005551234"


@pytest.fixture(autouse=True)
async def own_country_alone(engine, workspace):
    async with engine.begin() as conn:
        await conn.execute(delete(destinations))
        await conn.execute(insert(destinations).values(workspace_id=workspace.id, destination="US", source="number"))


@pytest.fixture
async def call_id(workspace):
    return (await workspace.dialed()).call_id


async def used(workspace):
    async with workspace.engine.connect() as conn:
        return (await get_daily_limit(conn, workspace.id))["used"]


async def test_a_transfer_within_the_destinations_is_admitted_and_counts(workspace, call_id):
    assert await admit_transfer(workspace.engine, call_id, DESK) is None
    assert await used(workspace) == 1


@pytest.mark.parametrize("to", [ABROAD, PREMIUM])
async def test_a_transfer_elsewhere_is_not_and_does_not_count(workspace, call_id, to):
    error = await admit_transfer(workspace.engine, call_id, to)
    assert (error.code, "allowed destinations" in error.message) == ("destination_not_allowed", True)
    async with workspace.engine.connect() as conn:
        with pytest.raises(Denied) as refused:
            await require_transferable(conn, call_id, to)
    assert refused.value.code == "destination_not_allowed"
    assert await used(workspace) == 0


async def test_of_a_call_that_came_in_our_number_is_the_one_that_was_called(workspace):
    call_id = (await workspace.dialed(from_="+14165550100", to="+12025550100")).call_id
    await workspace.set_call(call_id, direction="inbound")
    assert await admit_transfer(workspace.engine, call_id, DESK) is None  # an unknown area code of our own country
    await workspace.set_call(call_id, direction="outbound")  # of which a line was taken
    assert (await admit_transfer(workspace.engine, call_id, DESK)).code == "destination_not_allowed"


async def test_one_transfer_too_many_is_not_made(workspace, call_id):
    await change_daily_limit(workspace.engine, workspace.id, 1, by=COMMAND_LINE)
    assert await admit_transfer(workspace.engine, call_id, DESK) is None
    assert (await admit_transfer(workspace.engine, call_id, DESK)).code == "daily_limit"
    async with workspace.engine.connect() as conn:
        with pytest.raises(LimitReached) as refused:
            await require_transferable(conn, call_id, DESK)
    assert refused.value.code == "daily_limit"


async def test_the_do_not_call_list_is_about_our_calls_alone(workspace, call_id):
    async with workspace.engine.begin() as conn:
        await insert_entries(conn, workspace.id, [NewEntry(number=DESK)], Source.CLI, by=None)
    assert await admit_transfer(workspace.engine, call_id, DESK) is None
