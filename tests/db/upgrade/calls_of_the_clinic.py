"""The clinic's calls: every state, end reason, verdict and kind of error that 0.1.0 knows, and what goes with them."""

from datetime import timedelta
from typing import Any

import carriers_words as words
from carriers_words import Dialled
from office import OVER, Office
from sqlalchemy import insert

from outdial.calls.failures import CallError, FailureCode
from outdial.calls.intake import request_hang_up
from outdial.calls.reconcile import NEVER_PLACED, OUTCOME_UNKNOWN
from outdial.calls.state import AnsweredBy, CallState, EndReason, Progress, Verdict
from outdial.calls.transitions import announce_ending, apply_event, locked, queue_again, record_price
from outdial.carriers.base import (
    CarrierRefused,
    CarrierThrottled,
    CarrierUncertain,
    CarrierUnreachable,
    Price,
)
from outdial.conversation.session_end import AGENT_FAILED, AUDIO_LOST, SPEECH_FAILED, SessionEnd
from outdial.db.tables import attempts, call_commands, calls

NEVER = "2100-01-01T00:00:00Z"  # not reached while the tests are of use
HELLO, BYE = "Hello Jane, does tomorrow still work for you?", "Thank you, Jane and goodbye."
UNREACHABLE = CarrierUnreachable(FailureCode.CARRIER_UNREACHABLE, "Twilio can't be reached.")
TRANSFERRED = SessionEnd(end_reason=EndReason.COMPLETED, still_up=False, transferred=True)
NO_REPLY = CarrierUncertain(FailureCode.CARRIER_NO_REPLY, "Twilio did not reply.")


async def every_call(office: Office, clinic: Any) -> Dialled:
    """A call of which more will be told is the result."""
    await conversations(office, clinic)
    await machines(office, clinic)
    await nobody_answered(office, clinic)
    await failures(office, clinic)
    await several_attempts(office, clinic)
    await callers(office, clinic)
    rings = await under_way(office, clinic)
    await of_unknown_outcome(office, clinic)
    await waiting(office, clinic)
    return rings


async def conversations(office: Office, clinic: Any) -> None:
    ws, front = clinic.id, clinic.numbers["front"]
    jane = {"user_name": "Jane", "day": "tomorrow", "visits": [{"at": "2026-03-02", "paid": True}], "emoji": "☎"}
    first = await office.completed(
        front, ws, HELLO, "Yes it does", BYE, key="order-1", variables={"appointment_confirmed": True},
    )  # fmt: skip
    await record_price(office.engine, first.attempt_id, Price(amount="0.01400", currency="USD"))
    confirmed = await office.completed(
        front, ws, HELLO, "Yes", BYE, variables={"appointment_confirmed": True, "outcome": "confirmed"}, amd=True,
    )  # fmt: skip
    await office.judge(confirmed, "human")
    with_all = await office.dialled(
        ws, front, variables=jane, metadata={"order": 17, "nested": {"a": [1, None, "x"]}}, amd={"max_wait_s": 45},
        ring_timeout_s=45, max_duration_s=600, expires_at=NEVER,
    )  # fmt: skip
    await office.answer(with_all)
    await office.judge(with_all, "human")
    sorry = "I'm sorry. We won't call you again. Goodbye."
    await office.talk(with_all, "Hello Jane, does to-", "Stop calling me", sorry)
    await office.hang_up_first(with_all, OVER, {"do_not_call": True, "outcome": "do_not_call"})
    await office.end(with_all, "completed")

    keys = await office.dialled(ws, clinic.numbers["surveys"], metadata={})
    await office.answer(keys)
    await office.talk(keys, "How was it?", "(1)", "Thank you.")
    done: dict[str, Any] = {"done": {}}
    refused = {"refused": {"code": "transfer_failed", "message": "The carrier refused."}}
    sent = {"user_name": "Jane", "paid": None}
    async with office.engine.begin() as conn:
        for kind, data, result in (
            ("say", {"text": "One moment, please.", "interrupt": True}, done),
            ("digits", {"digits": "1w2#"}, done),
            ("variables", {"values": sent}, done),
            ("transfer", {"to": "+12025550199"}, refused),
        ):
            command = {"call_id": keys.call_id, "kind": kind, "data": data, "created_at": office.clock.now}
            command |= {"taken_at": office.clock.now, "result": result}
            await conn.execute(insert(call_commands).values(command))
    await office.hang_up_first(keys, OVER, sent)
    await office.end(keys, "completed")

    transferred = await office.dialled(ws, clinic.numbers["recalls"])
    await office.answer(transferred)
    await office.talk(transferred, HELLO, "Give me a person")
    await office.hang_up_first(transferred, TRANSFERRED)
    await office.end(transferred, "completed")
    await office.hear(transferred, words.cost(transferred, office.clock.now))

    hung_up = await office.dialled(ws, front)
    await office.answer(hung_up)
    await office.talk(hung_up, HELLO, "Hm")
    await request_hang_up(office.engine, ws, hung_up.call_id)
    await office.hang_up_first(hung_up, OVER, recorded=False)
    await office.end(hung_up, "completed")
    await office.completed(clinic.numbers["simulated"], ws, HELLO, "Yes", BYE)


async def machines(office: Office, clinic: Any) -> None:
    ws, numbers = clinic.id, clinic.numbers
    machine = SessionEnd(end_reason=EndReason.MACHINE, still_up=False)
    hung_up = await office.dialled(ws, numbers["front"], amd=True)
    await office.answer(hung_up)
    await office.judge(hung_up, "machine_start")
    await office.talk(hung_up)
    await office.hang_up_first(hung_up, machine)
    await office.end(hung_up, "completed")

    left = SessionEnd(end_reason=EndReason.COMPLETED, still_up=False, message_delivered=True)
    message = {"on_machine": "leave_message", "message": "Hello {user_name|there}, please call back.", "max_wait_s": 59}
    for name, heard in (
        ("front", ("machine_end_beep",)), ("surveys", ("machine", "beep_start")), ("recalls", ("machine", "ended")),
    ):  # fmt: skip
        dialled = await office.dialled(ws, numbers[name], amd=message)
        await office.answer(dialled)
        for word in heard:
            await office.judge(dialled, word)
        await office.talk(dialled, "Hello there, please call back.")
        await office.hang_up_first(dialled, left)
        await office.end(dialled, "completed")

    cut_off = await office.dialled(ws, numbers["recalls"], amd={"on_machine": "leave_message"})
    await office.answer(cut_off)
    await office.judge(cut_off, "machine")
    await office.talk(cut_off, "Hello th-")
    await office.hang_up_first(
        cut_off, SessionEnd(end_reason=EndReason.COMPLETED, still_up=False, message_delivered=False)
    )
    await office.end(cut_off, "completed")

    fax = await office.dialled(ws, numbers["recalls"], amd=True)
    await office.answer(fax)
    await office.judge(fax, "fax_detected")
    await office.talk(fax)
    await office.hang_up_first(fax, machine)
    await office.end(fax, "completed")

    silence = await office.dialled(ws, numbers["recalls"], amd={"on_machine": "continue"})
    await office.answer(silence)
    await office.judge(silence, "silence")
    await office.talk(silence, HELLO, "", BYE)
    await office.hang_up_first(silence, OVER)
    await office.end(silence, "completed")

    unsure = await office.dialled(ws, numbers["surveys 2"], amd={"on_machine": "continue", "max_wait_s": 3})
    await office.answer(unsure)
    await office.talk(unsure, HELLO, "", BYE)
    late = Verdict(answered_by=AnsweredBy.UNKNOWN, at=office.clock.now, evidence=("deadline",))
    await apply_event(office.engine, unsure.attempt_id, late)
    await office.hang_up_first(unsure, OVER)
    await office.end(unsure, "completed")
    told = Verdict(
        answered_by=AnsweredBy.HUMAN, at=office.clock.now, evidence=("vonage:human",), confidence=0.93, detection_ms=900
    )
    await apply_event(office.engine, unsure.attempt_id, told)


async def nobody_answered(office: Office, clinic: Any) -> None:
    ws, numbers = clinic.id, clinic.numbers
    for name in ("front", "surveys", "recalls"):
        for how in ("busy", "no_answer", "declined"):
            dialled = await office.dialled(ws, numbers[name])
            await office.ring(dialled)
            await office.end(dialled, how)
    ringing = await office.dialled(ws, numbers["front"])
    await office.ring(ringing)
    await request_hang_up(office.engine, ws, ringing.call_id)
    await announce_ending(office.engine, ringing.attempt_id, EndReason.CANCELED)
    await office.end(ringing, "canceled")
    waiting = await office.ask(ws, numbers["front"], not_before=NEVER)
    await request_hang_up(office.engine, ws, waiting)
    too_late = (office.clock.now + timedelta(seconds=30)).isoformat()
    await office.ask(ws, numbers["front"], expires_at=too_late)
    office.clock.pass_time(60)
    try:
        await office.claim(ws)
    except ValueError:
        return  # none: it had expired
    raise AssertionError("dialled too late")


async def failures(office: Office, clinic: Any) -> None:
    ws, numbers = clinic.id, clinic.numbers
    front = numbers["front"]
    refused = CarrierRefused(FailureCode.NUMBER_INVALID, "Twilio: this is not a phone number.", carrier_code="21211")
    await office.refused(ws, front, refused)
    no_funds = CarrierRefused(FailureCode.NO_FUNDS, "The Telnyx account is out of money.", carrier_code="20100")
    await office.refused(ws, numbers["recalls"], no_funds)
    for name, how in (
        ("front", "not_in_service"), ("surveys", "unreachable"), ("surveys", "not_allowed"), ("recalls", "refused"),
    ):  # fmt: skip
        dialled = await office.dialled(ws, numbers[name])
        await office.end(dialled, how)

    silent = await office.dialled(ws, front)
    await office.answer(silent)
    await office.end(silent, "completed")  # no audio ever came: no_media
    internal = CallError(code=FailureCode.INTERNAL_ERROR, message="Outdial had to end this call.")
    for error in (AUDIO_LOST, AGENT_FAILED, SPEECH_FAILED, internal):
        broken = await office.dialled(ws, front)
        await office.answer(broken)
        await office.talk(broken, HELLO)
        await office.hang_up_first(broken, SessionEnd(end_reason=EndReason.FAILED, error=error, still_up=False))
        await office.end(broken, "completed")
    dead = await office.dialled(ws, front)
    await office.answer(dead)
    await office.talk(dead, HELLO, owner="worker_of_a_process_that_died")
    await office.end(dead, "completed")  # interrupted

    never_told = await office.dialled(ws, numbers["surveys"])
    unknown = Progress(
        state=CallState.ENDED, at=office.clock.now, end_reason=EndReason.FAILED, error=OUTCOME_UNKNOWN
    )
    await apply_event(office.engine, never_told.attempt_id, unknown)
    claim = await office.refused(ws, front, UNREACHABLE)
    for _ in range(10):  # deferred as often as it may be
        office.clock.pass_time(60)
        claim = await office.claim(ws)
        await office.fail_dial(claim, UNREACHABLE)


async def several_attempts(office: Office, clinic: Any) -> None:
    ws, front = clinic.id, clinic.numbers["front"]
    retry = {"max_attempts": 4, "on": ["busy", "no_answer", "failed", "machine"], "delays_s": [60, 120]}
    dialled = await office.dialled(ws, front, retry=retry, amd=True, variables={"user_name": "Jane"})
    await office.ring(dialled)
    await office.end(dialled, "busy")
    office.clock.pass_time(60)
    dialled = await office.again(ws)
    await office.answer(dialled)
    await office.judge(dialled, "machine_start")
    await office.talk(dialled, HELLO)
    await office.hang_up_first(dialled, SessionEnd(end_reason=EndReason.MACHINE, still_up=False))
    await office.end(dialled, "completed")
    office.clock.pass_time(120)
    dialled = await office.again(ws)
    await office.end(dialled, "not_in_service")
    office.clock.pass_time(120)
    dialled = await office.again(ws)
    await office.answer(dialled)
    await office.judge(dialled, "human")
    before = await office.talk(dialled, HELLO, "Yes", BYE)
    await office.hang_up_first(dialled, OVER, {"appointment_confirmed": True}, turns_before=before)
    await office.end(dialled, "completed")
    await record_price(office.engine, dialled.attempt_id, Price(amount="0.02800", currency="USD"))

    used_up = await office.dialled(ws, clinic.numbers["recalls"], retry={"max_attempts": 2, "delays_s": [30]})
    await office.end(used_up, "no_answer")
    office.clock.pass_time(30)
    await office.end(await office.again(ws), "busy")

    # The carrier has no record of the dial: on record as never placed, and dialled again.
    claim = await office.refused(ws, front, NO_REPLY)
    office.clock.pass_time(60)
    async with office.engine.begin() as conn:
        row = await locked(conn, claim.attempt_id)
        assert row is not None
        error, now = NEVER_PLACED.to_json(), office.clock.now
        ended = {"state": CallState.ENDED, "end_reason": EndReason.FAILED, "error": error, "ended_at": now}
        await conn.execute(attempts.update().where(attempts.c.id == row.id).values(ended | {"unknown_since": None}))
        await queue_again(conn, row, now, {"error": error})
    placed = await office.again(ws)
    await office.answer(placed)
    await office.talk(placed, HELLO, "Who is this?", "Goodbye.")
    await office.hang_up_first(placed, OVER)
    await office.end(placed, "completed")


async def callers(office: Office, clinic: Any) -> None:
    numbers = clinic.numbers
    for name in ("after hours", "surveys", "recalls"):
        caller = await office.incoming(numbers[name])
        assert caller is not None
        await office.talk(caller, "Clinic, good day.", "I want to move my appointment", "Certainly.")
        await office.hang_up_first(caller, OVER, {"moved": True})
        await office.end(caller, "completed")
    assert await office.incoming(numbers["no agent"], from_="anonymous") is None
    assert await office.incoming(numbers["unpublished"], from_="sip:kiosk@clinic.example") is None


async def under_way(office: Office, clinic: Any) -> Dialled:
    ws, numbers = clinic.id, clinic.numbers
    front = numbers["front"]
    await office.ask(ws, front)
    await office.claim(ws)  # dialing: the request is under way
    await office.dialled(ws, front)  # dialing: accepted
    await office.ring(await office.dialled(ws, numbers["surveys"]))
    rings = await office.dialled(ws, front, amd=True)
    await office.ring(rings)
    await office.answer(await office.dialled(ws, numbers["recalls"]))  # no audio yet
    talking = await office.dialled(ws, front, amd=True, variables={"user_name": "Jane"})
    await office.answer(talking)
    await office.judge(talking, "human")
    await office.talk(talking, HELLO, "Yes", "Thank you, Jane", open_=True)
    waiting = {"call_id": talking.call_id, "kind": "say", "data": {"text": "One moment.", "interrupt": False}}
    async with office.engine.begin() as conn:
        await conn.execute(insert(call_commands).values(waiting | {"created_at": office.clock.now}))
    ending = await office.dialled(ws, front)
    await office.answer(ending)
    await office.talk(ending, HELLO)
    await request_hang_up(office.engine, ws, ending.call_id)
    await announce_ending(office.engine, ending.attempt_id, EndReason.FAILED, AUDIO_LOST)
    elsewhere = await office.dialled(ws, numbers["recalls"])
    await office.answer(elsewhere)
    await office.talk(elsewhere, HELLO, "Give me a person")
    await office.hang_up_first(elsewhere, TRANSFERRED)
    caller = await office.incoming(numbers["after hours"])
    assert caller is not None  # ringing
    caller = await office.incoming(numbers["recalls"])
    assert caller is not None
    await office.talk(caller, "Clinic, good day.")
    return rings


async def of_unknown_outcome(office: Office, clinic: Any) -> None:
    ws, front = clinic.id, clinic.numbers["front"]
    await office.refused(ws, front, NO_REPLY)
    claim = await office.refused(ws, front, NO_REPLY)
    await request_hang_up(office.engine, ws, claim.call_id)


async def waiting(office: Office, clinic: Any) -> None:
    ws, front = clinic.id, clinic.numbers["front"]
    again = await office.dialled(ws, front, retry={"max_attempts": 3, "on": ["busy"], "delays_s": [2_592_000]})
    await office.end(again, "busy")
    throttled = CarrierThrottled(FailureCode.THROTTLED, "Too many requests.", 600.0, carrier_code="20429")
    deferred = await office.refused(ws, front, throttled)
    await office.change(calls, deferred.call_id, deferrals=3)
    await office.ask(ws, front, not_before=NEVER, amd=True, retry={"max_attempts": 2})
    await office.ask(ws, front, not_before="2099-12-31T23:00:00+01:00", expires_at=NEVER)
    expiring = (office.clock.now + timedelta(minutes=30)).isoformat()
    await office.ask(ws, front, expires_at=expiring)  # due, and too late for whoever reads the dump
    await office.ask(ws, clinic.numbers["surveys"], key="order-2", expires_at=NEVER, variables={"user_name": "Jörg"})
    urgent = await office.ask(ws, front, metadata={"why": "urgent"})
    await office.change(calls, urgent, priority=5)
    await office.ask(ws, clinic.numbers["recalls"])
