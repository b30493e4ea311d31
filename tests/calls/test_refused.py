"""Calls that wait and that the policy is against."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from outdial.calls.refused import (
    AT_A_TIME,
    end_waiting,
    end_waiting_listed,
    end_waiting_to,
    hang_up_on_the_way,
    put_off,
    refused_by,
)
from outdial.metrics import REGISTRY
from outdial.policy.do_not_call import NewEntry, Source, insert_entries
from outdial.policy.gate import Rule
from outdial.telephony.state import CallState

LISTED = "+12025550115"
ERROR = {
    "code": "do_not_call",
    "message": "The number is on the workspace's do-not-call list, so it isn't dialled.",
    "carrier_code": None,
}


async def enter(workspace, *numbers):
    async with workspace.engine.begin() as conn:
        entries = [NewEntry(number=number) for number in numbers]
        await insert_entries(conn, workspace.id, entries, Source.CLI, by=None)


async def test_a_refused_call_ends_canceled_says_why_and_tells_of_it(workspace):
    refused, other = await workspace.queue(), await workspace.queue()
    async with workspace.engine.begin() as conn:
        await end_waiting(conn, [refused], refused_by(Rule.DO_NOT_CALL))
    call = await workspace.call(refused)
    assert (call.state, call.end_reason, call.error, call.holds_line) == ("ended", "canceled", ERROR, False)
    assert datetime.now(UTC) - call.ended_at < timedelta(seconds=5)
    assert await workspace.events(refused) == [
        {"state": "ended", "end_reason": "canceled", "ended_by": "policy", "outcome": None, "error": ERROR}
    ]
    assert (await workspace.call(refused)).ended_by == "policy"
    assert (await workspace.call(other)).state == "queued"


async def test_calls_that_end_while_they_wait_are_counted(workspace):
    def counted():
        labels = {"direction": "outbound", "end_reason": "canceled", "outcome": ""}
        return REGISTRY.get_sample_value("outdial_calls_ended_total", labels) or 0

    before, waiting = counted(), [await workspace.queue() for _ in range(3)]
    async with workspace.engine.connect() as conn:
        await end_waiting(conn, waiting, refused_by(Rule.DO_NOT_CALL))
        await conn.rollback()
    assert counted() == before
    async with workspace.engine.begin() as conn:
        await end_waiting(conn, waiting, refused_by(Rule.DO_NOT_CALL))
    assert counted() == before + 3


async def test_a_call_is_put_off(workspace):
    call_id, at = await workspace.queue(), datetime.now(UTC) + timedelta(hours=8)
    async with workspace.engine.begin() as conn:
        await put_off(conn, {call_id: at})
    call = await workspace.call(call_id)
    assert (call.state, call.due_at) == ("queued", at)


async def test_what_waits_for_a_number_ends_in_this_workspace_alone(make_workspace):
    ours, theirs = await make_workspace(), await make_workspace()
    now_due, later = await ours.queue(to=LISTED), await ours.queue(to=LISTED, due_at=datetime(2099, 1, 1, tzinfo=UTC))
    other, foreign = await ours.queue(), await theirs.queue(to=LISTED)
    async with ours.engine.begin() as conn:
        assert await end_waiting_to(conn, ours.id, [LISTED], Rule.DO_NOT_CALL) == 2
    states = [(await ours.call(call_id)).state for call_id in (now_due, later, other, foreign)]
    assert states == ["ended", "ended", "queued", "queued"]


async def test_a_long_queue_ends_in_several_steps(workspace):
    waiting, head = AT_A_TIME + 5, await workspace.queue(to=LISTED)
    async with workspace.engine.begin() as conn:
        await conn.execute(
            text(
                'INSERT INTO calls (id, workspace_id, number_id, direction, state, "from", "to", ring_timeout_s,'
                    " max_duration_s)"
                ' SELECT \'call_many_\' || n, workspace_id, number_id, direction, state, "from", "to", 30, 600'
                " FROM calls, generate_series(2, :number) AS n WHERE id = :head"
            ),
            {"number": waiting, "head": head},
        )
    await enter(workspace, LISTED)
    async with workspace.engine.begin() as conn:
        assert await end_waiting_listed(conn, workspace.id, Rule.DO_NOT_CALL) == waiting
        assert await end_waiting_listed(conn, workspace.id, Rule.DO_NOT_CALL) == 0


async def test_what_waits_for_any_listed_number_ends(workspace):
    await enter(workspace, LISTED, "+12025550116")
    refused, other = await workspace.queue(to=LISTED), await workspace.queue()
    async with workspace.engine.begin() as conn:
        assert await end_waiting_listed(conn, workspace.id, Rule.DO_NOT_CALL) == 1
    assert [(await workspace.call(call_id)).state for call_id in (refused, other)] == ["ended", "queued"]


async def test_a_phone_that_rings_is_let_go_and_who_talks_is_left_to_talk(make_workspace):
    workspace = await make_workspace()
    dialing, ringing, talking = [await workspace.dialed(to=LISTED) for _ in range(3)]
    other = await workspace.dialed()
    for claim in (ringing, talking):
        await workspace.hears(claim.attempt_id, CallState.RINGING)
    await workspace.hears(talking.attempt_id, CallState.IN_PROGRESS)
    await enter(workspace, LISTED)
    async with workspace.engine.begin() as conn:
        await hang_up_on_the_way(conn, workspace.id)
    asked = [(await workspace.call(claim.call_id)).hang_up_requested_at for claim in (dialing, ringing, talking, other)]
    assert [at is not None for at in asked] == [True, True, False, False]
