"""One whole call over real sockets, its callbacks judged by Telnyx's SDK and compared with the fixtures."""

import json
from pathlib import Path

import pytest

from outdial.media.tones import tone
from simulator.telnyx.telnyx_customer import Stream

pytestmark = pytest.mark.asyncio(loop_scope="session")

FIXTURES = Path(__file__).parents[2] / "carriers/fixtures"
CALLBACKS = json.loads((FIXTURES / "telnyx_callbacks.json").read_text())
MEDIA = json.loads((FIXTURES / "telnyx_media_stream.json").read_text())


def shape(value: object) -> object:
    """Names in order, and types."""
    if isinstance(value, dict):
        return [(name, shape(item)) for name, item in value.items()]
    return type(value)


def unordered(value: object) -> object:
    if isinstance(value, dict):
        return {name: unordered(item) for name, item in value.items()}
    return type(value)


def fixture(scenario: str, name: str) -> dict:
    return next(item["json"] for item in CALLBACKS["scenarios"][scenario] if item["name"] == name)


async def test_a_call_is_dialled_answered_streamed_and_reported_in_telnyxs_words(setup):
    async def talk(stream: Stream) -> None:
        await stream.until("start")
        await stream.say(tone((200,), 400), mark="greeting")
        await stream.until("mark")

    customer = setup.customer
    customer.talk = talk
    call = await setup.place(**setup.streaming(), answering_machine_detection="detect")
    assert call["is_alive"] is False
    await customer.event("streaming.stopped")  # we closed the websocket: the call goes on
    assert (await setup.act(call["call_control_id"], "hangup")).json() == {"data": {"result": "ok"}}
    hangup = await customer.event("call.hangup")

    assert customer.events()[:3] == ["call.initiated", "call.answered", "streaming.started"]
    assert all(item.genuine for item in customer.received)
    assert {item.payload["call_control_id"] for item in customer.received} == {call["call_control_id"]}
    assert (hangup["hangup_cause"], hangup["hangup_source"], hangup["sip_hangup_cause"]) == (
        "normal_clearing",
        "caller",
        "200",
    )
    for event, name in (
        ("call.initiated", "call.initiated"),
        ("call.answered", "call.answered"),
        ("streaming.started", "streaming.started"),
        ("streaming.stopped", "streaming.stopped"),
        ("call.hangup", "call.hangup_normal_clearing"),
    ):
        assert shape(customer.of(event)[0].body) == shape(fixture("answered_by_human", name))

    [stream] = customer.streams
    assert [message["event"] for message in stream.messages[:3]] == ["connected", "start", "media"]
    recorded = [json.loads(item["text"]) for item in MEDIA["messages"] if item["direction"] == "in"]
    assert [unordered(message) for message in stream.messages[:3]] == [unordered(m) for m in recorded[:3]]
    assert stream.messages[1]["start"]["client_state"] == "Y2FsbF8x"
