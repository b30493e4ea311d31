"""What a waiting call waits for, its place, and what it costs to tell."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, text, update

from long_queue import LENGTH, make_long_queue
from outdial.db.tables import carrier_accounts, paces
from outdial.history.call_filter import CallFilter
from outdial.history.views import get_call, list_calls
from outdial.history.waiting import MOST_AHEAD
from outdial.instants import parse_instant
from outdial.policy.pauses import pause
from outdial.telephony.state import CallState, EndReason
from outdial.workspaces.audit import COMMAND_LINE
from rows_read import rows_read


def ago(seconds):
    return datetime.now(UTC) - timedelta(seconds=seconds)


async def waits(workspace, call_id):
    async with workspace.engine.connect() as conn:
        return (await get_call(conn, workspace.id, call_id, base_url=""))["waiting_for"]


async def places(workspace):
    """By call id, as the list tells them."""
    async with workspace.engine.connect() as conn:
        found = await list_calls(conn, workspace.id, CallFilter(), base_url="")
    return {call["id"]: call["waiting_for"] and call["waiting_for"]["position"] for call in found["calls"]}


async def paused(workspace, number_id=None):
    await pause(workspace.engine, workspace.id, number_id, reason=None, by=COMMAND_LINE)


async def every_line_is_taken(workspace):
    await workspace.set_pool(lines=1, used_inbound=1)


async def behind(workspace, in_s=60.0):
    async with workspace.engine.begin() as conn:
        at = datetime.now(UTC) + timedelta(seconds=in_s)
        await conn.execute(update(carrier_accounts).values(next_dial_at=at, calls_per_second=2))
    return at


# -- the reason --------------------------------------------------------------------------------------------------


async def test_a_call_that_nothing_keeps_waits_for_nothing(workspace):
    assert await waits(workspace, await workspace.queue()) is None


@pytest.mark.parametrize("of_number", [True, False])
async def test_a_pause_is_waited_for_before_anything_else(workspace, of_number):
    due, later = await workspace.queue(), await workspace.queue(due_at=ago(-3600))
    await every_line_is_taken(workspace)
    await behind(workspace)
    await paused(workspace, workspace.number_id if of_number else None)
    assert await waits(workspace, due) == {"reason": "pause", "position": 1, "expected_at": None}
    assert await waits(workspace, later) == {"reason": "pause", "position": 2, "expected_at": None}


async def test_a_call_for_later_waits_for_its_time_and_tells_it(workspace):
    at = ago(-3600)
    call_id = await workspace.queue(due_at=at)
    await every_line_is_taken(workspace)
    told = await waits(workspace, call_id)
    assert (told["reason"], told["position"], parse_instant(told["expected_at"])) == ("time", None, at)


async def test_a_call_waits_for_another_attempt_as_for_a_time(workspace):
    claim = await workspace.dialed(retry={"max_attempts": 2, "on": ["busy"], "delays_s": [60]})
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.BUSY)
    assert (await waits(workspace, claim.call_id))["reason"] == "time"


async def test_where_every_line_is_taken_a_call_waits_for_one_and_nobody_knows_how_long(workspace):
    first, second = await workspace.queue(due_at=ago(9)), await workspace.queue(due_at=ago(8))
    await every_line_is_taken(workspace)
    assert await waits(workspace, first) == {"reason": "line", "position": 1, "expected_at": None}
    assert await waits(workspace, second) == {"reason": "line", "position": 2, "expected_at": None}


async def test_where_lines_are_free_a_call_waits_for_its_turn_in_the_accounts_pace(workspace):
    first, second = await workspace.queue(due_at=ago(9)), await workspace.queue(due_at=ago(8))
    at = await behind(workspace)
    told = [await waits(workspace, call_id) for call_id in (first, second)]
    assert [(one["reason"], one["position"]) for one in told] == [("pace", 1), ("pace", 2)]
    expected = [parse_instant(one["expected_at"]) for one in told]
    assert expected[0] == at
    assert 0.5 <= (expected[1] - at).total_seconds() < 0.6, "two a second"


async def test_a_turn_is_not_promised_where_lines_will_be_short_or_others_dial_by_the_account(make_workspace):
    workspace = await make_workspace(lines=1)
    first, second = await workspace.queue(due_at=ago(9)), await workspace.queue(due_at=ago(8))
    await behind(workspace)
    assert (await waits(workspace, first))["expected_at"] is not None
    assert (await waits(workspace, second)) == {"reason": "pace", "position": 2, "expected_at": None}
    theirs = await make_workspace()
    async with workspace.engine.begin() as conn:
        await conn.execute(update(carrier_accounts).values(account_ref="AC1"))
    assert theirs.id != workspace.id
    assert (await waits(workspace, first)) == {"reason": "pace", "position": 1, "expected_at": None}


async def test_the_last_departure_of_the_account_counts_too(workspace):
    call_id = await workspace.queue()
    async with workspace.engine.begin() as conn:
        await conn.execute(update(carrier_accounts).values(calls_per_second=0.6))
        ref = select(carrier_accounts.c.account_ref).scalar_subquery()
        values = {"carrier": "twilio", "account_ref": ref, "slot_at": func.now(), "late_s": 0.02, "attempt_id": "att_1"}
        await conn.execute(paces.insert().values(values))
    assert (await waits(workspace, call_id))["reason"] == "pace"


async def test_only_a_call_that_waits_waits_for_something(workspace):
    claim = await workspace.dialed()
    await paused(workspace)
    assert await waits(workspace, claim.call_id) is None
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.BUSY)
    assert await waits(workspace, claim.call_id) is None


# -- the place ---------------------------------------------------------------------------------------------------


async def test_a_list_tells_the_same_places_as_each_call_does(workspace):
    _, other = await workspace.add_account(e164="+15551230009")
    await every_line_is_taken(workspace)
    ids = [await workspace.queue(due_at=ago(60 - n), number_id=(workspace.number_id, other)[n % 2]) for n in range(6)]
    expected = {call_id: place for place, call_id in enumerate(ids, 1)}
    assert await places(workspace) == expected
    assert {call_id: (await waits(workspace, call_id))["position"] for call_id in ids} == expected


async def test_calls_that_are_due_at_one_instant_have_one_place(workspace):
    await every_line_is_taken(workspace)
    at = ago(5)
    ids = [await workspace.queue(due_at=ago(9)), await workspace.queue(due_at=at), await workspace.queue(due_at=at)]
    assert await places(workspace) == dict(zip(ids, [1, 2, 2], strict=True))


async def test_a_paused_number_has_a_queue_of_its_own_and_the_others_wait_for_lines_without_it(workspace):
    _, other = await workspace.add_account(e164="+15551230009")
    ids = [await workspace.queue(due_at=ago(60 - n), number_id=(workspace.number_id, other)[n % 2]) for n in range(4)]
    await every_line_is_taken(workspace)
    await paused(workspace, other)
    told = [await waits(workspace, call_id) for call_id in ids]
    assert [(one["reason"], one["position"]) for one in told] == [("line", 1), ("pause", 1), ("line", 2), ("pause", 2)]
    await paused(workspace)
    told = [await waits(workspace, call_id) for call_id in ids]
    assert [(one["reason"], one["position"]) for one in told] == [("pause", place) for place in (1, 2, 3, 4)]


async def test_other_workspaces_take_no_place(make_workspace):
    ours, theirs = await make_workspace(), await make_workspace()
    await theirs.queue(due_at=ago(99))
    call_id = await ours.queue()
    await every_line_is_taken(ours)
    assert (await waits(ours, call_id))["position"] == 1


@pytest.mark.parametrize("ahead", [MOST_AHEAD - 1, MOST_AHEAD, MOST_AHEAD + 1])
async def test_a_place_is_exact_up_to_five_hundred_before_it(workspace, ahead):
    await every_line_is_taken(workspace)
    last = await workspace.queue(due_at=ago(1), created_at=ago(-1))  # the newest of all
    await workspace.queue_many(ahead)
    assert (await waits(workspace, last))["position"] == (ahead + 1 if ahead <= MOST_AHEAD else None)
    assert (await waits(workspace, "call_many70"))["position"] == 70
    listed = await places(workspace)
    assert listed[last] == (ahead + 1 if ahead <= MOST_AHEAD else None)
    assert {place for call_id, place in listed.items() if call_id != last} == {
        int(call_id.removeprefix("call_many")) for call_id in listed if call_id != last
    }


# -- what it costs beside a long queue ---------------------------------------------------------------------------


async def test_a_place_costs_no_more_where_the_queue_is_long(engine):
    tenant = await make_long_queue(engine)
    await pause(engine, tenant.workspace_id, reason=None, by=COMMAND_LINE)

    async def one(conn):
        call = await get_call(conn, tenant.workspace_id, f"call_queued{LENGTH}", base_url="")
        assert call["waiting_for"] == {"reason": "pause", "position": None, "expected_at": None}

    async def page(conn):
        found = await list_calls(conn, tenant.workspace_id, CallFilter(state=[CallState.QUEUED]), base_url="")
        assert {call["waiting_for"]["reason"] for call in found["calls"]} == {"pause"}

    async def first(conn):
        where = "WHERE state = 'queued' AND number_id = 'num_rare' ORDER BY due_at LIMIT 1"
        first = await conn.scalar(text(f"SELECT id FROM calls {where}"))
        call = await get_call(conn, tenant.workspace_id, first, base_url="")
        assert call["waiting_for"]["position"] == 1

    assert (await rows_read(engine, one))["calls"] <= MOST_AHEAD + 2
    assert (await rows_read(engine, page))["calls"] <= 2 * (MOST_AHEAD + 1) + 200
    assert (await rows_read(engine, first))["calls"] <= 10


async def test_pages_without_calls_that_wait_ask_nothing_more(engine):
    tenant = await make_long_queue(engine)

    async def ended(conn):
        await list_calls(conn, tenant.workspace_id, CallFilter(state=[CallState.ENDED]), base_url="")

    read = await rows_read(engine, ended)
    assert read["pools"] == read["pauses"] == 0
