"""What two detectors found of a dial, side by side, and who it truly was as a person says."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from outdial.calls.advance import apply_event
from outdial.calls.detections import set_truth
from outdial.db.detection_tables import detections
from outdial.db.tables import audit_log
from outdial.history.verdicts import get_verdicts
from outdial.refusals import Conflict, NotFound
from outdial.telephony.state import CallState, EndReason
from outdial.telephony.verdict import REPLY, WORDS, AnsweredBy, Verdict
from outdial.workspaces.audit import COMMAND_LINE

BOTH, CARRIER, LOCAL = ({"by": by, "max_wait_s": 30} for by in ("both", "carrier", "local"))


@pytest.fixture
def kept(workspace):
    async def kept():
        async with workspace.engine.connect() as conn:
            return (await conn.execute(select(detections))).mappings().all()

    return kept


async def answered(workspace, detection):
    claim = await workspace.dialed(detection=detection)
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    return claim


async def says(workspace, claim, category, *evidence, **facts):
    verdict = Verdict(answered_by=AnsweredBy(category), at=datetime.now(UTC), evidence=evidence, **facts)
    await apply_event(workspace.engine, claim.attempt_id, verdict)
    return verdict


async def test_both_are_kept_side_by_side_with_their_changes(workspace, kept):
    claim = await answered(workspace, BOTH)
    carrier = await says(workspace, claim, "human", "twilio:human")
    await says(workspace, claim, "human", "said hello", is_ours=True)
    await says(workspace, claim, "machine", "beep at 6.2 s, 1000 Hz", is_ours=True, revises=True)
    await says(workspace, claim, "machine", WORDS)  # a rule's, and nobody's
    (row,) = await kept()
    assert row["call_id"] == claim.call_id
    assert (row["local_category"], row["local_revisions"]) == ("machine", 1)
    assert (row["carrier_category"], row["carrier_revisions"]) == ("human", 0)
    assert carrier.at < row["carrier_known_at"] < row["local_known_at"]
    assert row["truth"] is None


@pytest.mark.parametrize("detection", [None, CARRIER, LOCAL])
async def test_one_alone_is_not_compared(workspace, kept, detection):
    claim = await answered(workspace, detection)
    await says(workspace, claim, "human", "twilio:human")
    assert await kept() == []


async def test_a_person_says_who_it_was_and_takes_it_back(workspace, kept):
    claim = await answered(workspace, BOTH)
    await says(workspace, claim, "human", "twilio:human")

    async def put(category):
        return await set_truth(workspace.engine, workspace.id, claim.call_id, category, by=COMMAND_LINE)

    with pytest.raises(Conflict) as refusal:
        await put(AnsweredBy.MACHINE)
    assert refusal.value.code == "call_not_ended"
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    for category in (AnsweredBy.MACHINE, AnsweredBy.MACHINE, AnsweredBy.FAX, None, None):
        assert (await put(category)).category == category
    (row,) = await kept()
    assert (row["truth"], row["carrier_category"]) == (None, "human")
    async with workspace.engine.connect() as conn:
        log = (await conn.execute(select(audit_log.c.act, audit_log.c.details).order_by(audit_log.c.id))).all()
        assert (await get_verdicts(conn, workspace.id, claim.call_id))["truth"] is None
    assert [tuple(entry) for entry in log] == [
        ("truth.set", {"category": "machine"}),
        ("truth.set", {"category": "fax", "before": "machine"}),
        ("truth.taken_back", {"before": "fax"}),
    ]


@pytest.mark.parametrize(
    ("detection", "evidence", "found"),
    [
        (CARRIER, ("twilio:machine_start",), {"asked": "carrier", "carrier_category": "machine"}),
        (LOCAL, ("said 'leave a message'",), {"asked": "local", "local_category": "machine"}),
        (LOCAL, (WORDS,), {"asked": "local", "local_category": None}),
        (CARRIER, ("twilio:machine_start", REPLY), {"asked": "carrier", "carrier_category": None}),
        (None, (WORDS,), {"asked": None, "carrier_category": None, "local_category": None}),
    ],
)
async def test_of_a_labelled_call_what_the_one_detector_found_is_kept(workspace, kept, detection, evidence, found):
    claim = await answered(workspace, detection)
    await says(workspace, claim, "machine", *evidence)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    await set_truth(workspace.engine, workspace.id, claim.call_id, AnsweredBy.HUMAN, by=COMMAND_LINE)
    (row,) = await kept()
    assert row["truth"] == "human"
    assert {name: row[name] for name in found} == found


async def test_it_is_of_calls_of_this_workspace_that_somebody_answered(workspace, make_workspace):
    async def refused(call_id, of=workspace.id):
        with pytest.raises((Conflict, NotFound)) as refusal:
            await set_truth(workspace.engine, of, call_id, AnsweredBy.HUMAN, by=COMMAND_LINE)
        return refusal.value.code

    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.BUSY)
    assert await refused(claim.call_id) == "call_not_answered"
    assert await refused(claim.call_id, of=(await make_workspace()).id) == "call_not_found"
    assert await refused("call_\0") == "call_not_found"


async def test_each_dial_is_compared_by_itself_and_the_last_one_labelled(workspace, kept):
    retry = {"max_attempts": 2, "on": ["machine"], "delays_s": [0]}
    claim = await workspace.dialed(detection=BOTH, retry=retry)
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await says(workspace, claim, "machine", "twilio:machine_start")
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.MACHINE)
    (again,) = await workspace.claim()
    await workspace.dial(again)
    await workspace.hears(again.attempt_id, CallState.IN_PROGRESS)
    await says(workspace, again, "human", "twilio:human")
    await workspace.hears(again.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    await set_truth(workspace.engine, workspace.id, claim.call_id, AnsweredBy.HUMAN, by=COMMAND_LINE)
    rows = {row["attempt_id"]: (row["carrier_category"], row["truth"]) for row in await kept()}
    assert rows == {claim.attempt_id: ("machine", None), again.attempt_id: ("human", "human")}
