"""What becomes known of a call after its end was told, and what is told with the end."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from outdial.calls.events import add_event
from outdial.calls.results import Result, save_result
from outdial.telephony.state import CallState, EndedBy, EndReason
from outdial.webhooks import outbox
from outdial.webhooks.event_type import EventType
from workspace import until

BOTH = [EventType.ENDED, EventType.UPDATED]


@pytest.fixture
async def ended(workspace):
    """A call whose conversation's result isn't here: its attempt's id and its own."""
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await workspace.set_attempt(claim.attempt_id, stream_opened_at=datetime.now(UTC))
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    return claim


@pytest.fixture
def left(engine):
    """Whether nothing is left to be told."""

    async def left() -> bool:
        async with engine.connect() as conn:
            return not await conn.scalar(text("SELECT count(*) FROM webhook_outbox"))

    return left


async def bring(workspace, claim, **result):
    usual = {"noted": {}, "recording": None, "message_delivered": None, "transferred": False}
    await save_result(workspace.engine, claim.attempt_id, claim.call_id, Result(**usual | result))


async def tell(workspace, call_id, type_, data=None):
    async with workspace.engine.begin() as conn:
        await add_event(conn, call_id, type_, data or {})


def told(receiver):
    return [(body["type"], body["sequence"]) for body in receiver.bodies]


@pytest.mark.parametrize(
    ("brought", "seen"),
    [
        ({"noted": {"outcome": "confirmed"}}, ("outcome", "confirmed")),
        ({"recording": "a.wav"}, ("recording_url", "https://voice.example/v1/calls/{}/recording")),
    ],
)
async def test_what_a_conversation_brings_too_late_for_the_end_is_told_afterwards(
    workspace, receiver, add_webhook, ended, tells, monkeypatch, brought, seen
):
    monkeypatch.setattr(outbox, "LOOK_AGAIN", ())
    await add_webhook(receiver.url, events=BOTH)
    await tell(workspace, ended.call_id, "state", {"state": "ended"})  # the end, now that somebody listens

    async def one():
        return len(receiver.received) == 1

    await until(one)
    assert receiver.bodies[0]["data"]["complete"] is False
    await workspace.set_attempt(ended.attempt_id, ended_at=datetime.now(UTC) - timedelta(minutes=5))
    await bring(workspace, ended, **brought)
    await until(lambda: _two(receiver))
    assert told(receiver) == [("call.ended", 1), ("call.updated", 2)]
    name, value = seen
    assert receiver.bodies[1]["data"]["call"][name] == value.format(ended.call_id)


async def _two(receiver):
    return len(receiver.received) == 2


async def test_an_end_that_waits_is_told_before_the_wrap_up_of_its_call(
    workspace, receiver, add_webhook, ended, tells, left, monkeypatch
):
    monkeypatch.setattr(outbox, "AFTER_END_S", 0.1)
    await add_webhook(receiver.url, events=BOTH)
    await tell(workspace, ended.call_id, "state", {"state": "ended"})
    await tell(workspace, ended.call_id, "wrapped_up", {"result": "done"})
    await bring(workspace, ended, noted={"name": "Jane"})
    await until(lambda: _two(receiver))
    assert told(receiver) == [("call.ended", 1), ("call.updated", 2)]
    await until(left)


async def test_what_is_known_by_the_end_is_told_with_it_alone(
    workspace, receiver, add_webhook, ended, tells, left
):
    await bring(workspace, ended, noted={"outcome": "confirmed"}, ended_by=EndedBy.AGENT)
    await until(left)  # while nobody listens
    await add_webhook(receiver.url, events=BOTH)
    await tell(workspace, ended.call_id, "state", {"state": "ended"})
    await tell(workspace, ended.call_id, "outcome", {"outcome": "confirmed"})
    await until(left)

    async def one():
        return len(receiver.received) >= 1

    await until(one)
    assert told(receiver)[0][0] == "call.ended"
    assert all(body["data"]["call"]["outcome"] == "confirmed" for body in receiver.bodies)


async def test_what_is_noted_while_a_call_lasts_is_no_update(workspace, receiver, add_webhook, tells, left):
    await add_webhook(receiver.url, events=BOTH)
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await tell(workspace, claim.call_id, "noted", {"values": {"a": 1}})
    await until(left)
    assert receiver.received == []
