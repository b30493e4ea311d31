import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, update

from dispatch.silence import ago, due, unknown
from outdial.calls.checks import take_due
from outdial.carriers.errors import CarrierUncertain
from outdial.db.engine import create_engine, put_away
from outdial.db.notify import Notifications
from outdial.db.tables import attempts, seats
from outdial.dispatch.look_ups import pauses
from outdial.dispatch.sweep import Sweep
from outdial.telephony.failures import FailureCode
from outdial.telephony.state import CallState, EndReason
from workspace import CALLEE, CALLER


async def test_a_dial_without_a_reply_is_found_in_the_carriers_books(workspace, sweep):
    workspace.carrier.loses_replies = True
    claim = await workspace.dialed()
    await due(workspace, claim.attempt_id)
    await sweep.sweep()
    attempt = await workspace.attempt(claim.attempt_id)
    assert (attempt.carrier_call_id, attempt.unknown_since, attempt.state) == ("CA1", None, "dialing")


async def test_a_found_dial_brings_its_state_along(workspace, sweep):
    workspace.carrier.loses_replies = True
    claim = await workspace.dialed()
    workspace.carrier.now_is("CA1", CallState.ENDED, EndReason.BUSY)
    await due(workspace, claim.attempt_id)
    await sweep.sweep()
    assert (await workspace.call(claim.call_id)).end_reason == "busy"


async def test_a_dial_the_carrier_never_got_is_queued_again(workspace, sweep):
    claim = await unknown(workspace)
    await sweep.sweep()
    call = await workspace.call(claim.call_id)
    assert (call.state, call.holds_line) == ("queued", False)
    (attempt,) = await workspace.attempts(claim.call_id)
    assert (attempt.state, attempt.end_reason, attempt.error["code"]) == ("ended", "failed", "never_placed")
    (again,) = await workspace.claim()
    assert again.attempt_number == 2


@pytest.mark.parametrize(
    "answer",
    [
        CarrierUncertain(FailureCode.CARRIER_ERROR, "The carrier had an error.", carrier_code="http_500"),
        CarrierUncertain(FailureCode.CARRIER_ERROR, "Its address leads elsewhere.", carrier_code="http_302"),
        CarrierUncertain(FailureCode.CARRIER_NO_REPLY, "The carrier did not answer."),
    ],
)
async def test_a_dial_that_always_gets_no_call_is_made_three_times(workspace, sweep, answer):
    call_id = await workspace.queue()
    asked_at = []
    at = 0.0
    while claims := await workspace.claim():
        (claim,) = claims
        asked_at.append(at)
        workspace.carrier.refuses_next.append(answer)
        await workspace.dial(claim)
        await due(workspace, claim.attempt_id, unknown_since=ago(31), created_at=ago(31))
        await sweep.sweep()
        call = await workspace.call(call_id)
        at += 31 + max(0, (call.due_at - datetime.now(UTC)).total_seconds())
        await workspace.set_call(call_id, due_at=ago(1))
    first, second, third = asked_at
    assert second - first < third - second
    assert at + 31 < 180, "within three minutes"
    assert workspace.carrier.dialed == [], "nothing was placed"
    assert (call.state, call.end_reason, call.holds_line) == ("ended", "failed", False)
    assert (call.error["code"], call.error["carrier_code"]) == ("never_placed", answer.carrier_code)


async def test_a_dial_that_is_in_the_books_is_found_at_any_of_its_tries(workspace, sweep):
    claim = await unknown(workspace)
    await workspace.set_call(claim.call_id, never_placed=2)
    workspace.carrier.place("CA1", to=CALLEE, from_=CALLER)
    await sweep.sweep()
    assert (await workspace.attempt(claim.attempt_id)).carrier_call_id == "CA1"


async def test_a_dial_is_looked_for_no_later_than_when_the_books_can_be_believed(workspace, sweep):
    claim = await unknown(workspace, since=20)
    await workspace.set_attempt(claim.attempt_id, look_ups=8)
    await sweep.sweep()
    assert (await workspace.attempt(claim.attempt_id)).check_at < datetime.now(UTC) + timedelta(seconds=11)


async def test_the_carriers_books_are_not_believed_too_early(workspace, sweep):
    claim = await unknown(workspace, since=29)
    await sweep.sweep()
    assert (await workspace.call(claim.call_id)).state == "dialing"
    assert (await workspace.attempt(claim.attempt_id)).check_at < datetime.now(UTC) + timedelta(seconds=6)


async def test_what_counts_is_when_the_dial_was_over_not_when_it_was_claimed(workspace, sweep):
    """A frozen worker can send its request minutes after its claim."""
    claim = await unknown(workspace, since=1)
    await due(workspace, claim.attempt_id, created_at=ago(300))
    await sweep.sweep()
    assert (await workspace.call(claim.call_id)).state == "dialing"


async def test_a_hang_up_asked_for_ends_a_call_that_was_never_placed(workspace, sweep):
    claim = await unknown(workspace)
    await workspace.ask_hang_up(claim.call_id)
    await sweep.sweep()
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.holds_line) == ("ended", "canceled", False)


async def test_a_hang_up_asked_for_while_the_carrier_is_asked_counts_as_well(workspace, sweep):
    claim = await unknown(workspace)

    async def asked_for():
        await workspace.ask_hang_up(claim.call_id)

    workspace.carrier.before_look = asked_for
    await sweep.sweep()
    assert (await workspace.call(claim.call_id)).end_reason == "canceled"


async def test_a_callback_while_the_carrier_is_asked_keeps_the_call(workspace, sweep):
    claim = await unknown(workspace)

    async def callback_comes():
        await workspace.hears(claim.attempt_id, CallState.RINGING, carrier_call_id="CA9")

    workspace.carrier.before_look = callback_comes
    await sweep.sweep()
    call = await workspace.call(claim.call_id)
    assert (call.state, call.holds_line) == ("ringing", True)


async def test_two_sweeps_at_once_queue_a_call_again_once(workspace, database_url):
    claims = [await unknown(workspace, to=f"+1555123000{number}") for number in range(4)]
    engines = [create_engine(database_url) for _ in range(2)]
    sweeps = [
        Sweep(engine, workspace.settings, Notifications(database_url), workspace.open_carrier, owner=f"worker_{number}")
        for number, engine in enumerate(engines)
    ]
    settings = workspace.settings
    due = await take_due(engines[0], put_off_s=settings.silent_after_s, pauses=pauses(settings), at_most=200)
    looks = [each._look_ups.look_at(held) for each in sweeps for held in due]
    await asyncio.gather(*looks, *(each.sweep() for each in sweeps))
    for claim in claims:
        assert (await workspace.call(claim.call_id)).state == "queued"
        assert len(await workspace.events(claim.call_id, "state")) == 2
    assert (await workspace.pool()).used_outbound == 0
    for engine in engines:
        await put_away(engine)


async def test_calls_of_other_attempts_are_no_candidates(workspace, sweep):
    earlier = await workspace.dialed()
    await workspace.hears(earlier.attempt_id, CallState.ENDED, EndReason.BUSY)
    claim = await unknown(workspace)
    await sweep.sweep()
    assert (await workspace.call(claim.call_id)).state == "queued"


async def test_another_attempts_call_under_the_name_of_its_leg_is_not_taken(workspace, sweep):
    """All that Telnyx's log may tell of an ended call is its leg."""
    earlier = await workspace.dialed()
    await workspace.set_attempt(earlier.attempt_id, carrier_refs={"call_leg_id": "leg-1"})
    await workspace.hears(earlier.attempt_id, CallState.ENDED, EndReason.BUSY)
    workspace.carrier.books.clear()
    claim = await unknown(workspace, since=1)
    workspace.carrier.place("leg-1", to=CALLEE, from_=CALLER)
    workspace.carrier.now_is("leg-1", CallState.ENDED, EndReason.BUSY)
    await sweep.sweep()
    attempt = await workspace.attempt(claim.attempt_id)
    assert (attempt.state, attempt.carrier_call_id) == ("dialing", None)


async def test_several_candidates_leave_the_outcome_unknown(workspace, sweep, caplog):
    claim = await unknown(workspace)
    workspace.carrier.place("CA1", to=CALLEE, from_=CALLER)
    workspace.carrier.place("CA2", to=CALLEE, from_=CALLER)
    await sweep.sweep()
    attempt = await workspace.attempt(claim.attempt_id)
    assert (attempt.state, attempt.carrier_call_id) == ("dialing", None)
    assert (await workspace.call(claim.call_id)).holds_line
    assert "Dial outcome still unknown: several carrier calls match" in caplog.messages


async def test_a_call_that_may_be_another_attempts_is_not_taken(workspace, sweep):
    """Two calls to one person; one of the dials was placed. Whoever takes it wrongly has the other redialled."""
    claims = [await unknown(workspace), await unknown(workspace)]
    workspace.carrier.place("CA1", to=CALLEE, from_=CALLER)
    await sweep.sweep()
    for claim in claims:
        attempt = await workspace.attempt(claim.attempt_id)
        assert (attempt.state, attempt.carrier_call_id) == ("dialing", None)
    await workspace.hears(claims[1].attempt_id, CallState.RINGING, carrier_call_id="CA1")
    await due(workspace, claims[0].attempt_id)
    await sweep.sweep()
    assert (await workspace.call(claims[0].call_id)).state == "queued"
    assert (await workspace.call(claims[1].call_id)).state == "ringing"


async def test_a_call_that_another_worker_is_just_dialling_is_not_taken(workspace, sweep):
    claim = await unknown(workspace)
    await workspace.queue()
    (other,) = await workspace.claim()

    async def look(request, carrier_call_id):
        await sweep.sweep()  # the call is in the books, its reply is on its way

    workspace.carrier.before_reply = look
    await workspace.dial(other)
    assert (await workspace.attempt(claim.attempt_id)).carrier_call_id is None
    assert (await workspace.attempt(other.attempt_id)).carrier_call_id == "CA1"


async def test_an_operators_hang_up_ends_what_can_not_be_told(workspace, sweep):
    claim = await unknown(workspace, since=100)
    workspace.carrier.place("CA1", to=CALLEE, from_=CALLER)
    workspace.carrier.place("CA2", to=CALLEE, from_=CALLER)
    await sweep.sweep()
    assert (await workspace.call(claim.call_id)).state == "dialing"
    await workspace.ask_hang_up(claim.call_id)
    await due(workspace, claim.attempt_id)
    await sweep.sweep()
    call = await workspace.call(claim.call_id)
    assert (call.state, call.error["code"], call.holds_line) == ("ended", "outcome_unknown", False)


async def test_a_stream_that_opened_before_anything_was_known_of_the_call_finds_its_id(workspace, sweep):
    """Worker A died between the dial and its reply; the callee answered, and worker B talks. No callback came."""
    await workspace.queue()
    (claim,) = await workspace.claim()
    workspace.carrier.place("CA1", to=CALLEE, from_=CALLER)
    workspace.carrier.now_is("CA1", CallState.IN_PROGRESS)
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await due(workspace, claim.attempt_id, stream_opened_at=ago(30))
    await sweep.sweep()
    assert (await workspace.attempt(claim.attempt_id)).carrier_call_id == "CA1"


async def test_a_dial_that_is_taken_back_while_its_carrier_is_asked_is_no_fault(workspace, sweep, caplog):
    """It was never sent: its worker was held up, and finds that it is too late while somebody else looks for it."""
    claim = await unknown(workspace)
    find = workspace.carrier.find

    async def meanwhile_taken_back(**about):
        found = await find(**about)
        async with workspace.engine.begin() as conn:
            await conn.execute(delete(attempts).where(attempts.c.id == claim.attempt_id))
            await conn.execute(update(seats).values(attempt_id=None))
        return found

    workspace.carrier.find = meanwhile_taken_back
    await sweep.sweep()
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []
