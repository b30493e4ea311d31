"""What a conversation brought, entered into its call."""

from datetime import UTC, datetime, timedelta

import pytest

from outdial.calls.results import Result, enter_recording, save_result, set_variables
from outdial.telephony.state import CallState, EndReason


@pytest.fixture
async def claim(workspace):
    claim = await workspace.dialed(variables={"name": "Jane"})
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    return claim


async def save(workspace, claim, **result):
    usual = {"variables": {"name": "Jane"}, "recording": None, "message_delivered": None, "transferred": False}
    await save_result(workspace.engine, claim.attempt_id, claim.call_id, Result(**usual | result))


async def test_a_result_is_entered_and_the_call_looked_at_soon(workspace, claim):
    variables = {"name": "Jane", "mood": "good", "seats": [1, {"row": None}]}
    await save(workspace, claim, variables=variables, recording="recordings/x.wav", message_delivered=True)
    call, attempt = await workspace.call(claim.call_id), await workspace.attempt(claim.attempt_id)
    assert (call.variables, call.sent_variables) == (variables, {"name": "Jane"})
    assert (call.recording, call.message_delivered) == ("recordings/x.wav", True)
    assert attempt.check_at < datetime.now(UTC) + timedelta(seconds=3.1)
    assert attempt.owner is not None


async def test_a_transferred_call_is_nobodys_any_more(workspace, claim):
    await save(workspace, claim, transferred=True)
    assert (await workspace.attempt(claim.attempt_id)).owner is None


async def test_the_variables_that_were_sent_are_kept_once(workspace, claim):
    await save(workspace, claim, variables={"name": "John"})
    await save(workspace, claim, variables={"name": "Jim"})
    call = await workspace.call(claim.call_id)
    assert (call.variables, call.sent_variables) == ({"name": "Jim"}, {"name": "Jane"})


@pytest.mark.parametrize(
    "variables",
    [
        {"when": datetime(2026, 1, 1, tzinfo=UTC)},
        {"nul": "a\0b"},
        {"half": "\ud800"},
        {"much": "x" * 100_000},
        {"nan": float("nan")},
        {str(n): n for n in range(201)},
    ],
    ids=["no JSON", "NUL", "half a character", "too much", "NaN", "too many"],
)
async def test_variables_that_can_not_be_stored_lose_nothing_else(workspace, claim, variables, caplog):
    await save(workspace, claim, variables=variables, recording="recordings/x.wav")
    call = await workspace.call(claim.call_id)
    assert (call.variables, call.recording) == ({"name": "Jane"}, "recordings/x.wav")
    assert caplog.messages == ["Variables not stored"]


async def test_variables_that_lead_into_themselves_lose_nothing_else(workspace, claim):
    variables = {}
    variables["self"] = variables
    await save(workspace, claim, variables=variables, recording="recordings/x.wav")
    assert (await workspace.call(claim.call_id)).recording == "recordings/x.wav"


async def test_a_result_may_come_after_the_end_of_its_call(workspace, claim):
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.BUSY)
    await save(workspace, claim, recording="recordings/x.wav")
    call = await workspace.call(claim.call_id)
    assert (call.state, call.recording) == ("ended", "recordings/x.wav")


async def test_some_variables_of_a_live_call_are_changed(workspace, claim):
    for values in ({"plan": "Free"}, {"plan": "Premium"}):
        async with workspace.engine.begin() as conn:
            await set_variables(conn, claim.call_id, values)
    call = await workspace.call(claim.call_id)
    assert (call.variables, call.sent_variables) == ({"name": "Jane", "plan": "Premium"}, {"name": "Jane"})


@pytest.mark.parametrize("order", [(0, 12), (12, 0)])
async def test_a_call_keeps_the_recording_of_its_newest_attempt(workspace, claim, order):
    names = {0: "recordings/w/call_1.wav", 12: "recordings/w/call_1-12.wav"}
    for turns in order:
        await enter_recording(workspace.engine, claim.call_id, names[turns])
    assert (await workspace.call(claim.call_id)).recording == names[12]
