"""What a conversation shows of itself while it goes on."""

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace

from live.talking import accept_again, refuse
from outdial.conversation.notes import Notes
from outdial.live.progress import write_beginning, write_loss, write_response, write_wish
from outdial.policy.do_not_call import list_entries
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


async def test_a_wish_not_to_be_called_is_kept_while_the_call_still_goes_on(workspace, claim, caplog):
    """Its process may be killed before it has a result."""
    waiting = (await workspace.call(claim.call_id)).to
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    waits = await workspace.queue(to=waiting)
    session = SimpleNamespace(noted=Notes({}))
    writing = asyncio.create_task(write_wish(workspace.engine, claim.call_id, session))
    await asyncio.sleep(0)
    session.noted["do_not_call"] = True
    await writing
    async with workspace.engine.begin() as conn:
        entries = (await list_entries(conn, workspace.id))["entries"]
    assert [(entry["number"], entry["source"], entry["call_id"]) for entry in entries] == [
        (waiting, "callee", claim.call_id)
    ]
    assert (await workspace.call(waits)).error["code"] == "do_not_call"
    assert (await workspace.call(claim.call_id)).state == "in_progress"
