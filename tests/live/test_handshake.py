"""A carrier opens the audio of an answered call: who may, and what becomes of the call where it comes to nothing."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from live.talking import Line, Talking, accept_again, move_to, refuse
from outdial.agents.python.served import NotServed
from outdial.agents.script.model import ScriptError
from outdial.calls.ownership import take_over
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS
from outdial.live.conversations import Conversations
from outdial.repeating import Pauses
from outdial.telephony.state import CallState, EndReason
from seats import give_seats, set_worker
from workspace import logged, until

PAST = datetime(2026, 1, 1, tzinfo=UTC)
SLOW = text("LOCK TABLE attempts IN SHARE MODE")  # who wants to use a token waits


async def test_a_stream_with_the_attempts_token_begins_the_conversation(workspace, talking, claim):
    await talking.answered(claim)
    attempt, call = await workspace.attempt(claim.attempt_id), await workspace.call(claim.call_id)
    assert (attempt.owner, call.state) == (talking.lease.owner, "in_progress")
    assert attempt.stream_opened_at is not None
    assert list(talking.conversations.attempt_ids) == [claim.attempt_id]


@pytest.mark.parametrize(
    "wrong",
    [{"signed_with": "forged"}, {"token": "another"}, {"carrier": CarrierName("telnyx")}],
    ids=["forged signature", "wrong token", "attempt of another carrier"],
)
async def test_a_stream_that_is_not_the_carriers_own_is_refused_and_uses_nothing_up(workspace, talking, claim, wrong):
    assert await talking.open(claim, **wrong) is None
    attempt = await workspace.attempt(claim.attempt_id)
    assert (attempt.stream_opened_at, attempt.ending, workspace.carrier.hung_up) == (None, None, [])
    await talking.answered(claim)


async def test_a_stream_of_an_unknown_attempt_is_refused(talking, claim):
    class Unknown:
        attempt_id, stream_token = "att_unknown", "token"

    assert await talking.open(Unknown) is None


async def test_a_token_works_once(workspace, talking, claim):
    await talking.answered(claim)
    assert await talking.open(claim) is None
    assert talking.conversations.count == 1
    assert (await workspace.attempt(claim.attempt_id)).ending is None
    assert workspace.carrier.hung_up == []


async def test_a_token_is_not_good_for_a_call_that_has_ended(workspace, talking, claim):
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.NO_ANSWER)
    assert await talking.open(claim) is None
    assert workspace.carrier.hung_up == []


# -- agents ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CARRIERS)
@pytest.mark.parametrize("fault", [LookupError("agent version not found"), ScriptError("not a script")])
async def test_a_call_whose_agent_can_not_be_read_is_ended_and_says_so(
    workspace, talking, claim, fault, name, caplog
):
    await move_to(workspace, name, claim.attempt_id)
    talking.agents.fault = fault
    assert await talking.open(claim, carrier=name) is None
    await talking.gave_up(claim, "agent_failed")
    assert "Agent not read" in caplog.messages
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    call = await workspace.call(claim.call_id)
    assert (call.end_reason, call.error["code"], call.holds_line) == ("failed", "agent_failed", False)
    assert workspace.carrier.hung_up == ["CA1"]


async def test_the_version_that_talks_is_the_calls_where_its_code_changed_since(workspace, talking, claim):
    talking.agents.version = 7
    await talking.answered(claim)
    assert (await workspace.call(claim.call_id)).agent_version == 7


async def test_what_its_operator_wrote_wrong_is_why_the_call_fails(workspace, talking, claim):
    talking.agents.fault = NotServed("The agent's code has a fault: one.py, line 3: invalid syntax.")
    assert await talking.open(claim) is None
    await talking.gave_up(claim, "agent_failed")
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    assert "one.py, line 3" in (await workspace.call(claim.call_id)).error["message"]


async def test_only_the_token_ends_the_call_of_an_agent_that_can_not_be_read(workspace, talking, claim):
    """Else whoever has seen the URL of a callback could hang up."""
    talking.agents.fault = LookupError("agent version not found")
    assert await talking.open(claim, token="another") is None
    await talking.handshake.aclose()
    assert (await workspace.attempt(claim.attempt_id)).ending is None
    assert workspace.carrier.hung_up == []


async def test_an_agent_that_can_not_be_read_now_leaves_the_token_for_another_try(workspace, talking, claim):
    talking.agents.fault = ConnectionError("the database is away")
    with pytest.raises(ConnectionError):
        await talking.open(claim)
    assert (await workspace.attempt(claim.attempt_id)).stream_opened_at is None
    talking.agents.fault = None
    await talking.answered(claim)


# -- not served ------------------------------------------------------------------------------------------------


async def away(talking, claim, handshake, **how):
    """The carrier opens the stream while the agent can't be read for want of the database."""
    talking.agents.fault = ConnectionError("the database is away")
    with pytest.raises(ConnectionError):
        await talking.open(claim, handshake=handshake, **how)
    talking.agents.fault = None


@pytest.mark.parametrize("name", CARRIERS)
async def test_a_call_whose_stream_could_not_be_served_is_ended_and_says_so(workspace, talking, claim, name):
    await move_to(workspace, name, claim.attempt_id)
    handshake = talking.handshake_of(talking.conversations, tried_again_within_s=0.05)
    await away(talking, claim, handshake, carrier=name)
    await talking.gave_up(claim, "internal_error")
    assert await talking.open(claim, handshake=handshake, carrier=name) is None, "too late"
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    call = await workspace.call(claim.call_id)
    assert (call.end_reason, call.error["code"], call.holds_line) == ("failed", "internal_error", False)
    await handshake.aclose()


async def test_a_carrier_that_tries_again_at_once_is_served(workspace, talking, claim):
    talking.handshake = talking.handshake_of(talking.conversations, tried_again_within_s=0.3)
    await away(talking, claim, talking.handshake)
    await talking.answered(claim)
    await asyncio.sleep(0.4)
    assert (await workspace.attempt(claim.attempt_id)).ending is None
    assert workspace.carrier.hung_up == []


async def test_a_socket_lost_before_its_token_is_used_ends_the_call(workspace, talking, claim):
    class Slow:
        async def agent(self, agent_id, version):
            await asyncio.Event().wait()

    talking.agents = Slow()
    handshake = talking.handshake_of(talking.conversations, tried_again_within_s=0.05)
    opening = asyncio.create_task(talking.open(claim, handshake=handshake))
    await asyncio.sleep(0.1)
    opening.cancel()  # as the handshake's time limit does, and a socket that closes
    with pytest.raises(asyncio.CancelledError):
        await opening
    await talking.gave_up(claim, "internal_error")
    await handshake.aclose()


async def test_a_call_is_ended_once_the_database_is_back(workspace, talking, claim, monkeypatch):
    monkeypatch.setattr("outdial.live.handshake.END_AGAIN", Pauses(first_s=0.02, longest_s=0.02))
    handshake = talking.handshake_of(talking.conversations, tried_again_within_s=0.05)
    await refuse(workspace, "attempts", "NEW.stream_opened_at IS NOT NULL")
    with pytest.raises(OperationalError):
        await talking.open(claim, handshake=handshake)
    await asyncio.sleep(0.2)
    assert workspace.carrier.hung_up == []
    await accept_again(workspace, "attempts")
    await talking.gave_up(claim, "internal_error")
    await handshake.aclose()


async def test_only_the_token_ends_a_call_whose_stream_could_not_be_served(workspace, talking, claim):
    handshake = talking.handshake_of(talking.conversations, tried_again_within_s=0.05)
    await away(talking, claim, handshake, token="another")
    await handshake.aclose()
    assert (await workspace.attempt(claim.attempt_id)).ending is None
    assert workspace.carrier.hung_up == []


# -- slower than the carrier -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CARRIERS)
@pytest.mark.parametrize("token", [None, "another"], ids=["its token", "a wrong token"])
async def test_a_socket_lost_while_its_token_is_used_ends_the_call(workspace, talking, claim, token, name):
    await move_to(workspace, name, claim.attempt_id)
    async with workspace.engine.begin() as conn:
        await conn.execute(SLOW)
        opening = asyncio.create_task(talking.open(claim, token=token, carrier=name))
        await until(lambda: is_waiting_for_a_lock(workspace))
        opening.cancel()  # as the handshake's time limit does, and a socket that closes
        with pytest.raises(asyncio.CancelledError):
            await opening
    if token is None:
        await talking.gave_up(claim, "audio_lost")
    else:
        await talking.handshake.aclose()
        assert workspace.carrier.hung_up == []
    assert talking.conversations.count == 0


async def is_waiting_for_a_lock(workspace):
    async with workspace.engine.connect() as conn:
        locks = "FROM pg_locks JOIN pg_database ON pg_database.oid = database WHERE datname = current_database()"
        return await conn.scalar(text(f"SELECT count(*) {locks} AND NOT granted")) == 1


async def test_a_socket_lost_after_its_token_was_used_ends_the_call(workspace, talking, claim):
    handshake = talking.handshake_of(talking.conversations, starts_within_s=0.05)
    assert await talking.open(claim, handshake=handshake) is not None
    await talking.gave_up(claim, "audio_lost")
    await handshake.aclose()


async def test_a_conversation_that_does_not_start_ends_the_call(workspace, talking, claim):
    class Broken(Conversations):
        def start(self, *args):
            raise RuntimeError("a bug")

    broken = Broken(workspace.engine, workspace.settings, workspace.open_carrier, None, None, talking.spool)
    handshake = talking.handshake_of(broken, starts_within_s=0.05)
    start = await talking.open(claim, handshake=handshake)
    with pytest.raises(RuntimeError):
        start(Line())
    await talking.gave_up(claim, "audio_lost")
    await handshake.aclose()


async def test_a_conversation_that_has_started_is_not_taken_for_lost(workspace, talking, claim):
    talking.handshake = talking.handshake_of(talking.conversations, starts_within_s=0.05)
    await talking.answered(claim)
    await asyncio.sleep(0.1)
    assert (await workspace.attempt(claim.attempt_id)).ending is None


# -- workers that die ------------------------------------------------------------------------------------------


async def test_a_call_taken_over_before_it_was_answered_is_talked_on_here(workspace, talking, claim, worker):
    """The stream's URL says where its conversation is, and that worker has the call from then on."""
    await workspace.set_attempt(claim.attempt_id, lease_until=PAST)
    assert await take_over(workspace.engine, worker.id, lease_s=15)
    await talking.answered(claim)
    attempt = await workspace.attempt(claim.attempt_id)
    assert (attempt.owner, attempt.ending) == (talking.lease.owner, None)


async def test_a_call_taken_over_during_its_handshake_keeps_the_word_of_who_took_it(workspace, talking, claim, worker):
    """We were frozen between the token and the socket, and lost our lock: the other one is hanging up already."""
    start = await talking.open(claim)
    await workspace.set_attempt(claim.attempt_id, lease_until=PAST)
    assert await take_over(workspace.engine, worker.id, lease_s=15)
    line = Line()
    line.media_line = start(line)
    line.starts()
    await talking.begun.wait()
    line.stops()  # the other one's hang-up
    talking.done.set()
    await talking.rests()
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    call = await workspace.call(claim.call_id)
    assert (call.end_reason, call.error["code"]) == ("failed", "interrupted")
    assert (await workspace.attempt(claim.attempt_id)).owner == worker.id


async def test_of_two_processes_asked_for_one_stream_one_talks(workspace, talking, claim):
    other = Talking(workspace, owner="worker_other")
    opened = await asyncio.gather(talking.open(claim), other.open(claim))
    assert sum(start is not None for start in opened) == 1


# -- the process ends ------------------------------------------------------------------------------------------


async def test_a_stream_that_opens_while_the_process_ends_ends_its_call(workspace, talking, claim):
    await talking.handshake.turn_away()
    await talking.conversations.aclose()
    assert await talking.open(claim) is None
    await talking.handshake.aclose()
    await talking.gave_up(claim, "interrupted")
    assert talking.conversations.count == 0


async def test_a_stream_still_without_its_socket_when_the_process_ends_ends_its_call(workspace, talking, claim):
    assert await talking.open(claim) is not None
    await talking.handshake.turn_away()
    await talking.handshake.aclose()
    await talking.gave_up(claim, "interrupted")


async def test_the_end_of_the_process_waits_for_the_hang_up_of_a_lost_stream(workspace, talking, claim):
    async with workspace.engine.begin() as conn:
        await conn.execute(SLOW)
        opening = asyncio.create_task(talking.open(claim))
        await until(lambda: is_waiting_for_a_lock(workspace))
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        closing = asyncio.create_task(talking.handshake.aclose())
    await closing
    assert workspace.carrier.hung_up == ["CA1"]


# -- several workers -------------------------------------------------------------------------------------------

ELSEWHERE = "Media stream refused: another worker has its seat"


@pytest.mark.parametrize("name", CARRIERS)
async def test_a_stream_that_comes_to_another_worker_than_has_its_seat_is_refused_and_uses_nothing_up(
    workspace, talking, claim, name, caplog
):
    await move_to(workspace, name, claim.attempt_id)
    await give_seats(workspace.engine, 1, worker_id=talking.lease.owner, stream_url="wss://elsewhere.example")
    assert await talking.open(claim, carrier=name) is None
    attempt = await workspace.attempt(claim.attempt_id)
    assert (attempt.stream_opened_at, attempt.ending, workspace.carrier.hung_up) == (None, None, [])
    assert await logged(caplog, ELSEWHERE)
    await set_worker(workspace.engine, talking.lease.owner, stream_url="wss://voice.example")
    assert await talking.open(claim, carrier=name) is not None  # behind one address any of them takes it


async def test_what_is_signed_for_the_address_of_another_worker_is_told_as_that(workspace, talking, claim, caplog):
    """The address that a worker checks signatures for is its own."""
    await give_seats(workspace.engine, 1, worker_id=talking.lease.owner, stream_url="wss://elsewhere.example")
    assert await talking.open(claim, signed_with="for another address") is None
    assert await logged(caplog, ELSEWHERE)
    assert not await logged(caplog, "Media stream refused: no valid signature")


async def test_a_call_without_a_seat_is_talked_on_wherever_its_stream_comes(workspace, talking, claim):
    """Of an older version, that is."""
    await give_seats(workspace.engine, 1, worker_id=talking.lease.owner, stream_url="wss://elsewhere.example")
    async with workspace.engine.begin() as conn:
        await conn.execute(text("UPDATE seats SET attempt_id = NULL"))
    await talking.answered(claim)
