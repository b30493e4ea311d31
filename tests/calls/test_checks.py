"""When an attempt is looked at next, and whose a carrier's call may be."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from outdial.calls.checks import claimed_by_others, hurry, look_again, take_due
from outdial.calls.records import read_held
from outdial.telephony.state import CallState, EndReason
from workspace import CALLEE

PAST = datetime(2026, 1, 1, 12, tzinfo=UTC)


async def due_now(workspace, at_most=10):
    return [held.attempt.id for held in await take_due(workspace.engine, put_off_s=20, at_most=at_most)]


async def test_live_attempts_are_given_out_once_the_most_overdue_first(workspace):
    later, first, ended, not_yet = [await workspace.dialed() for _ in range(4)]
    await workspace.set_attempt(first.attempt_id, check_at=PAST)
    await workspace.set_attempt(later.attempt_id, check_at=PAST + timedelta(days=1))
    await workspace.hears(ended.attempt_id, CallState.ENDED, EndReason.BUSY)
    await workspace.set_attempt(ended.attempt_id, check_at=PAST)
    assert await due_now(workspace, at_most=1) == [first.attempt_id]
    assert await due_now(workspace) == [later.attempt_id]
    assert await due_now(workspace) == []
    assert (await workspace.attempt(first.attempt_id)).check_at > datetime.now(UTC) + timedelta(seconds=19)
    assert (await workspace.attempt(not_yet.attempt_id)).check_at > datetime.now(UTC)


async def test_of_two_that_look_at_once_each_has_its_own(workspace):
    claims = [await workspace.dialed() for _ in range(5)]
    for claim in claims:
        await workspace.set_attempt(claim.attempt_id, check_at=PAST)
    taken = await asyncio.gather(due_now(workspace), due_now(workspace))
    assert sorted(taken[0] + taken[1]) == sorted(claim.attempt_id for claim in claims)


@pytest.mark.parametrize(
    ("columns", "hurries"),
    [
        ({"stream_opened_at": None}, True),                  # rings
        ({"stream_opened_at": PAST}, False),                 # its conversation does it
        ({"stream_opened_at": PAST, "owner": None}, True),   # transferred
        ({"state": "ended"}, False),
    ],
)
async def test_a_call_that_no_conversation_hangs_up_is_looked_at_now(workspace, columns, hurries):
    claim, other = await workspace.dialed(), await workspace.dialed()
    await workspace.set_attempt(claim.attempt_id, **columns)
    await workspace.ask_hang_up(claim.call_id)
    await hurry(workspace.engine, [claim.call_id, other.call_id])
    assert await due_now(workspace) == ([claim.attempt_id] if hurries else [])


async def test_a_look_is_never_put_off(workspace):
    claim = await workspace.dialed()
    await look_again(workspace.engine, claim.attempt_id, in_s=5)
    soon = (await workspace.attempt(claim.attempt_id)).check_at
    assert soon < datetime.now(UTC) + timedelta(seconds=5.1)
    await look_again(workspace.engine, claim.attempt_id, in_s=60)
    assert (await workspace.attempt(claim.attempt_id)).check_at == soon


# -- whose a call is -------------------------------------------------------------------------------------------


@pytest.fixture
async def looking(workspace):
    """An attempt whose dial got no reply."""
    await workspace.queue()
    (claim,) = await workspace.claim()
    return claim


async def claimed(workspace, looking, *carrier_call_ids):
    held = await read_held(workspace.engine, looking.attempt_id)
    return await claimed_by_others(workspace.engine, held, carrier_call_ids)


async def test_a_call_is_known_by_its_id_and_by_its_refs(workspace, looking):
    other = await workspace.dialed()
    await workspace.set_attempt(other.attempt_id, carrier_refs={"leg": "leg-1"})
    assert await claimed(workspace, looking, "CA1") == ({"CA1", "leg-1"}, False)


async def test_another_dial_of_the_same_numbers_without_an_id_is_a_rival(workspace, looking):
    await workspace.queue()
    await workspace.claim()
    assert await claimed(workspace, looking) == (set(), True)


@pytest.mark.parametrize("number", ["+15551239999", None])
async def test_who_is_no_rival(workspace, looking, number):
    await workspace.queue(to=number or CALLEE)
    (other,) = await workspace.claim()
    if number is None:
        await workspace.hears(other.attempt_id, CallState.ENDED, EndReason.FAILED)
    assert await claimed(workspace, looking) == (set(), False)


async def test_calls_of_long_ago_and_of_other_numbers_claim_nothing(workspace, looking):
    old, elsewhere = await workspace.dialed(), await workspace.dialed(to="+15551239999")
    await workspace.set_attempt(old.attempt_id, created_at=PAST)
    assert await claimed(workspace, looking) == (set(), False)
    assert await claimed(workspace, looking, "CA1", "CA2") == ({"CA1", "CA2"}, False), "unless by their very ids"
    assert (await workspace.attempt(elsewhere.attempt_id)).carrier_call_id == "CA2"
