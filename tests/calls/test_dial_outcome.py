"""What became of a dial, written down. What a carrier's reply means: tests/dispatch/test_dialing.py."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from outdial.calls.departure import Hold
from outdial.calls.dial_outcome import MAX_DEFERRALS, accept, defer, mark_unknown, put_back, write_off
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.state import CallState, EndReason

AWAY = CallError(code=FailureCode.CARRIER_UNREACHABLE, message="The carrier could not be reached.")
NO_REPLY = CallError(code=FailureCode.CARRIER_ERROR, message="The carrier had an error.", carrier_code="20500")


@pytest.fixture
async def claim(workspace):
    await workspace.queue()
    (claim,) = await workspace.claim()
    return claim


async def accepted(workspace, claim, call_id="CA1", **refs):
    await accept(workspace.engine, claim, CarrierCall(id=call_id, refs=refs), check_in_s=20)


async def test_an_accepted_dial_has_its_carriers_id(workspace, claim):
    await workspace.set_call(claim.call_id, deferrals=3, throttled_since=datetime.now(UTC))
    await accepted(workspace, replace(claim, was_put_off=True), leg="a")
    attempt = await workspace.attempt(claim.attempt_id)
    assert (attempt.carrier_call_id, attempt.carrier_refs, attempt.unknown_since) == ("CA1", {"leg": "a"}, None)
    assert attempt.accepted_at is not None
    call = await workspace.call(claim.call_id)
    assert (call.deferrals, call.throttled_since) == (0, None)


async def test_a_callback_that_overtook_the_reply_stays(workspace, claim):
    await workspace.hears(claim.attempt_id, CallState.RINGING, carrier_call_id="CA1")
    await accepted(workspace, claim, leg="a")
    attempt = await workspace.attempt(claim.attempt_id)
    assert (attempt.state, attempt.carrier_call_id, attempt.carrier_refs) == ("ringing", "CA1", {"leg": "a"})


async def test_what_a_callback_told_before_the_reply_stays(workspace, claim):
    await workspace.hears(
        claim.attempt_id, CallState.ENDED, EndReason.FAILED, carrier_call_id="CA1", error=AWAY, at=datetime.now(UTC)
    )
    await accepted(workspace, claim)
    attempt = await workspace.attempt(claim.attempt_id)
    assert (attempt.state, attempt.error) == ("ended", AWAY.to_json())


async def test_one_carrier_call_is_not_taken_for_two_dials(workspace, claim):
    await workspace.dialed()  # CA1
    with pytest.raises(IntegrityError):
        await accepted(workspace, claim)
    assert (await workspace.attempt(claim.attempt_id)).carrier_call_id is None


async def test_a_dial_that_never_left_waits_longer_and_longer(workspace, claim):
    waits = []
    for deferrals in range(8):
        await workspace.set_call(claim.call_id, deferrals=deferrals)
        await defer(workspace.engine, claim, AWAY, wait_s=0)
        call = await workspace.call(claim.call_id)
        waits.append(round((call.due_at - datetime.now(UTC)).total_seconds()))
        assert (call.state, call.deferrals, call.holds_line) == ("queued", deferrals + 1, False)
        assert await workspace.attempts(claim.call_id) == []
        await workspace.set_call(claim.call_id, due_at=datetime.now(UTC) - timedelta(seconds=1))
        (claim,) = await workspace.claim()
        assert claim.attempt_number == 1
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


async def test_a_dial_is_deferred_once(workspace, claim):
    for _ in range(2):
        await defer(workspace.engine, claim, AWAY, wait_s=5)
    assert (await workspace.call(claim.call_id)).deferrals == 1
    assert (await workspace.pool()).used_outbound == 0


@pytest.mark.parametrize("hang_up", [False, True])
async def test_a_dial_that_is_deferred_for_the_last_time_ends_its_call(workspace, claim, hang_up):
    await workspace.set_call(claim.call_id, deferrals=0 if hang_up else MAX_DEFERRALS)
    if hang_up:
        await workspace.ask_hang_up(claim.call_id)
    await defer(workspace.engine, claim, AWAY, wait_s=0)
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.holds_line) == ("ended", "canceled" if hang_up else "failed", False)
    assert call.ended_by == ("operator" if hang_up else "carrier")
    assert (await workspace.pool()).used_outbound == 0


async def test_a_dial_of_unknown_outcome_keeps_its_line(workspace, claim):
    await mark_unknown(workspace.engine, claim, NO_REPLY, settle_s=2)
    attempt = await workspace.attempt(claim.attempt_id)
    assert (attempt.state, attempt.unknown_since is not None) == ("dialing", True)
    assert attempt.check_at < datetime.now(UTC) + timedelta(seconds=2.1)
    assert (await workspace.call(claim.call_id)).holds_line
    assert await workspace.events(claim.call_id, "unknown") == [{"attempt": 1}]


async def test_a_dial_that_was_heard_of_is_not_unknown(workspace, claim):
    await workspace.hears(claim.attempt_id, CallState.DIALING, carrier_call_id="CA1")
    await mark_unknown(workspace.engine, claim, NO_REPLY, settle_s=2)
    assert (await workspace.attempt(claim.attempt_id)).unknown_since is None
    assert await workspace.events(claim.call_id, "unknown") == []


async def test_a_dial_that_was_never_placed_stays_on_record_and_its_call_waits(workspace, claim):
    await mark_unknown(workspace.engine, claim, NO_REPLY, settle_s=2)
    for _ in range(2):
        await write_off(workspace.engine, claim.attempt_id)
    attempt, call = await workspace.attempt(claim.attempt_id), await workspace.call(claim.call_id)
    assert (attempt.state, attempt.end_reason, attempt.error["code"]) == ("ended", "failed", "never_placed")
    assert (attempt.unknown_since, call.state, call.holds_line) == (None, "queued", False)
    assert (await workspace.pool()).used_outbound == 0


@pytest.mark.parametrize("state", [CallState.DIALING, CallState.RINGING, CallState.ENDED])
async def test_a_dial_that_was_heard_of_is_not_written_off(workspace, claim, state):
    reason = EndReason.BUSY if state is CallState.ENDED else None
    await workspace.hears(claim.attempt_id, state, reason, carrier_call_id="CA1")
    before = await workspace.attempt(claim.attempt_id)
    await write_off(workspace.engine, claim.attempt_id)
    assert await workspace.attempt(claim.attempt_id) == before


async def never_placed(workspace, claim, error=NO_REPLY):
    """A dial that the carrier answered like this, and has no record of; the result: seconds until the next one."""
    await mark_unknown(workspace.engine, claim, error, settle_s=2)
    await write_off(workspace.engine, claim.attempt_id)
    call = await workspace.call(claim.call_id)
    return round((call.due_at - datetime.now(UTC)).total_seconds()) if call.state == "queued" else None


async def claim_again(workspace, claim):
    await workspace.set_call(claim.call_id, due_at=datetime.now(UTC) - timedelta(seconds=1))
    (claim,) = await workspace.claim()
    return claim


async def test_a_dial_that_is_never_placed_is_made_three_times_further_and_further_apart(workspace, claim):
    pauses = [await never_placed(workspace, claim)]
    for _ in range(2):
        claim = await claim_again(workspace, claim)
        pauses.append(await never_placed(workspace, claim))
    assert pauses == [0, 12, None]
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.holds_line) == ("ended", "failed", False)
    assert (call.error["code"], call.error["carrier_code"]) == ("never_placed", "20500")
    assert [attempt.error for attempt in await workspace.attempts(claim.call_id)] == [call.error] * 3
    assert (await workspace.pool()).used_outbound == 0


async def test_a_retry_that_was_asked_for_is_made_after_them_and_begins_anew(workspace):
    await workspace.queue(retry={"max_attempts": 4, "on": ["failed"], "delays_s": [600]})
    (claim,) = await workspace.claim()
    for _ in range(2):
        await never_placed(workspace, claim)
        claim = await claim_again(workspace, claim)
    assert await never_placed(workspace, claim) == 600
    for pause_s in (0, 12, None):
        claim = await claim_again(workspace, claim)
        assert await never_placed(workspace, claim) == pause_s
    assert (await workspace.call(claim.call_id)).error["code"] == "never_placed"


async def test_a_dial_that_is_taken_forgets_those_that_were_never_placed(workspace, claim):
    for _ in range(2):
        await never_placed(workspace, claim)
        claim = await claim_again(workspace, claim)
    await accepted(workspace, claim)
    assert (await workspace.call(claim.call_id)).never_placed == 0


async def test_a_dial_cut_short_by_our_own_death_fails_no_call(workspace, claim):
    for _ in range(5):
        await workspace.set_attempt(claim.attempt_id, unknown_since=datetime.now(UTC))  # as `take_over` does
        await write_off(workspace.engine, claim.attempt_id)
        assert (await workspace.call(claim.call_id)).state == "queued"
        (claim,) = await workspace.claim()


async def test_what_the_carrier_answered_is_told_until_the_call_is_found(workspace, claim):
    await mark_unknown(workspace.engine, claim, NO_REPLY, settle_s=2)
    assert (await workspace.attempt(claim.attempt_id)).error == NO_REPLY.to_json()
    await workspace.hears(claim.attempt_id, CallState.RINGING, carrier_call_id="CA1")
    assert (await workspace.attempt(claim.attempt_id)).error is None


BUSY_CARRIER = CallError(code=FailureCode.THROTTLED, message="Too many calls at once.")


async def test_a_carrier_that_puts_a_call_off_fails_it_after_a_day(workspace, claim):
    """However often: a queue that waits for a rate limit loses nothing by it."""
    waits = []
    for hours, minutes in [(0, 0), (0, 0.1), (0, 0.5), (0, 5), (1, 0), (23, 58)]:
        if waits:
            since = datetime.now(UTC) - timedelta(hours=hours, minutes=minutes)
            await workspace.set_call(claim.call_id, throttled_since=since)
        await defer(workspace.engine, claim, BUSY_CARRIER, wait_s=0.5, throttled=True)
        call = await workspace.call(claim.call_id)
        assert (call.state, call.deferrals, call.holds_line) == ("queued", 0, False)
        waits.append(round((call.due_at - datetime.now(UTC)).total_seconds()))
        claim = await claim_again(workspace, claim)
    assert waits == [1, 6, 30, 60, 60, 60]
    await workspace.set_call(claim.call_id, throttled_since=datetime.now(UTC) - timedelta(hours=23, minutes=59.5))
    await defer(workspace.engine, claim, BUSY_CARRIER, wait_s=0.5, throttled=True)
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.error["code"]) == ("ended", "failed", "throttled")


async def test_a_carrier_that_puts_a_call_off_is_waited_for_as_it_says(workspace, claim):
    await defer(workspace.engine, claim, BUSY_CARRIER, wait_s=600, throttled=True)
    call = await workspace.call(claim.call_id)
    assert round((call.due_at - datetime.now(UTC)).total_seconds()) == 600


# -- held back right before it was sent --------------------------------------------------------------------------


@pytest.mark.parametrize("hold", [Hold.TOO_LATE, Hold.BEHIND, Hold.PAUSED])
async def test_a_dial_that_was_held_back_counts_for_nothing_and_its_call_keeps_its_place(workspace, claim, hold):
    """However often that happens."""
    counts = {"deferrals": MAX_DEFERRALS, "never_placed": 2}
    await workspace.set_call(claim.call_id, **counts)
    before = await workspace.call(claim.call_id)
    for _ in range(2):
        await put_back(workspace.engine, claim, hold)
    call = await workspace.call(claim.call_id)
    assert (call.state, call.due_at, call.holds_line) == ("queued", before.due_at, False)
    assert (call.deferrals, call.never_placed, call.throttled_since) == (MAX_DEFERRALS, 2, None)
    assert await workspace.attempts(claim.call_id) == []
    assert (await workspace.pool()).used_outbound == 0
    assert (await workspace.events(claim.call_id))[-1]["held_back"] == hold


async def test_a_dial_held_back_by_the_do_not_call_list_ends_as_one_that_was_refused(workspace, claim):
    await put_back(workspace.engine, claim, Hold.LISTED)
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.ended_by) == ("ended", "canceled", "policy")
    assert (call.error["code"], call.holds_line) == ("do_not_call", False)
    assert await workspace.attempts(claim.call_id) == []


async def test_a_dial_held_back_whose_end_was_asked_for_ends(workspace, claim):
    await workspace.ask_hang_up(claim.call_id)
    await put_back(workspace.engine, claim, Hold.TOO_LATE)
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.ended_by) == ("ended", "canceled", "operator")


async def test_a_dial_that_was_taken_over_meanwhile_is_put_back_all_the_same(workspace, claim):
    """Whoever took it over can only find out what we know: that nothing was sent."""
    await workspace.set_attempt(claim.attempt_id, owner="worker_other", unknown_since=datetime.now(UTC))
    await put_back(workspace.engine, claim, Hold.TOO_LATE)
    await write_off(workspace.engine, claim.attempt_id)
    assert (await workspace.call(claim.call_id)).state == "queued"
    assert (await workspace.pool()).used_outbound == 0


@pytest.mark.parametrize("end", [EndReason.BUSY, EndReason.FAILED])
async def test_how_often_an_attempt_was_put_off_does_not_count_for_its_retry(workspace, end):
    await workspace.queue(retry={"max_attempts": 3, "on": ["busy", "failed"], "delays_s": [60]})
    (claim,) = await workspace.claim()
    await workspace.set_call(claim.call_id, deferrals=MAX_DEFERRALS, never_placed=2, throttled_since=datetime.now(UTC))
    await workspace.hears(claim.attempt_id, CallState.ENDED, end, carrier_call_id="CA1")
    call = await workspace.call(claim.call_id)
    assert (call.state, call.deferrals, call.never_placed, call.throttled_since) == ("queued", 0, 0, None)
    await defer(workspace.engine, await claim_again(workspace, claim), AWAY, wait_s=0)
    assert (await workspace.call(claim.call_id)).state == "queued"
