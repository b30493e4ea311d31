import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from outdial.calls.advance import note_ending
from outdial.calls.checks import take_due
from outdial.calls.workers import Worker
from outdial.carriers.errors import CarrierUnreachable
from outdial.db.engine import create_engine
from outdial.db.notify import Notifications
from outdial.dispatch.sweep import Sweep
from outdial.telephony.failures import FailureCode
from outdial.telephony.price import Price
from outdial.telephony.state import CallState, Ending, EndReason, Progress
from outdial.telephony.verdict import AnsweredBy, Verdict
from workspace import CALLEE, CALLER, OWNER, until

PAST = datetime(2026, 1, 1, 12, tzinfo=UTC)
UNREACHABLE = CarrierUnreachable(FailureCode.CARRIER_UNREACHABLE, "The carrier could not be reached.")


def ago(seconds: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)


async def due(workspace, attempt_id, **columns):
    """Time has passed: the sweep is to look at this attempt."""
    await workspace.set_attempt(attempt_id, **{"check_at": PAST} | columns)


async def unknown(workspace, *, since=31, **columns):
    """A call whose dial got no reply, `since` seconds ago; nothing is in the carrier's books."""
    await workspace.queue(**columns)
    (claim,) = await workspace.claim()
    await due(workspace, claim.attempt_id, unknown_since=ago(since), created_at=ago(since + 1))
    return claim


# -- silent calls --------------------------------------------------------------------------------------------


async def test_a_lost_callback_is_made_up_for_by_asking(workspace, sweep):
    claim = await workspace.dialed()
    workspace.carrier.now_is("CA1", CallState.ENDED, EndReason.BUSY)
    await due(workspace, claim.attempt_id)
    await sweep.sweep()
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.holds_line) == ("ended", "busy", False)


async def test_a_lost_verdict_is_made_up_for_by_asking(workspace, sweep):
    claim = await workspace.dialed()
    workspace.carrier.now_is("CA1", CallState.IN_PROGRESS)
    workspace.carrier.heard("CA1", Verdict(answered_by=AnsweredBy.HUMAN, at=datetime.now(UTC)))
    await due(workspace, claim.attempt_id)
    await sweep.sweep()
    assert (await workspace.call(claim.call_id)).answered_by["category"] == "human"


async def test_a_call_with_signs_of_life_is_left_alone(workspace, sweep):
    claim = await workspace.dialed()
    workspace.carrier.now_is("CA1", CallState.ENDED, EndReason.BUSY)
    await sweep.sweep()
    assert (await workspace.call(claim.call_id)).state == "dialing"


async def test_a_carrier_that_can_not_say_is_asked_again_later(workspace, sweep):
    claim = await workspace.dialed()
    await due(workspace, claim.attempt_id)
    workspace.carrier.fault = UNREACHABLE
    await sweep.sweep()
    attempt = await workspace.attempt(claim.attempt_id)
    assert attempt.state == "dialing"
    assert attempt.check_at > datetime.now(UTC)


async def test_a_callback_while_the_carrier_is_asked_changes_nothing_twice(workspace, sweep):
    claim = await workspace.dialed()
    other = await workspace.dialed()

    async def callback_comes():
        await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.NO_ANSWER)

    workspace.carrier.now_is("CA1", CallState.ENDED, EndReason.NO_ANSWER)
    workspace.carrier.before_look = callback_comes
    await due(workspace, claim.attempt_id)
    await sweep.sweep()
    assert (await workspace.pool()).used_outbound == 1
    assert (await workspace.call(other.call_id)).holds_line


# -- limits --------------------------------------------------------------------------------------------------


async def test_a_phone_that_rings_too_long_is_hung_up_as_not_answered(workspace, sweep):
    claim = await workspace.dialed(retry={"max_attempts": 2, "on": ["no_answer"], "delays_s": [60]})
    workspace.carrier.now_is("CA1", CallState.RINGING)
    await workspace.hears(claim.attempt_id, CallState.RINGING, at=ago(40))
    await due(workspace, claim.attempt_id)
    await sweep.sweep()
    assert workspace.carrier.hung_up == ["CA1"]
    (attempt,) = await workspace.attempts(claim.call_id)
    assert (attempt.state, attempt.end_reason) == ("ended", "no_answer")
    assert (await workspace.call(claim.call_id)).state == "queued"


async def test_a_call_answered_a_moment_ago_gets_time_for_its_audio(workspace, sweep):
    """Its answered callback is under way; we happened to ask first."""
    claim = await workspace.dialed()
    workspace.carrier.now_is("CA1", CallState.IN_PROGRESS)
    await due(workspace, claim.attempt_id, created_at=ago(25), ringing_at=ago(20))
    await sweep.sweep()
    assert workspace.carrier.hung_up == []
    attempt = await workspace.attempt(claim.attempt_id)
    assert attempt.state == "in_progress"
    assert attempt.check_at < datetime.now(UTC) + timedelta(seconds=12)


async def test_an_answered_call_without_audio_is_hung_up(workspace, sweep):
    claim = await workspace.dialed()
    workspace.carrier.now_is("CA1", CallState.IN_PROGRESS)
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS, at=ago(11))
    await due(workspace, claim.attempt_id)
    await sweep.sweep()
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.error["code"]) == ("ended", "failed", "no_media")
    assert workspace.carrier.hung_up == ["CA1"]


async def test_a_call_whose_audio_begins_while_the_carrier_is_asked_goes_on(workspace, sweep):
    claim = await workspace.dialed()
    workspace.carrier.now_is("CA1", CallState.IN_PROGRESS)
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS, at=ago(11))
    await due(workspace, claim.attempt_id)

    async def audio_begins():
        await workspace.set_attempt(claim.attempt_id, stream_opened_at=datetime.now(UTC))

    workspace.carrier.before_look = audio_begins
    await sweep.sweep()
    assert (await workspace.attempt(claim.attempt_id)).state == "in_progress"
    assert workspace.carrier.hung_up == []


async def test_a_hang_up_that_fails_is_tried_again_soon(workspace, sweep):
    claim = await workspace.dialed()
    workspace.carrier.now_is("CA1", CallState.IN_PROGRESS)
    await workspace.ask_hang_up(claim.call_id)
    await due(workspace, claim.attempt_id)

    async def then_fails():
        workspace.carrier.fault = UNREACHABLE

    workspace.carrier.before_look = then_fails
    await sweep.sweep()
    attempt = await workspace.attempt(claim.attempt_id)
    assert attempt.state == "in_progress"
    assert attempt.check_at < datetime.now(UTC) + timedelta(seconds=6)
    workspace.carrier.fault = workspace.carrier.before_look = None
    await due(workspace, claim.attempt_id)
    await sweep.sweep()
    assert (await workspace.call(claim.call_id)).end_reason == "completed"


async def test_a_call_we_are_ending_is_over_when_the_carrier_has_forgotten_it(workspace, sweep):
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await note_ending(workspace.engine, claim.attempt_id, Ending(end_reason=EndReason.COMPLETED))
    workspace.carrier.forget("CA1")
    await due(workspace, claim.attempt_id)
    await sweep.sweep()
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.holds_line) == ("ended", "completed", False)


async def test_a_forgotten_call_we_are_not_ending_is_left_to_its_limits(workspace, sweep):
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    workspace.carrier.forget("CA1")
    await due(workspace, claim.attempt_id)
    await sweep.sweep()
    assert (await workspace.call(claim.call_id)).state == "in_progress"


async def test_a_carrier_that_never_says_again_does_not_hold_a_line_forever(workspace, sweep):
    claim = await workspace.dialed()
    await due(workspace, claim.attempt_id, created_at=ago(680))
    workspace.carrier.fault = UNREACHABLE
    await sweep.sweep()
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.error["code"]) == ("ended", "failed", "outcome_unknown")


async def test_where_we_know_why_a_call_ended_that_stays_the_reason(workspace, sweep):
    claim = await workspace.dialed()
    await note_ending(workspace.engine, claim.attempt_id, Ending(end_reason=EndReason.COMPLETED))
    await due(workspace, claim.attempt_id, created_at=ago(680), stream_opened_at=ago(650), answered_at=ago(650))
    workspace.carrier.fault = UNREACHABLE
    await sweep.sweep()
    assert (await workspace.call(claim.call_id)).end_reason == "completed"


# -- hang-ups ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "reason"),
    [(CallState.DIALING, "canceled"), (CallState.RINGING, "canceled"), (CallState.IN_PROGRESS, "completed")],
)
async def test_a_hang_up_asked_for_is_done_at_once(workspace, database_url, state, reason):
    claim = await workspace.dialed()
    workspace.carrier.now_is("CA1", state)
    async with Notifications(database_url) as notifications:
        sweep = Sweep(workspace.engine, workspace.settings, notifications, workspace.open_carrier, owner="worker_sweep")
        running = asyncio.create_task(sweep.run())
        await until(lambda: connected(notifications))
        await workspace.ask_hang_up(claim.call_id)
        await workspace.tell("outdial_control", claim.call_id)

        async def ended():
            return (await workspace.call(claim.call_id)).state == "ended"

        await until(ended)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert (await workspace.call(claim.call_id)).end_reason == reason
    assert workspace.carrier.hung_up == ["CA1"]


async def connected(notifications):
    return notifications.connected


async def test_a_transferred_call_is_hung_up_at_once_too(workspace, sweep):
    """Its conversation is over, but it holds its line until the carrier ends it."""
    claim = await workspace.dialed()
    await workspace.set_attempt(claim.attempt_id, stream_opened_at=ago(5), owner=None)
    workspace.carrier.now_is("CA1", CallState.IN_PROGRESS)
    await workspace.ask_hang_up(claim.call_id)
    sweep._wanted.add(claim.call_id)
    await sweep._hurry()
    await sweep.sweep()
    assert (await workspace.call(claim.call_id)).state == "ended"


async def test_a_call_in_conversation_is_left_to_its_conversation(workspace, sweep):
    claim = await workspace.dialed()
    await workspace.set_attempt(claim.attempt_id, stream_opened_at=ago(5))
    await workspace.ask_hang_up(claim.call_id)
    sweep._wanted.add(claim.call_id)
    await sweep._hurry()
    await sweep.sweep()
    assert workspace.carrier.hung_up == []


# -- dials of unknown outcome --------------------------------------------------------------------------------


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
    due = await take_due(engines[0], put_off_s=workspace.settings.silent_after_s, at_most=200)
    looks = [each._look_ups.look_at(held) for each in sweeps for held in due]
    await asyncio.gather(*looks, *(each.sweep() for each in sweeps))
    for claim in claims:
        assert (await workspace.call(claim.call_id)).state == "queued"
        assert len(await workspace.events(claim.call_id, "state")) == 2
    assert (await workspace.pool()).used_outbound == 0
    for engine in engines:
        await engine.dispose()


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


# -- dead workers --------------------------------------------------------------------------------------------


async def lost_lease(workspace, owner, **columns):
    """A claim whose worker has not been heard of for longer than its lease."""
    await workspace.queue()
    (claim,) = await workspace.claim(owner=owner)
    await due(workspace, claim.attempt_id, lease_until=ago(60), created_at=ago(75), **columns)
    return claim


async def test_a_dead_workers_dial_is_asked_for_and_queued_again(workspace, sweep):
    claim = await lost_lease(workspace, OWNER)
    await sweep.sweep()
    attempt = await workspace.attempt(claim.attempt_id)
    assert (attempt.owner, attempt.state) == ("worker_sweep", "dialing")
    assert attempt.unknown_since > ago(10)  # the books may still be behind
    await due(workspace, claim.attempt_id, unknown_since=ago(31))
    await sweep.sweep()
    assert (await workspace.call(claim.call_id)).state == "queued"


async def test_a_dead_workers_dial_that_was_placed_is_found_and_not_repeated(workspace, sweep):
    claim = await lost_lease(workspace, OWNER)
    workspace.carrier.place("CA1", to=CALLEE, from_=CALLER)
    await sweep.sweep()
    await sweep.sweep()
    attempt = await workspace.attempt(claim.attempt_id)
    assert (attempt.carrier_call_id, attempt.state) == ("CA1", "dialing")
    assert await workspace.claim() == []


async def test_a_frozen_workers_dial_is_never_taken_over(workspace, sweep, database_url):
    """Its lease has expired long ago, but it holds its lock: it may wake up and dial."""
    async with Worker(workspace.engine, database_url) as frozen:
        claim = await lost_lease(workspace, frozen.id)
        for _ in range(3):
            await sweep.sweep()
            await due(workspace, claim.attempt_id)
        attempt = await workspace.attempt(claim.attempt_id)
        assert (attempt.owner, attempt.state, attempt.unknown_since) == (frozen.id, "dialing", None)
        await workspace.dial(claim)
    assert len(workspace.carrier.dialed) == 1
    assert (await workspace.attempt(claim.attempt_id)).carrier_call_id == "CA1"


async def test_a_workers_own_dial_that_takes_long_is_left_alone(workspace, database_url):
    async with Worker(workspace.engine, database_url) as worker:
        sweep = Sweep(
            workspace.engine, workspace.settings, Notifications(database_url), workspace.open_carrier, owner=worker.id
        )
        claim = await lost_lease(workspace, worker.id)
        await sweep.sweep()
        assert (await workspace.attempt(claim.attempt_id)).unknown_since is None


async def test_a_lease_that_still_runs_is_respected_even_when_the_worker_is_dead(workspace, sweep):
    await workspace.queue()
    (claim,) = await workspace.claim()
    await due(workspace, claim.attempt_id)
    await sweep.sweep()
    assert (await workspace.attempt(claim.attempt_id)).owner == OWNER


async def test_a_conversation_whose_worker_died_is_hung_up_and_says_so(workspace, sweep):
    claim = await workspace.dialed()
    workspace.carrier.now_is("CA1", CallState.IN_PROGRESS)
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await due(workspace, claim.attempt_id, lease_until=ago(60), stream_opened_at=ago(90))
    await sweep.sweep()
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.error["code"]) == ("ended", "failed", "interrupted")
    assert workspace.carrier.hung_up == ["CA1"]


async def test_a_ringing_call_outlives_the_worker_that_dialled_it(workspace, sweep):
    claim = await workspace.dialed()
    workspace.carrier.now_is("CA1", CallState.RINGING)
    await due(workspace, claim.attempt_id, lease_until=ago(60))
    await sweep.sweep()
    attempt = await workspace.attempt(claim.attempt_id)
    assert (attempt.state, attempt.owner, attempt.unknown_since) == ("ringing", "worker_sweep", None)


# -- the queue and the lines ---------------------------------------------------------------------------------


async def test_a_call_expires_while_no_line_is_free(make_workspace, database_url):
    workspace = await make_workspace(lines=1)
    await workspace.dialed()
    waiting = await workspace.queue(expires_at=ago(1))
    sweep = Sweep(workspace.engine, workspace.settings, Notifications(database_url), workspace.open_carrier, owner="w")
    await sweep.sweep()
    assert (await workspace.call(waiting)).end_reason == "expired"


@pytest.fixture
async def unpriced(workspace):
    """An answered call that has ended, at a carrier that tells prices late."""
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    return claim.attempt_id


async def test_a_price_is_asked_for_once_some_minutes_after_the_end(workspace, sweep, unpriced):
    due_at = (await workspace.attempt(unpriced)).price_due_at
    assert 170 < (due_at - datetime.now(UTC)).total_seconds() <= 180
    await sweep.sweep()
    assert (await workspace.attempt(unpriced)).price is None, "too early"
    [record] = workspace.carrier.books.values()
    workspace.carrier.books[record.call.id] = replace(record, price=Price(amount="0.0140", currency="USD"))
    await workspace.set_attempt(unpriced, price_due_at=ago(1))
    await sweep.sweep()
    attempt = await workspace.attempt(unpriced)
    assert (str(attempt.price), attempt.price_currency, attempt.price_due_at) == ("0.0140", "USD", None)


async def test_a_price_is_asked_for_where_the_callback_that_tells_it_was_lost(workspace, sweep):
    claim = await workspace.dialed()
    await workspace.set_attempt(claim.attempt_id, carrier="vonage")
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    [record] = workspace.carrier.books.values()
    workspace.carrier.books[record.call.id] = replace(record, price=Price(amount="0.0140", currency="EUR"))
    await workspace.set_attempt(claim.attempt_id, price_due_at=ago(1))
    await sweep.sweep()
    attempt = await workspace.attempt(claim.attempt_id)
    assert (str(attempt.price), attempt.price_currency, attempt.price_due_at) == ("0.0140", "EUR", None)


async def test_an_answered_call_that_nobody_told_of_has_the_length_its_carrier_says(workspace, sweep):
    claim = await workspace.dialed()
    [record] = workspace.carrier.books.values()
    ended = Progress(
        state=CallState.ENDED,
        at=datetime.now(UTC),
        carrier_call=record.call,
        end_reason=EndReason.COMPLETED,
        duration_s=12.0,
    )
    workspace.carrier.books[record.call.id] = replace(record, progress=ended)
    await workspace.set_attempt(claim.attempt_id, check_at=ago(1))
    await sweep.sweep()
    call = await workspace.call(claim.call_id)
    assert (call.ended_at - call.answered_at).total_seconds() == 12
    assert (await workspace.attempt(claim.attempt_id)).price_due_at is not None, "it has cost something"


async def test_a_carrier_that_knows_no_price_is_not_asked_again(workspace, sweep, unpriced):
    workspace.carrier.fault = UNREACHABLE
    await workspace.set_attempt(unpriced, price_due_at=ago(1))
    await sweep.sweep()
    attempt = await workspace.attempt(unpriced)
    assert (attempt.price, attempt.price_due_at) == (None, None)


async def test_a_call_nobody_answered_has_no_price_to_ask_for(workspace):
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.BUSY)
    assert (await workspace.attempt(claim.attempt_id)).price_due_at is None
