"""The last question before a dial is sent: may it go, and when?"""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from outdial.calls.departure import Hold, Slot, ask_to_depart
from outdial.calls.do_not_call import list_number
from outdial.calls.pace import LATE_S, LONGEST_WAIT_S
from outdial.db.tables import carrier_accounts, paces
from outdial.policy.do_not_call import NewEntry, Source, insert_entries
from outdial.policy.pauses import pause, resume
from outdial.telephony.state import CallState, EndReason
from outdial.workspaces.audit import COMMAND_LINE
from workspace import CALLEE


def ago(seconds):
    return datetime.now(UTC) - timedelta(seconds=seconds)


async def claimed(workspace, dials=1):
    """So many calls, each claimed by itself: the pace of claims is not what is looked at here."""
    claims = []
    for _ in range(dials):
        async with workspace.engine.begin() as conn:
            await conn.execute(update(carrier_accounts).values(next_dial_at=ago(1)))
            await conn.execute(update(paces).values(slot_at=paces.c.slot_at - timedelta(hours=1)))
        await workspace.queue()
        claims += await workspace.claim()
        async with workspace.engine.begin() as conn:
            await conn.execute(update(paces).values(slot_at=paces.c.slot_at + timedelta(hours=1)))
    return claims


async def asked(workspace, claim, held=None, **late):
    return await ask_to_depart(workspace.engine, claim, held, **late)


async def same_account(*workspaces, **columns):
    """Workspaces that have connected the same account of the carrier."""
    account = carrier_accounts.c
    async with workspaces[0].engine.begin() as conn:
        for workspace in workspaces:
            ours = account.id == workspace.account_id
            await conn.execute(update(carrier_accounts).where(ours).values({"account_ref": "AC1"} | columns))


# -- may it go? --------------------------------------------------------------------------------------------------


async def test_a_dial_of_ours_may_go_at_once(workspace):
    (claim,) = await claimed(workspace)
    slot = await asked(workspace, claim)
    assert -0.5 < slot.wait_s <= 0
    assert (14 < slot.lease_left_s < 15, slot.late_s) == (True, LATE_S)


@pytest.mark.parametrize(
    "columns",
    [
        {"lease_until": ago(0.01)},
        {"owner": "worker_other"},
        {"owner": None},
        {"state": "ended"},
        {"unknown_since": ago(1)},
        {"carrier_call_id": "CA1"},
    ],
    ids=lambda columns: next(iter(columns)),
)
async def test_a_dial_that_is_ours_no_more_may_not_go(workspace, columns):
    (claim,) = await claimed(workspace)
    await workspace.set_attempt(claim.attempt_id, **columns)
    assert await asked(workspace, claim) is Hold.TOO_LATE
    await workspace.set_attempt(claim.attempt_id, state="dialing")
    async with workspace.engine.connect() as conn:
        assert (await conn.execute(select(paces))).all() == [], "it takes nobody's slot"


async def test_an_attempt_that_is_gone_may_not_go(workspace):
    (claim,) = await claimed(workspace)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.FAILED)
    assert await asked(workspace, claim) is Hold.TOO_LATE


async def test_a_number_listed_after_the_claim_is_not_dialled(workspace):
    claims = await claimed(workspace, 2)
    held = await asked(workspace, claims[1])
    async with workspace.engine.begin() as conn:
        await insert_entries(conn, workspace.id, [NewEntry(number=CALLEE)], Source.API, by=None)
    assert await asked(workspace, claims[0]) is Hold.LISTED
    assert await asked(workspace, claims[1], held) is Hold.LISTED, "also when it has a slot"


async def test_whoever_lists_a_number_is_told_as_the_reason_and_not_the_hang_up_that_comes_with_it(workspace):
    (claim,) = await claimed(workspace)
    await list_number(
        workspace.engine, workspace.id, CALLEE, reason=None, source=Source.API, by=COMMAND_LINE
    )
    assert (await workspace.call(claim.call_id)).hang_up_requested_at is not None
    assert await asked(workspace, claim) is Hold.LISTED


async def test_a_call_whose_end_was_asked_for_after_the_claim_is_not_dialled(workspace):
    (claim,) = await claimed(workspace)
    await workspace.ask_hang_up(claim.call_id)
    assert await asked(workspace, claim) is Hold.UNWANTED


@pytest.mark.parametrize("of", ["workspace", "number"])
async def test_what_is_paused_after_the_claim_is_not_dialled_before_it_is_resumed(workspace, of):
    claims = await claimed(workspace, 2)
    held = await asked(workspace, claims[1])
    subject = (workspace.id, workspace.number_id if of == "number" else None)
    await pause(workspace.engine, *subject, reason=None, by=COMMAND_LINE)
    async with workspace.engine.connect() as conn:
        before = (await conn.execute(select(paces))).all()
    assert await asked(workspace, claims[0]) is Hold.PAUSED
    assert await asked(workspace, claims[1], held) is Hold.PAUSED, "also when it has a slot"
    async with workspace.engine.connect() as conn:
        assert (await conn.execute(select(paces))).all() == before, "it takes nobody's slot"
    await resume(workspace.engine, *subject, by=COMMAND_LINE)
    assert isinstance(await asked(workspace, claims[0]), Slot)


async def test_the_pause_of_another_number_or_workspace_holds_nothing_back(make_workspace):
    ours, theirs = await make_workspace(), await make_workspace()
    (claim,) = await claimed(ours)
    _, other_number = await ours.add_account(e164="+15551230009")
    await pause(ours.engine, ours.id, other_number, reason=None, by=COMMAND_LINE)
    await pause(ours.engine, theirs.id, reason=None, by=COMMAND_LINE)
    assert isinstance(await asked(ours, claim), Slot)


async def test_who_does_not_want_a_call_that_is_paused_gets_its_end(workspace):
    (claim,) = await claimed(workspace)
    await pause(workspace.engine, workspace.id, reason=None, by=COMMAND_LINE)
    await workspace.ask_hang_up(claim.call_id)
    assert await asked(workspace, claim) is Hold.UNWANTED


# -- when? -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("calls_per_second", "apart_s"), [(5, 0.204), (100, 0.0102)])
async def test_dials_leave_one_after_the_other(make_workspace, calls_per_second, apart_s):
    workspace = await make_workspace(calls_per_second=calls_per_second)
    claims = await claimed(workspace, 3)
    await asked(workspace, claims[0])
    last_at = datetime.now(UTC) + timedelta(seconds=0.5)  # others have taken slots as well: none passes meanwhile
    async with workspace.engine.begin() as conn:
        await conn.execute(update(paces).values(slot_at=last_at, attempt_id="att_other"))
    for number, claim in enumerate(claims[1:], 1):
        slot = await asked(workspace, claim)
        at = (await workspace.attempt(claim.attempt_id)).departs_at
        assert (at - last_at).total_seconds() == pytest.approx(number * apart_s, abs=1e-5)
        assert slot.wait_s <= number * apart_s + 0.5


async def test_less_than_one_a_second_has_its_pauses(make_workspace):
    workspace = await make_workspace(calls_per_second=0.1)
    first, second = await claimed(workspace, 2)
    assert (await asked(workspace, first)).wait_s <= 0
    assert await asked(workspace, second) is Hold.BEHIND
    async with workspace.engine.begin() as conn:
        await conn.execute(update(paces).values(slot_at=ago(9.5)))
    slot = await asked(workspace, second)
    assert 0.2 < slot.wait_s < 10 + LATE_S - 9.5


async def test_workspaces_that_share_an_account_share_its_pace_and_the_lowest_holds(make_workspace):
    ours, theirs = await make_workspace(calls_per_second=100), await make_workspace(calls_per_second=4)
    await same_account(ours, theirs)
    (a,), (b,) = await claimed(ours), await claimed(theirs)
    await asked(ours, a)
    slot = await asked(theirs, b)
    assert isinstance(slot, Slot)
    at = [(await ours.attempt(claim.attempt_id)).departs_at for claim in (a, b)]
    assert (at[1] - at[0]).total_seconds() >= (1 + LATE_S) / 4


async def test_accounts_of_the_same_name_at_two_carriers_have_each_their_pace(make_workspace):
    ours, theirs = await make_workspace(calls_per_second=0.5), await make_workspace(calls_per_second=0.5)
    await same_account(ours)
    await same_account(theirs, carrier="vonage")
    (a,), (b,) = await claimed(ours), await claimed(theirs)
    assert (await asked(ours, a)).wait_s <= 0
    assert (await asked(theirs, b)).wait_s <= 0


async def test_a_dial_far_behind_others_takes_no_slot(make_workspace):
    workspace = await make_workspace(calls_per_second=1)
    first, second = await claimed(workspace, 2)
    await asked(workspace, first)
    async with workspace.engine.begin() as conn:
        await conn.execute(update(paces).values(slot_at=datetime.now(UTC) + timedelta(seconds=LONGEST_WAIT_S)))
    assert await asked(workspace, second) is Hold.BEHIND
    async with workspace.engine.connect() as conn:
        assert (await conn.execute(select(paces.c.attempt_id))).scalar_one() == first.attempt_id


async def test_a_dial_that_waited_keeps_its_slot(make_workspace):
    workspace = await make_workspace(calls_per_second=2)
    first, second = await claimed(workspace, 2)
    await asked(workspace, first)
    held = await asked(workspace, second)
    at = (await workspace.attempt(second.attempt_id)).departs_at
    again = await asked(workspace, second, held)
    assert again.wait_s < held.wait_s
    assert (await workspace.attempt(second.attempt_id)).departs_at == at


async def missed(workspace, claim, seconds=1):
    """Its slot was so long ago. (The pace of the account goes back with it.)"""
    at = ago(seconds)
    await workspace.set_attempt(claim.attempt_id, departs_at=at)
    async with workspace.engine.begin() as conn:
        await conn.execute(update(paces).where(paces.c.attempt_id == claim.attempt_id).values(slot_at=at))


async def test_a_dial_that_missed_its_slot_goes_behind_those_that_came_after_it(make_workspace):
    workspace = await make_workspace(calls_per_second=4)
    first, second = await claimed(workspace, 2)
    held = await asked(workspace, first)
    await asked(workspace, second)
    await missed(workspace, first)
    await asked(workspace, first, held)
    after = (await workspace.attempt(second.attempt_id)).departs_at
    assert ((await workspace.attempt(first.attempt_id)).departs_at - after).total_seconds() >= (1 + LATE_S) / 4


async def test_where_none_came_after_it_a_missed_slot_is_moved(make_workspace):
    """At one call a second the next one would be a second away, and this one left unused."""
    workspace = await make_workspace(calls_per_second=1)
    (claim,) = await claimed(workspace)
    held = await asked(workspace, claim)
    await missed(workspace, claim, 0.3)
    assert (await asked(workspace, claim, held)).wait_s <= 0


async def test_slots_are_farther_apart_for_a_second_when_a_dial_may_be_later_than_usual(make_workspace):
    workspace = await make_workspace(calls_per_second=10)
    claims = await claimed(workspace, 4)
    slot = await asked(workspace, claims[0], late_s=0.2)
    assert slot.late_s == 0.2
    last_at = datetime.now(UTC) + timedelta(seconds=0.5)
    async with workspace.engine.begin() as conn:
        await conn.execute(update(paces).values(slot_at=last_at, attempt_id="att_other"))

    async def apart(claim):
        nonlocal last_at
        before, _ = last_at, await asked(workspace, claim)
        last_at = (await workspace.attempt(claim.attempt_id)).departs_at
        return round((last_at - before).total_seconds(), 4)

    assert [await apart(claims[1]), await apart(claims[2])] == [0.12, 0.12]
    async with workspace.engine.begin() as conn:
        await conn.execute(update(paces).values(late_until=last_at))
    assert await apart(claims[3]) == 0.12
    async with workspace.engine.connect() as conn:
        assert (await conn.execute(select(paces.c.late_s))).scalar_one() == LATE_S


async def test_whoever_may_be_later_keeps_that_also_when_it_has_waited(make_workspace):
    workspace = await make_workspace(calls_per_second=4)
    first, second = await claimed(workspace, 2)
    await asked(workspace, first)
    slot = await asked(workspace, second, late_s=0.4)
    assert (await asked(workspace, second, slot)).late_s == 0.4


async def test_a_slot_of_another_hosts_clock_keeps_nobody_waiting(workspace):
    """After a failover to a host whose clock is behind, the last slot is in a future that takes long to come."""
    first, second = await claimed(workspace, 2)
    await asked(workspace, first)
    async with workspace.engine.begin() as conn:
        await conn.execute(update(paces).values(slot_at=paces.c.slot_at + timedelta(minutes=10)))
        await conn.execute(update(carrier_accounts).values(next_dial_at=ago(1)))
    slot = await asked(workspace, second)
    assert slot.wait_s <= 0
    await workspace.queue()
    (claim,) = await workspace.claim()
    assert isinstance(await asked(workspace, claim), Slot)
