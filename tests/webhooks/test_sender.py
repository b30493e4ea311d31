"""Events told to receivers on this machine, in the order in which they happened."""

from outdial.telephony.state import CallState, EndReason
from workspace import until


async def whole_call(workspace, **columns) -> str:
    claim = await workspace.dialed(**columns)
    await workspace.hears(claim.attempt_id, CallState.RINGING)
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    return claim.call_id


def received(receiver, count: int):
    async def enough() -> bool:
        return len(receiver.received) >= count

    return enough


async def test_a_call_is_told_in_order_and_signed(workspace, receiver, add_webhook, tells):
    webhook = await add_webhook(receiver.url)
    call_id = await whole_call(workspace, metadata={"order": 17})
    await until(received(receiver, 4))
    types = [body["type"] for body in receiver.bodies]
    assert types == ["call.dialing", "call.ringing", "call.answered", "call.ended"]
    assert [body["sequence"] for body in receiver.bodies] == [1, 2, 3, 4]
    assert {body["data"]["call"]["id"] for body in receiver.bodies} == {call_id}
    assert receiver.bodies[0]["data"]["call"]["metadata"] == {"order": 17}
    assert receiver.bodies[3]["data"]["call"]["end_reason"] == "completed"
    receiver.verify(webhook["secret"])
