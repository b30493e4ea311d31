import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from dispatch.silence import ago
from outdial.calls.dial_outcome import MAX_DEFERRALS
from outdial.calls.records import DetectionWanted
from outdial.carriers.calls import Detection, PlaceCall
from outdial.carriers.errors import (
    CarrierRefused,
    CarrierThrottled,
    CarrierUncertain,
    CarrierUnreachable,
)
from outdial.db.notify import Notifications
from outdial.dispatch.departing import Departures
from outdial.dispatch.dialing import detection_for, dial
from outdial.telephony.failures import FailureCode
from outdial.telephony.state import CallState, EndReason
from workspace import CALLEE, CALLER, Agents, logged, until

UNREACHABLE = CarrierUnreachable(FailureCode.CARRIER_UNREACHABLE, "The carrier could not be reached.")
UNCERTAIN = CarrierUncertain(FailureCode.CARRIER_NO_REPLY, "The carrier did not answer.")
PAST = datetime(2026, 1, 1, 12, tzinfo=UTC)


async def claimed(workspace, **columns):
    await workspace.queue(**columns)
    (claim,) = await workspace.claim()
    return claim


# -- what the carrier is asked -------------------------------------------------------------------------------


async def test_the_carrier_is_told_our_attempt_and_no_credential(workspace):
    claim = await claimed(workspace, detection={"on_machine": None, "max_wait_s": 9})
    departures = Departures(workspace.engine)
    await dial(
        workspace.engine, workspace.settings, workspace.carrier, claim, Detection.FAST, departures=departures
    )
    assert workspace.carrier.dialed == [
        PlaceCall(
            ref=claim.attempt_id,
            to=CALLEE,
            from_=CALLER,
            callback_url=f"https://voice.example/callbacks/twilio/{claim.attempt_id}",
            stream_url=f"wss://voice.example/media/twilio/{claim.attempt_id}/{claim.stream_token}",
            ring_timeout_s=30,
            max_duration_s=600,
            detection=Detection.FAST,
            detection_timeout_s=9,
        )
    ]


@pytest.mark.parametrize(
    ("requested", "detection"),
    [
        (None, Detection.OFF),
        ({"on_machine": None}, Detection.FAST),
        ({"on_machine": "continue"}, Detection.FAST),
        ({"on_machine": "leave_message"}, Detection.MESSAGE_END),
        ({"on_machine": "leave_message", "by": "both"}, Detection.MESSAGE_END),
        ({"on_machine": "leave_message", "by": "local"}, Detection.OFF),
    ],
)
async def test_the_carrier_looks_for_what_is_to_be_done_with_a_machine(requested, detection):
    wanted = None if requested is None else DetectionWanted.from_json(requested)
    assert detection_for(wanted, await Agents().agent("agent_1", 1)) is detection


async def test_the_agents_own_wish_counts_when_the_request_says_nothing():
    agent = replace(await Agents().agent("agent_1", 1), machine_action="leave_message")
    assert detection_for(DetectionWanted(), agent) is Detection.MESSAGE_END


# -- what its reply means ------------------------------------------------------------------------------------


async def test_an_accepted_dial_is_on_record(workspace):
    claim = await workspace.dialed()
    attempt = await workspace.attempt(claim.attempt_id)
    assert (attempt.carrier_call_id, attempt.state) == ("CA1", "dialing")
    assert attempt.accepted_at is not None
    assert attempt.check_at > datetime.now(UTC) + timedelta(seconds=10)


async def test_callbacks_may_overtake_the_reply(workspace):
    async def rings_and_ends(request, carrier_call_id):
        await workspace.hears(request.ref, CallState.RINGING, carrier_call_id=carrier_call_id)
        await workspace.hears(request.ref, CallState.ENDED, EndReason.BUSY, carrier_call_id=carrier_call_id)

    workspace.carrier.before_reply = rings_and_ends
    claim = await workspace.dialed()
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.holds_line) == ("ended", "busy", False)
    assert (await workspace.attempt(claim.attempt_id)).carrier_call_id == "CA1"


async def test_a_refused_call_fails_with_our_word_and_the_carriers_code(workspace, caplog):
    caplog.set_level("INFO", "outdial.dispatch.dialing")
    refusal = CarrierRefused(FailureCode.NUMBER_INVALID, "The number is not valid.", carrier_code="21211")
    workspace.carrier.refuses_next.append(refusal)
    claim = await workspace.dialed()
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason) == ("ended", "failed")
    assert call.error == {
        "code": "number_invalid",
        "message": "The number is not valid.",
        "carrier_code": "21211",
    }
    assert (caplog.records[-1].code, caplog.records[-1].carrier_code) == ("number_invalid", "21211")
    assert (await workspace.pool()).used_outbound == 0


async def test_a_refusal_may_be_retried_by_policy(workspace):
    workspace.carrier.refuses_next.append(CarrierRefused(FailureCode.NO_ROUTE, "No route.", carrier_code="13224"))
    claim = await workspace.dialed(retry={"max_attempts": 2, "on": ["failed"], "delays_s": [60]})
    assert (await workspace.call(claim.call_id)).state == "queued"


async def test_a_dial_that_never_left_is_taken_back_and_counts_as_no_attempt(workspace):
    workspace.carrier.refuses_next.append(UNREACHABLE)
    claim = await workspace.dialed()
    call = await workspace.call(claim.call_id)
    assert (call.state, call.holds_line, call.deferrals) == ("queued", False, 1)
    assert await workspace.attempts(claim.call_id) == []
    assert (await workspace.pool()).used_outbound == 0
    await workspace.set_call(claim.call_id, due_at=PAST)
    (again,) = await workspace.claim()
    assert again.attempt_number == 1
    await workspace.dial(again)
    assert (await workspace.call(claim.call_id)).deferrals == 0


async def test_a_throttled_dial_waits_as_long_as_the_carrier_says(workspace):
    workspace.carrier.refuses_next.append(CarrierThrottled(FailureCode.THROTTLED, "Too many calls.", retry_after_s=7.5))
    claim = await workspace.dialed()
    wait = (await workspace.call(claim.call_id)).due_at - datetime.now(UTC)
    assert timedelta(seconds=7) < wait <= timedelta(seconds=7.5)


async def test_a_carrier_that_puts_calls_off_all_day_is_not_taken_for_away(workspace):
    claim = await claimed(workspace)
    await workspace.set_call(claim.call_id, deferrals=MAX_DEFERRALS, throttled_since=datetime.now(UTC))
    workspace.carrier.refuses_next.append(CarrierThrottled(FailureCode.THROTTLED, "Too many calls."))
    await workspace.dial(claim)
    assert (await workspace.call(claim.call_id)).state == "queued"


async def test_an_unreachable_carrier_may_say_when_to_come_back(workspace):
    claim = await claimed(workspace)
    later = CarrierUnreachable(FailureCode.CARRIER_UNREACHABLE, "It is away.", retry_after_s=45.0)
    workspace.carrier.refuses_next.append(later)
    await workspace.dial(claim)
    wait = (await workspace.call(claim.call_id)).due_at - datetime.now(UTC)
    assert timedelta(seconds=44) < wait <= timedelta(seconds=45)


async def test_the_wait_for_an_unreachable_carrier_grows(workspace):
    claim = await claimed(workspace)
    await workspace.set_call(claim.call_id, deferrals=4)
    workspace.carrier.refuses_next.append(UNREACHABLE)
    await workspace.dial(claim)
    wait = (await workspace.call(claim.call_id)).due_at - datetime.now(UTC)
    assert timedelta(seconds=15) < wait <= timedelta(seconds=16)


async def test_a_carrier_that_stays_away_fails_the_call_at_last(workspace):
    claim = await claimed(workspace)
    await workspace.set_call(claim.call_id, deferrals=MAX_DEFERRALS)
    workspace.carrier.refuses_next.append(UNREACHABLE)
    await workspace.dial(claim)
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.error["code"]) == ("ended", "failed", "carrier_unreachable")


async def test_a_hang_up_asked_for_while_nothing_could_be_sent_ends_the_call(workspace):
    """Else it would be dialled again, only to be hung up on."""
    claim = await claimed(workspace)
    await workspace.ask_hang_up(claim.call_id)
    workspace.carrier.refuses_next.append(UNREACHABLE)
    await workspace.dial(claim)
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.holds_line) == ("ended", "canceled", False)


@pytest.mark.parametrize("failure", [UNCERTAIN, RuntimeError("a bug in the adapter")])
async def test_a_dial_without_a_reply_keeps_its_line_and_is_not_redialled(workspace, failure):
    claim = await claimed(workspace)
    workspace.carrier.refuses_next.append(failure)
    await workspace.dial(claim)
    attempt = await workspace.attempt(claim.attempt_id)
    assert (attempt.state, attempt.carrier_call_id) == ("dialing", None)
    assert attempt.unknown_since is not None
    assert (await workspace.call(claim.call_id)).holds_line
    assert await workspace.claim() == []
    assert await workspace.events(claim.call_id, "unknown") == [{"attempt": 1}]


async def test_a_callback_before_the_missing_reply_leaves_nothing_unknown(workspace):
    async def rings(request, carrier_call_id):
        await workspace.hears(request.ref, CallState.RINGING, carrier_call_id=carrier_call_id)

    workspace.carrier.before_reply = rings
    workspace.carrier.loses_replies = True
    claim = await workspace.dialed()
    assert (await workspace.attempt(claim.attempt_id)).unknown_since is None


async def test_a_callback_after_the_missing_reply_clears_the_doubt(workspace):
    workspace.carrier.loses_replies = True
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.RINGING, carrier_call_id="CA1")
    attempt = await workspace.attempt(claim.attempt_id)
    assert (attempt.state, attempt.unknown_since) == ("ringing", None)


# -- late and doubled ----------------------------------------------------------------------------------------


async def test_a_worker_that_was_frozen_does_not_dial_what_others_may_have_taken_over(workspace):
    claim = await claimed(workspace)
    await workspace.set_attempt(claim.attempt_id, lease_until=ago(0.1))
    await workspace.dial(claim)
    assert workspace.carrier.dialed == []
    assert (await workspace.call(claim.call_id)).state == "queued"


async def test_a_deferral_that_comes_too_late_takes_nothing_from_the_next_attempt(workspace):
    """We were slow; a sweep took the dial for never placed, and the call is on its second attempt."""
    claim = await claimed(workspace, retry={"max_attempts": 3, "on": ["failed"], "delays_s": [1]})
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.FAILED)
    await workspace.set_call(claim.call_id, due_at=PAST)
    (second,) = await workspace.claim()
    workspace.carrier.refuses_next.append(UNREACHABLE)
    await workspace.dial(claim)
    call = await workspace.call(claim.call_id)
    assert (call.state, call.holds_line) == ("dialing", True)
    assert (await workspace.pool()).used_outbound == 1
    assert [attempt.id for attempt in await workspace.attempts(claim.call_id)] == [claim.attempt_id, second.attempt_id]


async def test_a_hang_up_asked_for_while_the_dial_was_under_way_is_passed_on(workspace, database_url):
    told = asyncio.Queue()
    async with Notifications(database_url) as notifications:
        notifications.subscribe("outdial_control", told.put_nowait)
        assert await told.get() == ""
        claim = await claimed(workspace)
        await workspace.ask_hang_up(claim.call_id)
        await workspace.dial(claim)
        async with asyncio.timeout(30):
            assert await told.get() == claim.call_id


async def test_a_hang_up_asked_for_before_a_callback_brought_the_id_is_passed_on(workspace, database_url):
    told = asyncio.Queue()
    workspace.carrier.loses_replies = True
    async with Notifications(database_url) as notifications:
        notifications.subscribe("outdial_control", told.put_nowait)
        assert await told.get() == ""
        claim = await workspace.dialed()
        await workspace.ask_hang_up(claim.call_id)
        await workspace.hears(claim.attempt_id, CallState.RINGING, carrier_call_id="CA1")
        async with asyncio.timeout(30):
            assert await told.get() == claim.call_id


async def test_what_the_carrier_said_is_written_down_however_often_the_database_refuses(workspace, caplog):
    """Only this process knows the carrier's id of the call."""
    claim = await claimed(workspace)

    async def database_fails(request, carrier_call_id):
        async with workspace.engine.begin() as conn:
            await conn.execute(
                text(
                    "CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS"
                    " $$ BEGIN RAISE EXCEPTION 'out of order' USING ERRCODE = '57P03'; END $$"
                )
            )
            await conn.execute(text("CREATE TRIGGER fail BEFORE UPDATE ON attempts EXECUTE FUNCTION fail()"))

    workspace.carrier.before_reply = database_fails
    dialling = asyncio.create_task(workspace.dial(claim))
    await until(lambda: logged(caplog, "Dial outcome not written; trying again"))
    async with workspace.engine.begin() as conn:
        await conn.execute(text("DROP TRIGGER fail ON attempts"))
    await dialling
    assert (await workspace.attempt(claim.attempt_id)).carrier_call_id == "CA1"
    assert len(workspace.carrier.dialed) == 1


# -- the dispatcher ------------------------------------------------------------------------------------------
