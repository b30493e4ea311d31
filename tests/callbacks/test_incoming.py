"""Calls to our numbers, as a Twilio account announces them."""

import asyncio
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from hmac import new as hmac
from urllib.parse import urlencode

import pytest
from sqlalchemy import insert, select, update

from outdial.accounts.genuine import Genuine
from outdial.accounts.refused_callbacks import refused_lately
from outdial.agents.script.model import ScriptError
from outdial.callbacks.inbox import Inbox, Received
from outdial.callbacks.incoming import IncomingCalls
from outdial.calls.inbound import BUSY, NOT_IN_SERVICE, Reception
from outdial.carriers.errors import CarrierRefused, CarrierUncertain, CarrierUnreachable
from outdial.carriers.name import CarrierName
from outdial.db.tables import agent_versions, agents, calls, carrier_accounts, numbers
from outdial.dispatch.sweep import Sweep
from outdial.ids import new_id
from outdial.telephony.failures import FailureCode
from outdial.telephony.state import CallState
from seats import give_seats, set_worker
from secret_box import BOX
from workspace import CALLER, Agents, until

TOKEN = "12345"
STRANGER = "+12025550199"
UNREACHABLE = CarrierUnreachable(FailureCode.CARRIER_UNREACHABLE, "Twilio could not be reached.")


def sid(number: int) -> str:
    return f"CA{number:032d}"


class Caller:
    """The carrier's side of the account's URLs."""

    def __init__(self, workspace, incoming_calls, inbox) -> None:
        self.workspace = workspace
        self.incoming_calls = incoming_calls
        self.inbox = inbox

    async def tells(self, kind="inbound", *, token=TOKEN, account_id=None, **form):
        account_id = account_id or self.workspace.account_id
        url = f"https://voice.example/callbacks/twilio/accounts/{account_id}/{kind}"
        form = {"CallSid": sid(1), "CallStatus": "ringing", "Direction": "inbound", "To": CALLER} | form
        form.setdefault("From", STRANGER)
        signed = url + "".join(name + value for name, value in sorted(form.items()))
        signature = b64encode(hmac(token.encode(), signed.encode(), sha1).digest()).decode()
        return await self.incoming_calls.receive(
            carrier=CarrierName("twilio"),
            account_id=account_id,
            kind=kind,
            url=url,
            headers={"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"},
            body=urlencode(form).encode(),
        )

    async def ended(self, status="completed", *, call=1):
        answer = await self.tells("status", CallSid=sid(call), CallStatus=status, CallDuration="1")
        await self.inbox._handle_left()
        return answer


@pytest.fixture
async def caller(workspace):
    box = BOX
    agent_id = new_id("agent")
    async with workspace.engine.begin() as conn:
        credentials = box.encrypt({"account_sid": "AC1", "auth_token": TOKEN})
        await conn.execute(update(carrier_accounts).values(credentials=credentials))
        await conn.execute(
            insert(agents).values(
                id=agent_id, workspace_id=workspace.id, name="Agent", kind="script", published_version=1
            )
        )
        await conn.execute(
            insert(agent_versions), [{"agent_id": agent_id, "version": n, "source": ""} for n in (1, 2)]
        )
        await conn.execute(update(numbers).values(agent_id=agent_id))
    genuine = Genuine(workspace.engine, box)
    inbox = Inbox(workspace.engine, workspace.settings, genuine, workspace.open_carrier)
    reception = Reception(
        engine=workspace.engine, settings=workspace.settings, secret_box=box,)
    incoming_calls = IncomingCalls(reception, genuine, workspace.open_carrier, inbox, Agents())
    yield Caller(workspace, incoming_calls, inbox)
    await incoming_calls.aclose()
    holders = [call for call in await all_calls(workspace) if call.direction == "inbound" and call.holds_line]
    assert (await workspace.pool()).used_inbound == len(holders)


async def all_calls(workspace):
    async with workspace.engine.connect() as conn:
        return (await conn.execute(select(calls).order_by(calls.c.created_at))).all()


async def only_call(workspace):
    (call,) = await all_calls(workspace)
    (attempt,) = await workspace.attempts(call.id)
    return call, attempt


async def test_a_call_is_on_record_with_its_line_before_it_is_accepted(workspace, caller):
    received, reply = await caller.tells()
    assert received is Received.STORED
    call, attempt = await only_call(workspace)
    assert (call.direction, call.state, call.holds_line) == ("inbound", "ringing", True)
    assert (call.from_, call.to, call.number_id) == (STRANGER, CALLER, workspace.number_id)
    assert (call.agent_version, call.retry, call.detection) == (1, None, None)
    assert (attempt.number, attempt.carrier_call_id, attempt.owner) == (1, sid(1), "worker_seats")
    pool = await workspace.pool()
    assert (pool.used_inbound, pool.used_outbound) == (1, 0)
    ((incoming, where),) = workspace.carrier.accepted
    assert incoming.call.id == sid(1)
    assert where["ref"] == attempt.id
    assert where["callback_url"] == f"https://voice.example/callbacks/twilio/{attempt.id}"
    assert where["stream_url"].startswith(f"wss://voice.example/media/twilio/{attempt.id}/")
    assert reply.body == where["stream_url"]
    assert [event["state"] for event in await workspace.events(call.id, "state")] == ["ringing"]


@pytest.mark.parametrize("fault", [LookupError("agent version not found"), ScriptError("not a script")])
async def test_a_call_to_an_agent_that_can_not_be_read_is_turned_away_when_it_is_announced(
    workspace, caller, fault, caplog
):
    class Unreadable:
        async def agent(self, agent_id, version):
            raise fault

    caller.incoming_calls._agents = Unreadable()
    answers = await asyncio.gather(*(caller.tells() for _ in range(3)))
    assert {reply.body for _, reply in answers} == {NOT_IN_SERVICE}
    call, attempt = await only_call(workspace)
    assert (call.state, call.end_reason, call.error["code"]) == ("ended", "declined", "agent_failed")
    assert (attempt.end_reason, attempt.carrier_call_id) == ("declined", sid(1))
    assert (await workspace.pool()).used_inbound == 0
    assert workspace.carrier.accepted == []
    assert "Agent not read" in caplog.messages
    assert (await caller.tells())[1].body == NOT_IN_SERVICE, "told again, the answer is the same"


async def test_a_call_that_comes_in_while_the_database_is_away_is_not_turned_away(workspace, caller):
    class NoDatabase:
        async def agent(self, agent_id, version):
            raise ConnectionError("the database is away")

    readable, caller.incoming_calls._agents = caller.incoming_calls._agents, NoDatabase()
    with pytest.raises(ConnectionError):
        await caller.tells()
    caller.incoming_calls._agents = readable
    await caller.tells()  # the carrier tells of it again
    call, _ = await only_call(workspace)
    assert (call.state, len(workspace.carrier.accepted)) == ("ringing", 1)


async def test_the_end_of_a_call_is_told_at_the_accounts_url_and_gives_the_line_back(workspace, caller):
    await caller.tells()
    assert (await caller.ended("no-answer"))[0] is Received.STORED
    call, _ = await only_call(workspace)
    assert (call.state, call.holds_line) == ("ended", False)
    assert (await workspace.pool()).used_inbound == 0


async def test_a_call_told_again_is_the_same_call_with_the_same_answer(workspace, caller):
    answers = await asyncio.gather(*(caller.tells() for _ in range(3)))
    assert len({reply.body for _, reply in answers}) == 1
    await only_call(workspace)
    assert (await workspace.pool()).used_inbound == 1


async def test_a_call_that_is_talking_or_over_is_not_taken_in_again(workspace, caller):
    await caller.tells()
    _, attempt = await only_call(workspace)
    await workspace.set_attempt(attempt.id, stream_opened_at=datetime.now(UTC))
    assert await caller.tells() == (Received.STORED, None)
    await workspace.hears(attempt.id, CallState.ENDED, "completed")
    assert await caller.tells() == (Received.STORED, None)
    await only_call(workspace)


async def test_without_a_line_the_caller_hears_so_and_the_call_is_kept(workspace, caller):
    await workspace.set_pool(lines=1)
    await caller.tells()
    _, reply = await caller.tells(CallSid=sid(2))
    assert reply.body == BUSY
    _, missed = await all_calls(workspace)
    assert (missed.state, missed.end_reason, missed.holds_line) == ("ended", "declined", False)
    assert missed.error["code"] == "pool_full"
    assert (await workspace.pool()).used_inbound == 1
    assert (await caller.tells(CallSid=sid(2)))[1].body == BUSY, "told again, said again"
    assert len(await all_calls(workspace)) == 2
    await caller.ended(call=1)
    assert (await caller.tells(CallSid=sid(3)))[1].body.startswith("wss://"), "the line is free again"
    await caller.ended(call=3)


async def test_a_process_that_drains_turns_callers_away(workspace, caller):
    _, accepted = await caller.tells()
    caller.incoming_calls._reception.drain.begin()
    await set_worker(workspace.engine, "worker_seats", draining=True)
    _, reply = await caller.tells(CallSid=sid(2))
    assert reply.body == BUSY
    _, missed = await all_calls(workspace)
    assert (missed.state, missed.end_reason, missed.error["code"]) == ("ended", "declined", "draining")
    assert (await caller.tells(CallSid=sid(2)))[1].body == BUSY, "told again, said again"
    assert (await caller.tells())[1].body == accepted.body, "who was taken in before is"
    await caller.ended()


async def test_a_process_that_drains_has_callers_talk_to_another(workspace, caller):
    caller.incoming_calls._reception.drain.begin()
    await set_worker(workspace.engine, "worker_seats", draining=True)
    await give_seats(workspace.engine, 1, worker_id="worker_other", stream_url="wss://other.example/2")
    _, accepted = await caller.tells()
    assert accepted.body.startswith("wss://other.example/2/media/twilio/")
    _, busy = await caller.tells(CallSid=sid(2))
    assert busy.body == BUSY, "there was one seat"
    await caller.ended()


async def test_callers_hear_that_no_worker_has_a_seat(workspace, caller):
    await set_worker(workspace.engine, "worker_seats", seen_at=None)
    _, reply = await caller.tells()
    assert reply.body == BUSY
    (missed,) = await all_calls(workspace)
    assert (missed.state, missed.error["code"], missed.ended_by) == ("ended", "no_seat", "system")


async def test_reserved_lines_are_for_inbound_calls_and_outbound_ones_leave_them_alone(workspace, caller):
    await workspace.set_pool(lines=2, reserved_inbound=1)
    for _ in range(2):
        await workspace.queue()
    assert len(await workspace.claim()) == 1
    assert (await caller.tells())[1].body.startswith("wss://")
    assert (await caller.tells(CallSid=sid(2)))[1].body == BUSY
    await caller.ended()
    assert await workspace.claim() == [], "the freed line is the reserved one"


async def test_inbound_calls_may_take_the_lines_of_outbound_ones(workspace, caller):
    await workspace.set_pool(lines=2, reserved_inbound=0)
    for number in (1, 2):
        await caller.tells(CallSid=sid(number))
    await workspace.queue()
    assert await workspace.claim() == []
    await caller.ended(call=1)
    assert len(await workspace.claim()) == 1


@pytest.mark.parametrize(
    ("number", "agent", "code"),
    [
        ({"agent_id": None}, {}, "number_has_no_agent"),
        ({}, {"published_version": None}, "agent_not_published"),
    ],
)
async def test_a_number_nobody_answers_declines_and_keeps_the_call(workspace, caller, number, agent, code):
    async with workspace.engine.begin() as conn:
        if agent:
            await conn.execute(update(agents).values(agent))
        if number:
            await conn.execute(update(numbers).values(number))
    assert (await caller.tells())[1].body == NOT_IN_SERVICE
    call, attempt = await only_call(workspace)
    assert (call.state, call.end_reason, call.error["code"]) == ("ended", "declined", code)
    assert (attempt.state, attempt.error["code"]) == ("ended", code)


async def test_the_draft_talks_on_a_number_that_says_so(workspace, caller):
    async with workspace.engine.begin() as conn:
        await conn.execute(update(numbers).values(agent_version="draft"))
    await caller.tells()
    assert (await only_call(workspace))[0].agent_version == 2


async def test_a_number_that_isnt_connected_is_declined_without_a_record(workspace, caller):
    assert (await caller.tells(To="+15550001111"))[1].body == NOT_IN_SERVICE
    assert await all_calls(workspace) == []


@pytest.mark.parametrize(("from_", "kept"), [("", "anonymous"), ("Jane\n" + "x" * 99, "Jane" + "x" * 60)])
async def test_callers_without_a_number_are_kept_as_the_carrier_names_them(workspace, caller, from_, kept):
    await caller.tells(From=from_)
    assert (await only_call(workspace))[0].from_ == kept


async def test_what_isnt_the_carriers_is_refused(workspace, caller):
    assert (await caller.tells(token="wrong"))[0] is Received.FORGED
    assert (await caller.tells(account_id="acct_none"))[0] is Received.UNKNOWN
    assert (await caller.tells(CallSid="nonsense"))[0] is Received.BAD
    assert await all_calls(workspace) == []
    async with workspace.engine.connect() as conn:
        (counted,) = await refused_lately(conn, workspace.id)
    assert counted["refused"] == 1


async def test_progress_of_a_call_that_isnt_ours_is_taken_without_effect(workspace, caller):
    assert await caller.ended() == (Received.STORED, None)


async def test_a_carrier_told_by_requests_is_answered_at_once(workspace, caller):
    workspace.carrier.told_by_requests = True
    assert await caller.tells() == (Received.STORED, None)
    assert len(workspace.carrier.accepted) == 1


async def test_a_carrier_that_takes_no_answer_fails_the_call(workspace, caller):
    workspace.carrier.refuses_next.append(CarrierRefused(FailureCode.WRONG_CALL_STATE, "It has already ended."))
    assert await caller.tells() == (Received.STORED, None)
    call, _ = await only_call(workspace)
    assert (call.state, call.end_reason, call.error["code"]) == ("ended", "failed", "wrong_call_state")
    assert (await workspace.pool()).used_inbound == 0


async def test_a_carrier_out_of_reach_is_told_again_while_the_caller_waits(workspace, caller):
    workspace.carrier.refuses_next.extend([UNREACHABLE])
    assert (await caller.tells())[1] is not None
    assert (await only_call(workspace))[0].state == "ringing"


async def test_an_answer_of_unknown_outcome_is_left_to_the_sweep(workspace, caller, sweep: Sweep):
    workspace.carrier.refuses_next.append(CarrierUncertain(FailureCode.CARRIER_NO_REPLY, "Telnyx did not answer."))
    await caller.tells()
    _, attempt = await only_call(workspace)
    assert attempt.state == "ringing"
    workspace.carrier.place(sid(1), to=CALLER, from_=STRANGER)
    long_ago = datetime.now(UTC) - timedelta(seconds=11)
    await workspace.set_attempt(attempt.id, created_at=long_ago, check_at=long_ago)
    await sweep.sweep()
    call, _ = await only_call(workspace)
    assert (call.state, call.end_reason, call.error["code"]) == ("ended", "failed", "no_media")
    assert workspace.carrier.hung_up == [sid(1)]


async def test_the_calls_of_a_dead_worker_end_and_are_never_dialled(workspace, caller, sweep: Sweep):
    await caller.tells()
    _, attempt = await only_call(workspace)
    workspace.carrier.place(sid(1), to=CALLER, from_=STRANGER)
    workspace.carrier.now_is(sid(1), CallState.IN_PROGRESS)
    long_ago = datetime.now(UTC) - timedelta(seconds=60)
    await workspace.set_attempt(attempt.id, stream_opened_at=long_ago, lease_until=long_ago)
    await sweep.sweep()
    call, attempt = await only_call(workspace)
    assert (call.state, call.end_reason, call.error["code"]) == ("ended", "failed", "interrupted")
    assert attempt.unknown_since is None
    assert workspace.carrier.dialed == []


async def test_a_call_can_be_hung_up_before_its_conversation(workspace, caller, sweep: Sweep):
    await caller.tells()
    call, attempt = await only_call(workspace)
    workspace.carrier.place(sid(1), to=CALLER, from_=STRANGER)
    await workspace.ask_hang_up(call.id)
    await workspace.set_attempt(attempt.id, check_at=datetime.now(UTC))
    await sweep.sweep()

    async def ended():
        return (await only_call(workspace))[0].end_reason == "canceled"

    await until(ended)
