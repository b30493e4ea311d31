"""One whole call over real sockets, judged by Twilio's own request validator."""

import pytest

from outdial.media.tones import tone
from simulator.customer import Stream

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_call_is_dialled_answered_streamed_and_reported_in_twilios_order(setup):
    async def talk(stream: Stream) -> None:
        await stream.until("start")
        await stream.say(tone((200,), 400), mark="greeting")
        await stream.until("mark")

    setup.customer.talk = talk
    call = await setup.place(twiml=setup.customer.connect(call_id="call_1"))
    assert call["status"] == "queued"
    final = await setup.customer.wait_for_end()

    assert setup.customer.statuses() == ["initiated", "ringing", "in-progress", "completed"]
    assert [item.form["SequenceNumber"] for item in setup.customer.named("status")] == ["0", "1", "2", "3"]
    assert final["SipResponseCode"] == "200"
    assert final["CallSid"] == call["sid"]
    assert all(item.genuine for item in setup.customer.received)

    [stream] = setup.customer.streams
    assert stream.genuine
    assert [message["event"] for message in stream.messages[:3]] == ["connected", "start", "media"]
    assert stream.messages[1]["start"]["customParameters"] == {"call_id": "call_1"}
    assert [item.form["StreamEvent"] for item in setup.customer.named("stream")] == [
        "stream-started",
        "stream-stopped",
    ]
    assert (await setup.fetch(call["sid"]))["status"] == "completed"
