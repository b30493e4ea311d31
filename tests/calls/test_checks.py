"""When an attempt is looked at next, and whose a carrier's call may be."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from outdial.calls.advance import note_ending
from outdial.calls.checks import (
    claimed_by_others,
    hang_up_again,
    hang_up_done,
    hurry,
    look_again,
    take_due,
    take_hang_ups,
)
from outdial.calls.records import read_held
from outdial.repeating import Pauses
from outdial.telephony.state import CallState, Ending, EndReason
from workspace import CALLEE

PAUSES = Pauses(first_s=5.0, longest_s=60.0)
PAST = datetime(2026, 1, 1, 12, tzinfo=UTC)


async def due_now(workspace, at_most=10):
    due = await take_due(workspace.engine, put_off_s=20, pauses=PAUSES, at_most=at_most)
    return [held.attempt.id for held in due]


async def to_hang_up(workspace, *, call_ids=None, at_most=10):
    due = await take_hang_ups(workspace.engine, put_off_s=40, at_most=at_most, call_ids=call_ids)
    return [held.attempt.id for held in due]


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


async def test_a_look_that_brought_nothing_is_put_off_for_longer(workspace):
    claim = await workspace.dialed()
    for look_ups, put_off_s in [(0, 20), (2, 20), (3, 40), (4, 60), (40, 60)]:
        await workspace.set_attempt(claim.attempt_id, check_at=PAST, look_ups=look_ups)
        (held,) = await take_due(workspace.engine, put_off_s=20, pauses=PAUSES, at_most=10)
        attempt = await workspace.attempt(claim.attempt_id)
        assert (held.attempt.look_ups, attempt.look_ups) == (look_ups + 1, look_ups + 1)
        assert round((attempt.check_at - datetime.now(UTC)).total_seconds()) == put_off_s


async def test_when_it_is_looked_at_again_is_for_the_last_sign_of_life_to_say(workspace):
    claim = await workspace.dialed()
    await workspace.set_attempt(claim.attempt_id, check_at=PAST)
    await due_now(workspace)
    await look_again(workspace.engine, claim.attempt_id, after=1, in_s=90)
    assert (await workspace.attempt(claim.attempt_id)).check_at > datetime.now(UTC) + timedelta(seconds=89)
    await workspace.hears(claim.attempt_id, CallState.RINGING)
    soon = (await workspace.attempt(claim.attempt_id)).check_at
    await look_again(workspace.engine, claim.attempt_id, after=1, in_s=90)
    assert (await workspace.attempt(claim.attempt_id)).check_at == soon


@pytest.mark.parametrize(("since", "hurries"), [(None, False), (PAST, True)])
async def test_a_dial_of_unknown_outcome_is_looked_for_now_when_it_is_to_be_hung_up(workspace, since, hurries):
    await workspace.queue()
    (claim,) = await workspace.claim()
    other = await workspace.dialed()
    await workspace.set_attempt(claim.attempt_id, unknown_since=since)
    await workspace.ask_hang_up(claim.call_id)
    assert await hurry(workspace.engine, ["", claim.call_id, other.call_id]) is hurries
    assert await due_now(workspace) == ([claim.attempt_id] if hurries else [])


# -- ends that are wanted --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "asked"),
    [
        ({"stream_opened_at": None}, True),                  # rings
        ({"stream_opened_at": PAST}, False),                 # its conversation does it
        ({"stream_opened_at": PAST, "check_at": PAST}, True),  # … and was not heard of for a while
        ({"stream_opened_at": PAST, "owner": None}, True),   # transferred
        ({"carrier_call_id": None}, False),                  # the carrier can't be asked yet
        ({"state": "ended"}, False),
        ({"state": "ended", "hang_up_at": PAST}, True),      # without its carrier's word
        ({"hang_up_at": datetime(2099, 1, 1, tzinfo=UTC)}, False),  # it wants to be asked later
    ],
)
@pytest.mark.parametrize("by", ["operator", "us"])
async def test_whose_end_is_asked_for(workspace, columns, asked, by):
    claim, other = await workspace.dialed(), await workspace.dialed()
    if by == "operator":
        await workspace.ask_hang_up(claim.call_id)
    else:
        await note_ending(workspace.engine, claim.attempt_id, Ending(end_reason=EndReason.MACHINE))
    await workspace.set_attempt(claim.attempt_id, **columns)
    assert await to_hang_up(workspace, call_ids=[other.call_id]) == []
    assert await to_hang_up(workspace, call_ids=[claim.call_id]) == ([claim.attempt_id] if asked else [])
    assert await to_hang_up(workspace) == [], "somebody is asking"
    assert (await workspace.attempt(claim.attempt_id)).hang_ups == (1 if asked else 0)


async def test_who_is_being_told_a_last_sentence_is_not_hung_up(workspace):
    claim = await workspace.dialed()
    for minutes, asked in [(1, []), (-1, [claim.attempt_id])]:
        told = Ending(end_reason=EndReason.COMPLETED, not_before=datetime.now(UTC) + timedelta(minutes=minutes))
        await workspace.set_attempt(claim.attempt_id, ending=told.to_json(), hang_up_at=None)
        assert await to_hang_up(workspace) == asked


async def test_of_two_that_ask_for_ends_at_once_each_has_its_own(workspace):
    claims = [await workspace.dialed() for _ in range(5)]
    for claim in claims:
        await workspace.ask_hang_up(claim.call_id)
    taken = await asyncio.gather(to_hang_up(workspace, at_most=3), to_hang_up(workspace, at_most=3))
    left = await to_hang_up(workspace)
    assert sorted(taken[0] + taken[1] + left) == sorted(claim.attempt_id for claim in claims)


async def test_an_end_is_asked_for_again_until_it_is_done(workspace):
    claim = await workspace.dialed()
    await workspace.ask_hang_up(claim.call_id)
    assert await to_hang_up(workspace) == [claim.attempt_id]
    await hang_up_again(workspace.engine, claim.attempt_id, in_s=-1)
    assert await to_hang_up(workspace) == [claim.attempt_id]
    assert (await workspace.attempt(claim.attempt_id)).hang_ups == 2
    await workspace.hears(claim.attempt_id, CallState.RINGING)
    await hang_up_again(workspace.engine, claim.attempt_id, in_s=60)
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    assert await to_hang_up(workspace) == [], "no sign of life makes it earlier"
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.CANCELED)
    assert (await workspace.attempt(claim.attempt_id)).hang_up_at is None
    await hang_up_again(workspace.engine, claim.attempt_id, in_s=-1)
    assert await to_hang_up(workspace) == []


async def test_what_is_done_is_not_asked_for_again(workspace):
    claim = await workspace.dialed()
    await workspace.set_attempt(claim.attempt_id, state="ended", hang_up_at=PAST)
    await hang_up_done(workspace.engine, claim.attempt_id)
    await workspace.set_attempt(claim.attempt_id, state="dialing")
    assert await to_hang_up(workspace) == []


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
