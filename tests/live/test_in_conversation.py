"""Whether somebody talks on a call, before anything is wanted of its conversation."""

import pytest

from outdial.live.in_conversation import require_conversation
from outdial.refusals import Conflict, NotFound
from workspace import until


async def asked(workspace, call_id, workspace_id=None):
    async with workspace.engine.connect() as conn:
        return await require_conversation(conn, workspace_id or workspace.id, call_id)


async def test_what_is_noted_is_told_of_a_call_that_is_talked_on(workspace, talking, claim):
    with pytest.raises(Conflict, match="call_not_in_progress"):
        await asked(workspace, claim.call_id)
    await talking.answered(claim)

    async def in_progress():
        return (await workspace.call(claim.call_id)).state == "in_progress"

    await until(in_progress)
    await workspace.set_call(claim.call_id, noted={"mood": "good"})
    assert await asked(workspace, claim.call_id) == {"mood": "good"}
    await workspace.set_attempt(claim.attempt_id, owner=None)
    with pytest.raises(Conflict, match="call_transferred"):
        await asked(workspace, claim.call_id)
    await workspace.set_call(claim.call_id, state="ended", end_reason="completed")
    with pytest.raises(Conflict, match="call_ended"):
        await asked(workspace, claim.call_id)


@pytest.mark.parametrize("call_id", ["call_none", "", "\0"])
async def test_a_call_that_there_is_not_is_none(workspace, call_id):
    with pytest.raises(NotFound, match="call_not_found"):
        await asked(workspace, call_id)


async def test_a_call_of_another_workspace_is_none(workspace, talking, claim, make_workspace):
    other = await make_workspace()
    with pytest.raises(NotFound, match="call_not_found"):
        await asked(workspace, claim.call_id, other.id)
