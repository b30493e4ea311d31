"""What a worker does beside the conversations it holds."""

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from live.talking import accept_again, refuse
from outdial.calls.advance import apply_event
from outdial.live.detection import await_verdict
from outdial.telephony.state import CallState
from outdial.telephony.verdict import AnsweredBy, Verdict
from workspace import until


@pytest.mark.parametrize("is_judged", [False, True])
async def test_without_a_verdict_in_time_the_answer_is_unknown(workspace, is_judged):
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await await_verdict(workspace.engine, claim.attempt_id, SimpleNamespace(is_judged=is_judged), 0.01)
    answered_by = (await workspace.call(claim.call_id)).answered_by
    if is_judged:
        assert answered_by is None
        return
    assert (answered_by["category"], answered_by["evidence"]) == ("unknown", ["deadline"])
    assert answered_by["confidence"] is None
    assert answered_by["after_answer_ms"] >= 10
    late = Verdict(answered_by=AnsweredBy.MACHINE, at=datetime.now(UTC), evidence=("machine",))
    await apply_event(workspace.engine, claim.attempt_id, late)
    answered_by = (await workspace.call(claim.call_id)).answered_by
    assert (answered_by["category"], answered_by["evidence"]) == ("unknown", ["deadline", "machine"]), "only noted"


async def test_the_deadline_is_noted_as_soon_as_the_database_lets_us(workspace, caplog):
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await refuse(workspace, "calls", "NEW.answered_by IS NOT NULL")
    noting = asyncio.create_task(await_verdict(workspace.engine, claim.attempt_id, SimpleNamespace(is_judged=False), 0))

    async def failed():
        return "Verdict not recorded" in caplog.messages

    await until(failed)
    await accept_again(workspace, "calls")
    async with asyncio.timeout(10):
        await noting
    assert (await workspace.call(claim.call_id)).answered_by["evidence"] == ["deadline"]


async def test_a_verdict_is_not_taken_back_by_the_deadline(workspace):
    claim = await workspace.dialed()
    human = Verdict(answered_by=AnsweredBy.HUMAN, at=datetime.now(UTC), evidence=("human",))
    await apply_event(workspace.engine, claim.attempt_id, human)
    await await_verdict(workspace.engine, claim.attempt_id, SimpleNamespace(is_judged=False), 0.0)
    assert (await workspace.call(claim.call_id)).answered_by["category"] == "human"
