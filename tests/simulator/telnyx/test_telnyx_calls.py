"""Whole calls over real sockets: what the customer's server sees of each kind of callee."""

import asyncio
import base64
import json
from pathlib import Path

import pytest

from outdial.media.tones import tone
from outdial.simulator.phone import is_loud
from outdial.simulator.telnyx.parameters import Dial, Hooks
from simulator.telnyx.telnyx_customer import Stream

pytestmark = pytest.mark.asyncio(loop_scope="session")

SPEECH = tone((150, 300), 600)
CALLBACKS = json.loads((Path(__file__).parents[2] / "carriers/fixtures/telnyx_callbacks.json").read_text())["scenarios"]


async def sound(stream: Stream) -> None:
    """Until the callee has said something."""
    for wanted in (True, False):
        await stream.until("media")
        while is_loud(bytes(stream.heard[-320:])) is not wanted:
            await stream.until("media")


@pytest.mark.parametrize(
    ("callee", "state", "scenario", "fields"),
    [
        ("02", "failed", "declined", {}),
        ("03", "busy", "busy", {}),
        ("04", "no-answer", "no_answer_timeout", {"timeout_secs": 5}),
        ("04", "no-answer", "no_answer", {"timeout_secs": 5, "retry_on_timeout": False}),
        ("07", "failed", "number_not_found", {}),
    ],
)
async def test_a_call_that_nobody_answers_ends_with_telnyxs_cause(setup, callee, state, scenario, fields):
    customer = setup.customer
    call = await setup.place(callee, **fields)
    hangup = await customer.event("call.hangup")
    expected = CALLBACKS[scenario][-1]["json"]["data"]["payload"]
    assert customer.events() == ["call.initiated", "call.hangup"]  # nothing tells that it rings
    assert list(hangup) == list(expected)
    for name in ("hangup_cause", "hangup_source", "sip_hangup_cause", "state", "tags"):
        assert hangup[name] == expected[name]
    assert all(item.genuine for item in customer.received)
    [known] = await setup.known()
    assert (known["sid"], known["state"], known["carrier"]) == (call["call_control_id"], state, "telnyx")


async def test_a_call_can_be_canceled_while_it_rings(setup):
    call = await setup.place("04", timeout_secs=600)
    await setup.customer.event("call.initiated")
    assert (await setup.act(call["call_control_id"], "hangup")).status_code == 200
    hangup = await setup.customer.event("call.hangup")
    assert (hangup["hangup_cause"], hangup["sip_hangup_cause"]) == ("originator_cancel", "487")
    assert hangup["hangup_source"] == "caller"


async def test_a_call_that_is_too_long_is_ended(setup):
    account = setup.simulator.telnyx
    dial = Dial(  # through REST, half a minute is the shortest limit
        to="+12025550111",
        from_=setup.config.numbers[0],
        hooks=Hooks(url=setup.customer.url("events")),
        time_limit_s=0,
    )
    account.start(account.prepare(next(iter(account.applications.values())), dial))
    hangup = await setup.customer.event("call.hangup")
    assert (hangup["hangup_cause"], hangup["hangup_source"]) == ("time_limit", "unknown")


async def test_a_callee_who_hangs_up_ends_the_call_and_the_stream(setup):
    async def talk(stream: Stream) -> None:
        await sound(stream)  # hello
        await stream.say(SPEECH)
        await sound(stream)
        await stream.say(SPEECH * 5)
        await stream.until("stop")

    customer = setup.customer
    customer.talk = talk
    await setup.place("13", **setup.streaming())
    hangup = await customer.event("call.hangup", 20)
    assert (hangup["hangup_cause"], hangup["hangup_source"]) == ("normal_clearing", "callee")
    assert customer.events()[-2:] == ["streaming.stopped", "call.hangup"]
    await customer.wait_for(lambda: customer.streams[0].closed)
    assert customer.streams[0].messages[-1]["event"] == "stop"


async def test_a_pressed_digit_arrives_on_the_stream_and_as_a_callback(setup):
    async def talk(stream: Stream) -> None:
        await stream.until("start")
        await stream.say(SPEECH)
        await stream.until("dtmf")

    setup.customer.talk = talk
    await setup.place("14", **setup.streaming())
    assert (await setup.customer.event("call.dtmf.received"))["digit"] == "1"
    await setup.customer.wait_for(lambda: setup.customer.streams[0].closed)
    assert setup.customer.streams[0].of("dtmf")[0]["dtmf"] == {"digit": "1"}


async def test_digits_sent_on_answer_bring_us_past_a_phone_menu(setup):
    call = await setup.place("10", send_digits_on_answer="w1")
    await setup.customer.event("call.answered")
    live = setup.simulator.telnyx.live[call["call_control_id"]]
    async with asyncio.timeout(30):
        while not live.line.phone.heard_digits:  # noqa: ASYNC110 - a phone has no event for it
            await asyncio.sleep(0.02)
    await setup.act(call["call_control_id"], "hangup")
    await setup.customer.event("call.hangup")
    [known] = await setup.known()
    assert known["heard_digits"] == "1"


async def test_the_streams_codec_is_the_legs_unless_one_is_asked_for(setup):
    customer = setup.customer

    async def talk(stream: Stream) -> None:
        await stream.until("media")

    customer.talk = talk
    await setup.place("11", **setup.streaming(stream_codec=None))
    await setup.place("11", **setup.streaming(stream_codec="L16"))
    await customer.wait_for(lambda: [stream.closed for stream in customer.streams] == [True, True])
    assert {stream.encoding for stream in customer.streams} == {"PCMA", "L16"}
    for stream in customer.streams:
        frame = base64.b64decode(stream.of("media")[0]["media"]["payload"])
        assert len(frame) == (160 if stream.encoding == "PCMA" else 640)


async def test_audio_in_mp3_mode_is_not_heard(setup):
    async def talk(stream: Stream) -> None:
        await stream.until("start")
        await stream.say(SPEECH, mark="spoken")
        await stream.until("mark")

    setup.customer.talk = talk
    await setup.place("11", **setup.streaming(stream_bidirectional_mode=None))
    await setup.customer.wait_for(lambda: setup.customer.streams and setup.customer.streams[0].closed)
    [stream] = setup.customer.streams
    assert stream.of("error")[0]["payload"]["title"] == "rate_limit_reached"


async def test_a_voicemail_is_told_beside_the_running_stream(setup):
    customer = setup.customer
    await setup.place("05", **setup.streaming(), answering_machine_detection="detect_beep")
    assert (await customer.event("call.machine.detection.ended"))["result"] == "machine"
    assert (await customer.event("call.machine.greeting.ended"))["result"] == "beep_detected"
    assert customer.streams[0].of("media")
    assert customer.events().index("streaming.started") < customer.events().index("call.machine.detection.ended")
    expected = CALLBACKS["voicemail_beep"]
    for name in ("call.machine.detection.ended", "call.machine.greeting.ended"):
        fixture = next(item["json"] for item in expected if item["json"]["data"]["event_type"] == name)
        assert list(customer.of(name)[0].payload) == list(fixture["data"]["payload"])
    [known] = await setup.known()
    assert known["answered_by"] == "machine"


async def test_premium_detection_has_events_of_its_own(setup):
    await setup.place("00", answering_machine_detection="premium")
    ended = await setup.customer.event("call.machine.premium.detection.ended")
    assert ended["result"] == "human_residence"


async def test_a_stream_that_cannot_be_opened_is_told_and_leaves_the_call_up(setup):
    call = await setup.place("11", **setup.streaming(stream_url="ws://127.0.0.1:1/nobody"))
    failed = await setup.customer.event("streaming.failed")
    fixture = json.loads((Path(__file__).parents[2] / "carriers/fixtures/telnyx_callbacks.json").read_text())["single"]
    assert list(failed) == list(fixture["streaming_failed"]["json"]["data"]["payload"])
    assert failed["failure_reason"] == "connection_failed"
    reply = await setup.http.get(f"/calls/{call['call_control_id']}")
    assert reply.json()["data"]["is_alive"] is True


async def test_calls_outside_what_the_account_may_do_are_hung_up_with_403(setup):
    before = len(setup.customer.received)
    await setup.place("00", **{"from": "+15559998888"})
    await setup.place("00", to="+442079460001")
    await setup.customer.wait_for(lambda: len(setup.customer.of("call.hangup")) == 2)
    assert before == 0
    for item in setup.customer.of("call.hangup"):
        assert (item.payload["hangup_cause"], item.payload["sip_hangup_cause"]) == ("call_rejected", "403")
    notes = sorted(call["notifications"][0]["message"] for call in await setup.known())
    assert notes[0].startswith("D51")
    assert "whitelisted_destinations" in notes[1]


async def test_the_cost_is_told_when_the_application_wants_it(start_telnyx):
    async with start_telnyx() as setup:
        application = next(iter(setup.simulator.telnyx.applications.values()))
        application.call_cost_in_webhooks = True
        call_control_id = await setup.answered()
        await setup.act(call_control_id, "hangup")
        told = await setup.customer.event("call.cost")
        expected = CALLBACKS["answered_by_human"][-1]["json"]["data"]["payload"]
        assert {name: type(value) for name, value in told.items()} == {
            name: type(value) for name, value in expected.items()
        }
        assert (told["total_cost"], told["billed_duration_secs"]) == ("0.0070", 60)
        records = (await setup.http.get("/detail_records", params={"filter[record_type]": "sip-trunking"})).json()
        assert [record["cost"] for record in records["data"]] == ["0.0050"]
