"""What a conversation shows of itself while it goes on."""

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace

from live.talking import accept_again, refuse
from outdial.live.progress import write_beginning, write_loss, write_response
from outdial.telephony.state import CallState


async def test_the_beginning_is_written_when_the_database_takes_it_as_of_when_it_was(workspace, claim):
    at = datetime.now(UTC)
    await refuse(workspace, "attempts", "NEW.audio_started_at IS NOT NULL")
    writing = asyncio.create_task(write_beginning(workspace.engine, claim.attempt_id, at, check_in_s=20))
    await asyncio.sleep(0.05)
    assert (await workspace.attempt(claim.attempt_id)).audio_started_at is None
    await accept_again(workspace, "attempts")
    await writing
    attempt, call = await workspace.attempt(claim.attempt_id), await workspace.call(claim.call_id)
    assert (attempt.audio_started_at, call.state, call.answered_at) == (at, CallState.IN_PROGRESS, at)


async def test_lost_audio_is_noted_before_the_carrier_calls_it_completed(workspace, claim):
    session = SimpleNamespace(lost=asyncio.Event())
    session.lost.set()
    await write_loss(workspace.engine, claim.attempt_id, session)
    ending = (await workspace.attempt(claim.attempt_id)).ending
    assert (ending["end_reason"], ending["error"]["code"], ending["ended_by"]) == ("failed", "audio_lost", "carrier")


async def test_a_response_is_written_when_the_database_takes_it(workspace, claim, caplog):
    session = SimpleNamespace(responded=asyncio.Event())
    session.responded.set()
    await refuse(workspace, "calls", "NEW.callee_responded")
    writing = asyncio.create_task(write_response(workspace.engine, claim.attempt_id, session))
    await asyncio.sleep(0.05)
    assert (await workspace.call(claim.call_id)).callee_responded is None
    await accept_again(workspace, "calls")
    await writing
    assert "Callee's response not written; trying again" in caplog.messages
    assert (await workspace.call(claim.call_id)).callee_responded is True
