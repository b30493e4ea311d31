"""One whole call over real sockets, judged by Vonage's own SDK."""

import pytest

from outdial.media.tones import tone
from simulator.vonage.customer import Socket

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_call_is_dialled_answered_streamed_and_reported_as_vonage_does(setup):
    customer = setup.customer

    async def talk(media: Socket) -> None:
        await media.until("connected")
        await media.say(tone((200,), 400), mark="greeting")
        await media.until("notify")

    customer.talk = talk
    customer.replies["answer"] = [customer.connect()]
    reply = await setup.create(answer_url=[customer.url("answer")], answer_method="POST")
    assert reply.status_code == 201
    call = reply.json()
    assert (call["status"], call["direction"]) == ("started", "outbound")
    final = await customer.wait_for_end(call["uuid"])

    assert customer.events(call["uuid"]) == ["started", "ringing", "answered", "completed"]
    [socket_leg] = {body["uuid"] for body in customer.socket_events()}
    assert socket_leg != call["uuid"]
    assert customer.events(socket_leg) == ["started", "answered", "disconnected", "completed"]
    assert {body["conversation_uuid"] for body in customer.named("event")} == {call["conversation_uuid"]}
    assert final["sip_code"] == 200
    assert final["disconnected_by"] == "platform"
    assert all(item.genuine for item in customer.received)
    [asked] = customer.named("answer")
    assert asked == {
        "from": setup.number,
        "to": "12025550100",
        "uuid": call["uuid"],
        "conversation_uuid": call["conversation_uuid"],
        "endpoint_type": "phone",
        "region_url": setup.simulator.base_url,
    }

    [media] = customer.sockets
    assert media.messages[0] == {
        "event": "websocket:connected",
        "content-type": "audio/l16;rate=8000",
        "call_id": "call_1",
    }
    assert media.frame_bytes == {320}
    assert (await setup.fetch(call["uuid"]))["status"] == "completed"
