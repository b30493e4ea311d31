"""A call that was promised in a call: stored at once, once, by the same rules as any other."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from outdial.calls.call_back import MOST_IN_A_ROW, call_back, may_call_back
from outdial.db.tables import agent_versions, agents, calls, destinations, numbers, workspaces
from outdial.policy.do_not_call import NewEntry, Source, insert_entries
from outdial.refusals import Refusal
from outdial.settings import Settings
from outdial.telephony.outcome import CALL_BACK, NAMED
from tenants import make_tenant
from workspace import CALLEE, CALLER

SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=5)


# They are up when it happens; which state they are in is of no matter for it, and these hold no line.
ENDED = {"state": "ended", "end_reason": "completed", "ended_by": "callee", "ended_at": datetime.now(UTC)}


@pytest.fixture
async def number(engine, workspace):
    """With a published agent."""
    tenant = await make_tenant(engine)
    async with engine.begin() as conn:
        await conn.execute(update(agents).values(workspace_id=workspace.id))
        await conn.execute(update(agent_versions).values(kind="script"))
        await conn.execute(update(numbers).where(numbers.c.id == workspace.number_id).values(agent_id=tenant.agent_id))
    return tenant.agent_id


@pytest.fixture
def live(workspace, number):
    async def live(**columns):
        given = {"agent_id": number, "variables": {"name": "Jane"}, "metadata": {"case": "7"}} | ENDED
        return await workspace.queue(**(given | columns))

    return live


async def promise(workspace, call_id, at=SOON, noted=None):
    return await call_back(workspace.engine, Settings(), call_id, at, noted or {})


async def stored(workspace, call_id):
    async with workspace.engine.connect() as conn:
        return (await conn.execute(select(calls).where(calls.c.id == call_id))).mappings().one()


async def refused(workspace, call_id, at=SOON):
    with pytest.raises(Refusal) as asked:
        await may_call_back(workspace.engine, call_id, at)
    with pytest.raises(Refusal) as tried:
        await promise(workspace, call_id, at)
    assert tried.value.code == asked.value.code
    return tried.value.code


async def test_the_new_call_is_as_the_old_one_and_brings_what_was_noted(workspace, live, number):
    old = await live(retry={"max_attempts": 2, "on": ["busy"], "delays_s": [60]})
    await may_call_back(workspace.engine, old, SOON)
    new_id = await promise(workspace, old, noted={"party_size": 4, NAMED: "later", CALL_BACK: "then"})
    new = await stored(workspace, new_id)
    assert (new[calls.c.to], new[calls.c.from_], new[calls.c.number_id]) == (CALLEE, CALLER, workspace.number_id)
    assert (new[calls.c.agent_id], new[calls.c.due_at], new[calls.c.state]) == (number, SOON, "queued")
    assert new[calls.c.variables] == {"name": "Jane", "party_size": 4}
    assert new[calls.c.metadata] == {"case": "7"}
    assert new[calls.c.retry]["max_attempts"] == 2


async def test_whoever_called_us_is_called_back(workspace, live):
    new = await stored(workspace, await promise(workspace, await live(direction="inbound", from_=CALLEE, to=CALLER)))
    assert (new[calls.c.to], new[calls.c.from_], new[calls.c.direction]) == (CALLEE, CALLER, "outbound")


async def test_it_is_stored_once_also_by_two_processes_at_the_same_moment(workspace, live):
    old = await live()
    made = await asyncio.gather(*(promise(workspace, old) for _ in range(4)))
    made.append(await promise(workspace, old))  # by whoever took the call over
    assert len(set(made)) == 1
    assert await refused(workspace, old, SOON + timedelta(hours=1)) == "called_back_already"
    async with workspace.engine.connect() as conn:
        assert await conn.scalar(select(func.count()).select_from(calls)) == 2


async def test_calls_back_of_calls_back_come_to_an_end(workspace, live):
    call_id = await live()
    for _ in range(MOST_IN_A_ROW):
        call_id = await promise(workspace, call_id)
    assert await refused(workspace, call_id) == "too_many_call_backs"


async def test_the_rules_hold_for_it_as_for_any_call(workspace, live):
    old = await live()
    async with workspace.engine.begin() as conn:
        await conn.execute(update(workspaces).values(daily_limit=0))
    assert await refused(workspace, old) == "daily_limit"
    async with workspace.engine.begin() as conn:
        await conn.execute(update(workspaces).values(daily_limit=None))
        await conn.execute(destinations.delete())
    assert await refused(workspace, old) == "destination_not_allowed"
    async with workspace.engine.begin() as conn:
        await insert_entries(conn, workspace.id, [NewEntry(number=CALLEE)], Source.CLI, by=None)
    assert await refused(workspace, old) == "do_not_call"


@pytest.mark.parametrize("hours", [-1, 24 * 31])
async def test_it_is_neither_in_the_past_nor_in_the_far_future(workspace, live, hours):
    assert await refused(workspace, await live(), datetime.now(UTC) + timedelta(hours=hours)) == "invalid_request"


async def test_a_caller_who_hides_their_number_is_not_called_back(workspace, live):
    assert await refused(workspace, await live(direction="inbound", from_="anonymous", to=CALLER)) == "invalid_request"


async def test_what_was_noted_beyond_the_room_for_variables_is_left_out(workspace, live):
    noted = {f"name_{number}": "x" * 1000 for number in range(100)}
    new = await stored(workspace, await promise(workspace, await live(), noted=noted))
    assert new[calls.c.variables] == {"name": "Jane"}
