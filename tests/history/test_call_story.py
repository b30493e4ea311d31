"""What a trace is made of, as it is stored."""

import json
from datetime import UTC, datetime, timedelta

from sqlalchemy import insert

from outdial.calls.events import add_event, entry_number
from outdial.db.tables import call_events
from outdial.history.call_story import read_story
from outdial.telephony.state import CallState, EndReason
from workspace import CALLEE, CALLER


async def test_a_call_that_goes_on_has_no_story_yet_and_one_that_is_gone_none_any_more(workspace):
    claim = await workspace.dialed()
    assert await read_story(workspace.engine, claim.call_id) is None
    assert await read_story(workspace.engine, "call_gone") is None


async def test_what_happened_is_told_of_its_attempt_and_without_what_was_said(workspace):
    retry = {"max_attempts": 2, "on": ["busy"], "delays_s": [1]}
    first = await workspace.dialed(retry=retry)
    await workspace.hears(first.attempt_id, CallState.ENDED, EndReason.BUSY)
    await workspace.set_call(first.call_id, due_at=datetime.now(UTC) - timedelta(seconds=1))
    [second] = await workspace.claim()
    await workspace.dial(second)
    said = {"seq": 1, "speaker": "callee", "text": "I am Jane Doe", "start_ms": 0, "end_ms": 900}
    asked = {"tool": "look_up", "arguments": {"who": "Jane Doe"}, "answer": ["Jane Doe"], "done": True}
    async with workspace.engine.begin() as conn:
        await add_event(conn, first.call_id, "answered_by", {"category": "human", "evidence": []})
        # Written late, when the next attempt was dialled already.
        entry = {"call_id": first.call_id, "type": "transcript", "data": said, "entry": entry_number(1, 1)}
        await conn.execute(insert(call_events).values(entry))
        tool = entry | {"type": "tool", "data": asked, "entry": entry_number(2, 1)}
        await conn.execute(insert(call_events).values(tool))
        await add_event(conn, first.call_id, "noted", {"values": {"name": "Jane Doe"}})
    await workspace.hears(second.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    story = await read_story(workspace.engine, first.call_id)
    assert story is not None
    assert [dial.number for dial in story.dials] == [1, 2]
    assert [dial.end_reason for dial in story.dials] == ["busy", "completed"]
    assert [(each.type, each.attempt) for each in story.happenings] == [
        ("state", 1), ("state", 1), ("state", 2), ("answered_by", 2), ("transcript", 1), ("tool", 2), ("state", 2),
    ]
    whole = repr(story) + json.dumps([dict(each.data) for each in story.happenings])
    for secret in ("Jane", CALLER, CALLEE):
        assert secret not in whole
