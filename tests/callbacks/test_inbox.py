import asyncio
from base64 import b64encode
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.exc import OperationalError

from callbacks.told import CALL_SID, CONTROL_ID, handle_all, inbox_of, receive, stored, telnyx_says
from outdial.accounts.refused_callbacks import refused_lately
from outdial.callbacks.inbox import Received
from outdial.calls.dial_outcome import defer
from outdial.calls.transfers import begin_transfer
from outdial.carriers.callbacks import TRANSFER_FAILED
from outdial.carriers.name import CarrierName
from outdial.db.storing import refuses
from outdial.db.tables import callbacks, pools, transfers
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.state import CallState, Ending, EndReason
from refusing_tables import refuse_rows
from workspace import until


async def test_a_callback_is_stored_before_it_is_acted_on(workspace, inbox, claim):
    assert await receive(inbox, claim.attempt_id) is Received.STORED
    assert (await workspace.call(claim.call_id)).state == "dialing"
    await handle_all(inbox)
    assert (await workspace.call(claim.call_id)).state == "ringing"
    assert (await workspace.attempt(claim.attempt_id)).carrier_call_id == CALL_SID


async def test_a_callback_is_kept_without_its_credentials(workspace, inbox, claim):
    await receive(inbox, claim.attempt_id, headers={"I-Twilio-Idempotency-Token": "abc"})
    (row,) = await stored(workspace)
    assert row.headers == {
        "content-type": "application/x-www-form-urlencoded",
        "i-twilio-idempotency-token": "abc",
    }
    assert row.body == f"CallSid={CALL_SID}&CallStatus=ringing"


async def test_a_forged_callback_is_not_stored(workspace, inbox, claim):
    assert await receive(inbox, claim.attempt_id, token="wrong") is Received.FORGED
    assert await stored(workspace) == []


async def test_forged_callbacks_are_counted(workspace, inbox, claim):
    for _ in range(2):
        await receive(inbox, claim.attempt_id, token="wrong")
    await receive(inbox, claim.attempt_id)
    await inbox._genuine.aclose()
    async with workspace.engine.connect() as conn:
        (counted,) = await refused_lately(conn, workspace.id)
    assert (counted["carrier"], counted["refused"]) == ("twilio", 2)


async def test_a_callback_of_an_unknown_attempt_is_refused(inbox):
    assert await receive(inbox, "att_unknown") is Received.UNKNOWN


async def test_a_callback_of_an_attempt_that_was_taken_back_is_refused_though_its_account_is_remembered(
    workspace, inbox, claim
):
    assert await receive(inbox, claim.attempt_id, CallStatus="initiated") is Received.STORED
    not_sent = CallError(code=FailureCode.CARRIER_UNREACHABLE, message="The carrier could not be reached.")
    await defer(workspace.engine, claim, not_sent, wait_s=0.0)
    assert await receive(inbox, claim.attempt_id, CallStatus="ringing") is Received.UNKNOWN
    assert await stored(workspace) == []


async def test_a_signed_callback_of_another_form_is_bad(inbox, claim):
    assert await receive(inbox, claim.attempt_id, CallSid="nonsense") is Received.BAD


async def test_a_repeated_callback_is_stored_once(workspace, inbox, claim):
    for _ in range(3):
        assert await receive(inbox, claim.attempt_id) is Received.STORED
    assert len(await stored(workspace)) == 1


async def test_callbacks_in_wrong_order_still_end_the_call_once(workspace, inbox, claim):
    for status in ("busy", "ringing", "initiated"):
        await receive(inbox, claim.attempt_id, CallStatus=status, CallDuration="0" if status == "busy" else "")
    await handle_all(inbox)
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason) == ("ended", "busy")
    assert len(await stored(workspace, handled=True)) == 3


async def test_a_callback_that_comes_after_its_call_was_erased_is_acted_on_and_not_kept(workspace, inbox, claim):
    await receive(inbox, claim.attempt_id, CallStatus="busy", CallDuration="0")
    await handle_all(inbox)
    await workspace.set_call(claim.call_id, erased_at=datetime.now(UTC))
    await receive(inbox, claim.attempt_id, CallStatus="ringing", CallDuration="")
    assert len(await stored(workspace)) == 2
    await handle_all(inbox)
    (kept,) = await stored(workspace)
    assert "CallStatus=busy" in kept.body


async def test_a_callback_without_meaning_is_kept_and_done_with(workspace, inbox, claim):
    await receive(inbox, claim.attempt_id, CallStatus="teleporting")
    await handle_all(inbox)
    assert (await workspace.call(claim.call_id)).state == "dialing"
    assert len(await stored(workspace, handled=True)) == 1


async def test_callbacks_of_an_earlier_process_are_worked_through(workspace, inbox, claim):
    await receive(inbox, claim.attempt_id)
    later = inbox_of(workspace)
    running = asyncio.create_task(later.run())

    async def rings():
        return (await workspace.call(claim.call_id)).state == "ringing"

    await until(rings)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_callback_handled_twice_changes_nothing_twice(workspace, inbox, claim):
    """A process died between acting on it and saying so; or two processes read it at once."""
    await receive(inbox, claim.attempt_id, CallStatus="no-answer")
    other = inbox_of(workspace)
    await asyncio.gather(inbox._handle_left(), other._handle_left())
    async with workspace.engine.begin() as conn:
        await conn.execute(update(callbacks).values(handled_at=None))
    await handle_all(inbox)
    assert (await workspace.call(claim.call_id)).end_reason == "no_answer"
    assert (await workspace.pool()).used_outbound == 0
    assert len(await workspace.events(claim.call_id, "state")) == 2


async def test_one_bad_callback_does_not_hold_up_the_others(workspace, inbox, claim, caplog):
    """Its carrier call is another attempt's; it would fail as often as it is tried."""
    other = await workspace.dialed()
    await workspace.set_attempt(other.attempt_id, carrier_call_id=CALL_SID)
    await receive(inbox, claim.attempt_id)
    await receive(inbox, other.attempt_id, CallStatus="in-progress")
    await handle_all(inbox)
    assert (await workspace.call(other.call_id)).state == "in_progress"
    assert (await workspace.call(claim.call_id)).state == "dialing"
    assert await stored(workspace, handled=False) == []
    assert "Callback not handled" in caplog.messages


async def test_trouble_with_the_database_is_waited_out(workspace, inbox, claim, caplog):
    await receive(inbox, claim.attempt_id)
    async with workspace.engine.begin() as conn:
        await conn.execute(
            text(
                "CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN RAISE EXCEPTION 'out of order' USING ERRCODE = '57P03'; END $$"
            )
        )
        await conn.execute(text("CREATE TRIGGER fail BEFORE UPDATE ON attempts EXECUTE FUNCTION fail()"))
    running = asyncio.create_task(inbox.run())

    async def failed():
        return "Callbacks not handled; trying again" in caplog.messages

    await until(failed)
    assert len(await stored(workspace, handled=False)) == 1
    async with workspace.engine.begin() as conn:
        await conn.execute(text("DROP TRIGGER fail ON attempts"))

    async def rings():
        return (await workspace.call(claim.call_id)).state == "ringing"

    await until(rings)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_flood_of_callbacks_is_worked_through(workspace, inbox, claim):
    rows = [
        {
            "attempt_id": claim.attempt_id,
            "kind": "status",
            "dedupe_key": f"status:{number}",
            "body": f"CallSid={CALL_SID}&CallStatus=ringing",
        }
        for number in range(250)
    ]
    async with workspace.engine.begin() as conn:
        await conn.execute(insert(callbacks), rows)
    await handle_all(inbox)
    async with workspace.engine.connect() as conn:
        assert await conn.scalar(select(func.count()).where(callbacks.c.handled_at.is_(None))) == 0
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.BUSY)


# -- what only some carriers tell

async def test_a_replay_after_five_minutes_is_refused(workspace, telnyx_inbox, claim):
    said = {"event_type": "call.hangup", "call_control_id": CONTROL_ID}
    assert await telnyx_says(telnyx_inbox, claim.attempt_id, **said, age_s=299) is Received.STORED
    assert await telnyx_says(telnyx_inbox, claim.attempt_id, **said, age_s=301) is Received.FORGED


async def test_what_it_takes_to_find_a_call_again_is_kept(workspace, telnyx_inbox, claim):
    leg = {"call_control_id": CONTROL_ID, "call_leg_id": "leg-1"}
    await telnyx_says(telnyx_inbox, claim.attempt_id, "call.initiated", **leg)
    await handle_all(telnyx_inbox)
    assert (await workspace.attempt(claim.attempt_id)).carrier_refs == {"call_leg_id": "leg-1"}


async def test_a_callback_of_another_call_at_this_url_changes_nothing(workspace, telnyx_inbox, claim):
    for event_type in ("call.hangup", "call.machine.detection.ended", "call.cost"):
        other = {"call_control_id": "v3:other", "result": "machine", "total_cost": "9.99"}
        await telnyx_says(telnyx_inbox, claim.attempt_id, event_type, **other)
    await handle_all(telnyx_inbox)
    call, attempt = await workspace.call(claim.call_id), await workspace.attempt(claim.attempt_id)
    assert (call.state, call.answered_by) == ("dialing", None)
    assert (attempt.carrier_call_id, attempt.price) == (CONTROL_ID, None)


async def test_the_failed_transfer_of_another_call_hangs_nobody_up(workspace, telnyx_inbox, claim):
    state = b64encode(b"transfer:v3:other").decode()
    other_leg = {"call_control_id": "v3:leg", "client_state": state, "hangup_cause": "user_busy"}
    await telnyx_says(telnyx_inbox, claim.attempt_id, "call.hangup", **other_leg)
    await handle_all(telnyx_inbox)
    assert (await workspace.attempt(claim.attempt_id)).ending is None
    assert workspace.carrier.said == []


async def test_a_price_that_comes_after_the_end_is_recorded(workspace, telnyx_inbox, claim):
    await telnyx_says(
        telnyx_inbox, claim.attempt_id, "call.hangup", call_control_id=CONTROL_ID, hangup_cause="user_busy"
    )
    await telnyx_says(telnyx_inbox, claim.attempt_id, "call.cost", call_control_id=CONTROL_ID, total_cost="0.0070")
    await handle_all(telnyx_inbox)
    attempt = await workspace.attempt(claim.attempt_id)
    assert (str(attempt.price), attempt.price_currency, attempt.end_reason) == ("0.0070", "USD", "busy")


async def test_who_is_left_alone_by_a_transfer_hears_a_sentence(workspace, telnyx_inbox, claim):
    state = b64encode(f"transfer:{CONTROL_ID}".encode()).decode()
    other_leg = {"call_control_id": "v3:other", "client_state": state, "hangup_cause": "user_busy"}
    await telnyx_says(telnyx_inbox, claim.attempt_id, "call.hangup", **other_leg)
    await handle_all(telnyx_inbox)
    attempt = await workspace.attempt(claim.attempt_id)
    ending = Ending.from_json(attempt.ending)  # for the sweep
    assert (ending.end_reason, ending.not_before) == (EndReason.COMPLETED, attempt.check_at)
    assert 10 < (attempt.check_at - datetime.now(UTC)).total_seconds() < 30

    async def said():
        return workspace.carrier.said == [(CONTROL_ID, TRANSFER_FAILED)]

    await until(said)


# -- what is answered to the end of a transfer --------------------------------------------------------------------

NO_ANSWER = urlencode({"CallSid": CALL_SID, "DialCallStatus": "no-answer"}).encode()


async def begin(workspace, claim, **columns):
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await begin_transfer(workspace.engine, claim.attempt_id, claim.call_id, "+15551230009", failed_step="sorry")
    await workspace.set_transfers(**{"failed_step": "sorry"} | columns)


async def answered(inbox, claim, body=NO_ANSWER, kind="transfer"):
    reply = await inbox.reply(CarrierName("twilio"), claim.attempt_id, kind, body)
    return reply and reply.body


async def test_where_the_agent_goes_on_the_carrier_is_told_to_bring_the_call_back(workspace, inbox, claim):
    await begin(workspace, claim)
    twiml = await answered(inbox, claim)
    assert f'<Stream url="wss://voice.example/media/twilio/{claim.attempt_id}/' in twiml
    assert TRANSFER_FAILED not in twiml


async def test_a_callback_whose_answer_nobody_reads_uses_no_token_up(workspace, inbox, claim):
    await begin(workspace, claim)
    await answered(inbox, claim)
    before = await token_hash(workspace)
    leg = urlencode({"CallSid": "CA" + "1" * 32, "ParentCallSid": CALL_SID, "CallStatus": "busy"}).encode()
    assert await answered(inbox, claim, leg, "transfer_leg") is None
    assert await token_hash(workspace) == before


async def token_hash(workspace):
    async with workspace.engine.connect() as conn:
        return await conn.scalar(select(transfers.c.return_token_hash))


@pytest.mark.parametrize("columns", [{"failed_step": None}, {"returned_at": datetime(2026, 1, 1, tzinfo=UTC)}])
async def test_else_the_callee_hears_a_sentence(workspace, inbox, claim, columns):
    await begin(workspace, claim, **columns)
    assert TRANSFER_FAILED in await answered(inbox, claim)


async def test_also_when_the_database_is_away(workspace, inbox, claim, monkeypatch, caplog):
    async def away(*_: object) -> None:
        raise OSError("no database")

    monkeypatch.setattr("outdial.callbacks.inbox.way_back", away)
    assert TRANSFER_FAILED in await answered(inbox, claim)
    assert "Return to agent not prepared" in caplog.messages


async def test_who_was_answered_is_not_brought_back(workspace, inbox, claim):
    await begin(workspace, claim)
    body = urlencode({"CallSid": CALL_SID, "DialCallStatus": "completed"}).encode()
    assert await answered(inbox, claim, body) == "<Response><Hangup /></Response>"


async def test_where_nobody_reads_an_answer_the_carrier_is_asked_to_bring_the_call_back(
    workspace, telnyx_inbox, claim
):
    await begin(workspace, claim)
    state = b64encode(f"transfer:{CONTROL_ID}".encode()).decode()
    other_leg = {"call_control_id": "v3:other", "client_state": state, "hangup_cause": "user_busy"}
    await telnyx_says(telnyx_inbox, claim.attempt_id, "call.hangup", **other_leg)
    await handle_all(telnyx_inbox)

    async def resumed():
        return [call_id for call_id, _ in workspace.carrier.resumed] == [CONTROL_ID]

    await until(resumed)
    [record] = await workspace.transfers(claim.call_id)
    assert (record.result, workspace.carrier.said) == ("busy", [])
    assert (await workspace.attempt(claim.attempt_id)).ending is None


async def test_a_callback_that_ends_a_call_waits_for_its_pool_and_keeps_no_other_waiting(
    workspace, inbox, claim
):
    """Somebody has the row of the pool for long."""
    await receive(inbox, claim.attempt_id, CallStatus="busy")
    async with workspace.engine.begin() as conn:
        await conn.execute(select(pools).with_for_update())
        async with asyncio.timeout(5):
            await handle_all(inbox)
        assert (await workspace.call(claim.call_id)).state == "dialing"
        assert len(await stored(workspace, handled=False)) == 1
    await handle_all(inbox)
    assert (await workspace.call(claim.call_id)).state == "ended"


async def test_a_callback_that_could_not_be_stored_makes_the_process_unready(workspace, inbox, claim):
    await refuse_rows(workspace.engine, callbacks)
    with pytest.raises(OperationalError):
        await receive(inbox, claim.attempt_id)
    assert refuses(workspace.engine)
