"""What becomes of a call that comes in. What its carrier is told, and when: tests/callbacks/test_incoming.py."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import OperationalError

from outdial import metrics
from outdial.accounts.genuine import Genuine
from outdial.calls import inbound
from outdial.calls.claim import stream_token_hash
from outdial.calls.inbound import BUSY, NOT_IN_SERVICE, Admitted, Reception, TurnedAway, admit_call
from outdial.carriers.callbacks import IncomingCall
from outdial.carriers.name import CarrierName
from outdial.db.storing import refuses
from outdial.db.tables import agent_versions, agents, calls, destinations, numbers, pools, seats
from outdial.ids import new_id
from outdial.lines.seats import Seat
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.state import CallState, EndReason
from outdial.workspaces.secrets import SecretBox
from refusing_tables import refuse_rows
from seats import seats_taken, set_worker
from secret_box import BOX
from workspace import CALLEE, CALLER


@pytest.fixture
async def admit(workspace):
    """A call comes in to a number whose agent is published."""
    agent_id = new_id("agent")
    async with workspace.engine.begin() as conn:
        agent = {"id": agent_id, "workspace_id": workspace.id, "name": "Agent", "kind": "script"}
        await conn.execute(insert(agents).values(agent | {"published_version": 2}))
        await conn.execute(insert(agent_versions), [{"agent_id": agent_id, "version": n, "source": ""} for n in (1, 2)])
        await conn.execute(update(numbers).values(agent_id=agent_id))
    account = await Genuine(workspace.engine, BOX).account(CarrierName("twilio"), workspace.account_id)

    async def admit(number=1, *, to=CALLER, from_=CALLEE, box=BOX):
        reception = Reception(engine=workspace.engine, settings=workspace.settings, secret_box=box)
        call = CarrierCall(id=f"CA{number}")
        incoming = IncomingCall(call=call, from_=from_, to=to, at=datetime.now(UTC))
        return await admit_call(reception, account, incoming)

    return admit


async def change(workspace, table, **values):
    async with workspace.engine.begin() as conn:
        await conn.execute(update(table).values(values))


async def every_call(workspace):
    async with workspace.engine.connect() as conn:
        return (await conn.execute(select(calls))).all()


async def over(workspace, admitted):
    await workspace.hears(admitted.attempt_id, CallState.ENDED, EndReason.COMPLETED)


async def test_a_call_that_is_let_in_has_a_line_and_a_token(workspace, admit):
    admitted = await admit()
    assert isinstance(admitted, Admitted)
    assert not admitted.repeated
    (call,) = await every_call(workspace)
    attempt = await workspace.attempt(admitted.attempt_id)
    assert (call.direction, call.state, call.holds_line, call.agent_version) == ("inbound", "ringing", True, 2)
    assert (call.from_, call.to, admitted.max_duration_s) == (CALLEE, CALLER, call.max_duration_s)
    assert attempt.stream_token_hash == stream_token_hash(admitted.stream_token)
    assert (attempt.owner, attempt.carrier_call_id, attempt.state) == ("worker_seats", "CA1", "ringing")
    assert admitted.seat == Seat(worker_id="worker_seats", stream_url="wss://voice.example")
    assert await seats_taken(workspace.engine) == {admitted.attempt_id: "worker_seats"}
    assert (await workspace.pool()).used_inbound == 1
    await over(workspace, admitted)
    assert (await workspace.pool()).used_inbound == 0
    assert await seats_taken(workspace.engine) == {}


async def test_where_the_workspace_may_call_is_nothing_to_a_caller(workspace, admit):
    async with workspace.engine.begin() as conn:
        await conn.execute(delete(destinations))
    admitted = await admit(from_="+441632960115")
    assert isinstance(admitted, Admitted)
    await over(workspace, admitted)


async def test_a_call_that_is_told_of_at_once_and_again_is_one(workspace, admit):
    first, second = await asyncio.gather(admit(), admit())
    assert {first.repeated, second.repeated} == {False, True}
    assert (first.attempt_id, first.stream_token) == (second.attempt_id, second.stream_token)
    assert len(await every_call(workspace)) == 1
    await workspace.set_attempt(first.attempt_id, stream_opened_at=datetime.now(UTC))
    assert await admit() is None, "its stream is open"
    await over(workspace, first)
    assert await admit() is None, "it is over"


async def test_a_repeat_is_answered_the_same_while_the_secret_key_is_rotated(workspace, admit):
    rotating = SecretBox("a new key", "a key for tests")  # seals with the new one already
    first = await admit(1)
    assert (await admit(1, box=rotating)).stream_token == first.stream_token
    second = await admit(2, box=rotating)
    rotating.seal_as(BOX.encrypt("as another host does yet"))
    assert (await admit(2, box=rotating)).stream_token == second.stream_token
    for admitted in (first, second):
        await over(workspace, admitted)


@pytest.mark.parametrize(
    ("values", "code"),
    [({"agent_id": None}, "number_has_no_agent"), ({"agent_version": "published"}, "agent_not_published")],
)
async def test_a_number_that_nobody_answers_has_its_missed_calls(workspace, admit, values, code):
    await change(workspace, numbers, **values)
    await change(workspace, agents, published_version=None)
    for _ in range(2):
        assert await admit() == TurnedAway(NOT_IN_SERVICE)
    (call,) = await every_call(workspace)
    assert (call.state, call.end_reason, call.error["code"]) == ("ended", "declined", code)
    assert call.ended_at is not None
    assert (await workspace.pool()).used_inbound == 0
    assert await workspace.events(call.id, "state") == [
        {
            "state": "ended",
            "end_reason": "declined",
            "error": call.error,
            "ended_by": "system",
            "outcome": None,
            "attempt": 1,
        }
    ]
    assert (call.ended_by, call.outcome) == ("system", None)


async def test_the_log_tells_of_a_caller_who_is_turned_away_once(workspace, admit, caplog):
    caplog.set_level(logging.INFO)
    await change(workspace, numbers, agent_id=None)
    for _ in range(2):
        await admit()
    (call,) = await every_call(workspace)
    told = [line for line in caplog.records if line.getMessage() in ("Attempt failed", "Call ended")]
    assert [(line.getMessage(), line.levelname, line.call_id, line.end_reason, line.error) for line in told] == [
        ("Attempt failed", "WARNING", call.id, "declined", "number_has_no_agent"),
        ("Call ended", "INFO", call.id, "declined", "number_has_no_agent"),
    ]


async def test_a_caller_who_is_turned_away_is_counted_once(workspace, admit):
    def counted(family, **labels):
        samples = [each for each in family.collect()[0].samples if each.name.endswith("_total")]
        return sum(each.value for each in samples if labels.items() <= each.labels.items())

    def all_counted():
        attempts = counted(metrics.ATTEMPTS_ENDED, end_reason="declined", error="number_has_no_agent")
        return attempts, counted(metrics.CALLS_ENDED, direction="inbound", end_reason="declined", outcome="")

    await change(workspace, numbers, agent_id=None)
    attempts_before, calls_before = all_counted()
    for _ in range(2):
        await admit()
    assert all_counted() == (attempts_before + 1, calls_before + 1)


async def test_a_draft_answers_where_the_number_says_so(workspace, admit):
    await change(workspace, agents, published_version=1)
    await change(workspace, numbers, agent_version="draft")
    admitted = await admit()
    (call,) = await every_call(workspace)
    assert call.agent_version == 2
    await over(workspace, admitted)


async def test_callers_hear_that_every_line_is_taken(workspace, admit):
    await workspace.set_pool(lines=1, reserved_inbound=1)
    admitted = await admit()
    for _ in range(2):
        assert await admit(2) == TurnedAway(BUSY)
    missed = next(call for call in await every_call(workspace) if call.state == "ended")
    assert (missed.end_reason, missed.error["code"], missed.holds_line) == ("declined", "pool_full", False)
    await over(workspace, admitted)


async def test_of_many_callers_at_once_as_many_are_let_in_as_there_are_lines(workspace, admit):
    await workspace.set_pool(lines=3)
    decisions = await asyncio.gather(*(admit(number) for number in range(8)))
    admitted = [decision for decision in decisions if isinstance(decision, Admitted)]
    assert len(admitted) == (await workspace.pool()).used_inbound == 3
    for each in admitted:
        await over(workspace, each)


async def test_a_caller_is_answered_in_time_also_while_somebody_has_the_pool(workspace, admit):
    async with workspace.engine.begin() as conn:
        await conn.execute(select(pools).with_for_update())
        async with asyncio.timeout(4):  # carriers wait for 5 s
            assert await admit() == TurnedAway(BUSY)
    (missed,) = await every_call(workspace)
    assert (missed.end_reason, missed.error["code"], missed.holds_line) == ("declined", "pool_full", False)
    assert "could not be told in time" in missed.error["message"]


async def test_a_caller_who_comes_while_somebody_has_the_pool_for_a_moment_is_let_in(workspace, admit):
    async with workspace.engine.begin() as conn:
        await conn.execute(select(pools).with_for_update())
        admitting = asyncio.create_task(admit())
        await asyncio.sleep(0.3)
    admitted = await admitting
    assert isinstance(admitted, Admitted)
    await over(workspace, admitted)


async def test_a_caller_waits_a_moment_for_a_worker_whose_heartbeat_is_late(workspace, admit):
    await seen_ago(workspace, 60.0)
    admitting = asyncio.create_task(admit())
    await asyncio.sleep(0.3)
    assert not admitting.done()
    await seen_ago(workspace, 0.0)
    assert isinstance(await admitting, Admitted)


@pytest.mark.parametrize("lease_s", [86_400.0, 30.0])
async def test_callers_hear_that_no_seat_is_to_be_had(workspace, admit, monkeypatch, lease_s):
    """At once where there are none, and soon where the worker that has free ones isn't seen."""
    monkeypatch.setattr(inbound, "DECIDE_WITHIN_S", 0.3)
    await seen_ago(workspace, 60.0, lease_s=lease_s)
    if lease_s > 60.0:
        async with workspace.engine.begin() as conn:
            await conn.execute(delete(seats))
    assert await admit() == TurnedAway(BUSY)
    (call,) = await every_call(workspace)
    assert call.error["code"] == "no_seat"


async def seen_ago(workspace, seconds, *, lease_s=30.0):
    seen_at = func.clock_timestamp() - timedelta(seconds=seconds)
    await set_worker(workspace.engine, "worker_seats", seen_at=seen_at, lease_s=lease_s)


async def test_a_number_that_is_not_connected_leaves_no_record(workspace, admit, caplog):
    assert await admit(to="+15559999999") == TurnedAway(NOT_IN_SERVICE)
    assert await every_call(workspace) == []
    assert caplog.messages == ["Incoming call refused: number not connected"]


@pytest.mark.parametrize(
    ("from_", "shown"), [("", "anonymous"), ("\0\n", "anonymous"), ("sip:a\0b@x", "sip:ab@x"), ("1" * 99, "1" * 64)]
)
async def test_whatever_a_caller_is_called_by_can_be_stored(workspace, admit, from_, shown):
    admitted = await admit(from_=from_)
    (call,) = await every_call(workspace)
    assert call.from_ == shown
    await over(workspace, admitted)


async def test_a_call_that_could_not_be_stored_makes_the_process_unready(workspace, admit):
    await refuse_rows(workspace.engine, calls)
    with pytest.raises(OperationalError):
        await admit()
    assert refuses(workspace.engine)
