"""What a call can be told to do: speech, files, digits, streams, transfer; and calls from outside."""

import asyncio
import io
import wave

import pytest

from outdial.media.tones import tone
from outdial.simulator.phone import is_loud
from simulator.telnyx.telnyx_customer import Stream

pytestmark = pytest.mark.asyncio(loop_scope="session")

OK = {"data": {"result": "ok"}}
SPEAK = {"payload": "All lines are busy.", "voice": "female", "language": "en-US"}


def wav(pcm: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(8000)
        writer.writeframes(pcm)
    return file.getvalue()


async def test_speech_and_files_are_played_one_after_the_other(setup):
    customer = setup.customer
    customer.files["hello.wav"] = wav(tone((440,), 200))
    call_control_id = await setup.answered()
    assert (await setup.act(call_control_id, "speak", **SPEAK)).json() == OK
    url = customer.url("hello.wav")
    assert (await setup.act(call_control_id, "playback_start", audio_url=url, loop=2)).json() == OK
    ended = await customer.event("call.playback.ended")
    assert (ended["status"], ended["media_url"], ended["overlay"]) == ("completed", url, False)
    assert [event for event in customer.events() if "speak" in event or "playback" in event] == [
        "call.speak.started",
        "call.speak.ended",
        "call.playback.started",
        "call.playback.ended",
    ]
    assert customer.of("call.speak.ended")[0].payload["status"] == "completed"


async def test_what_plays_can_be_stopped(setup):
    call_control_id = await setup.answered()
    await setup.act(call_control_id, "speak", **{**SPEAK, "loop": "infinity"})
    await setup.act(call_control_id, "speak", **SPEAK)  # waits
    await setup.customer.event("call.speak.started")
    assert (await setup.act(call_control_id, "playback_stop", stop="all")).json() == OK
    await setup.customer.event("call.speak.ended")
    await setup.act(call_control_id, "hangup")
    await setup.customer.event("call.hangup")
    assert setup.customer.events().count("call.speak.started") == 1


async def test_a_file_that_is_elsewhere_or_no_wav_is_told_as_failed(setup):
    setup.customer.files["no.wav"] = b"no"
    call_control_id = await setup.answered()
    for url in ("https://voice.example/hello.wav", setup.customer.url("no.wav")):
        await setup.act(call_control_id, "playback_start", audio_url=url)
    await setup.customer.wait_for(lambda: len(setup.customer.of("call.playback.ended")) == 2)
    assert {item.payload["status"] for item in setup.customer.of("call.playback.ended")} == {"failed"}


async def test_the_end_of_the_call_ends_what_plays(setup):
    call_control_id = await setup.answered()
    await setup.act(call_control_id, "speak", **{**SPEAK, "loop": 100})
    await setup.customer.event("call.speak.started")
    await setup.act(call_control_id, "hangup")
    assert (await setup.customer.event("call.speak.ended"))["status"] == "call_hangup"


async def test_digits_are_heard_by_the_callee(setup):
    call_control_id = await setup.answered("10")
    assert (await setup.act(call_control_id, "send_dtmf", digits="1wa", duration_millis=100)).json() == OK
    phone = setup.simulator.telnyx.live[call_control_id].line.phone
    async with asyncio.timeout(30):
        while phone.heard_digits != "1A":  # noqa: ASYNC110 - a phone has no event for it
            await asyncio.sleep(0.02)


async def test_a_stream_can_be_started_and_stopped_in_the_call(setup):
    customer = setup.customer
    call_control_id = await setup.answered()
    assert (await setup.act(call_control_id, "streaming_start", **setup.streaming())).json() == OK
    await customer.event("streaming.started")
    again = await setup.act(call_control_id, "streaming_start", **setup.streaming())
    assert (again.status_code, again.json()["errors"][0]["code"]) == (422, "90045")
    assert (await setup.act(call_control_id, "streaming_stop")).json() == OK
    await customer.event("streaming.stopped")
    await customer.wait_for(lambda: customer.streams[0].closed)
    assert customer.streams[0].messages[-1]["event"] == "stop"
    assert (await setup.act(call_control_id, "streaming_start", **setup.streaming())).json() == OK


async def test_the_outbound_track_is_what_the_callee_hears(setup):
    async def talk(stream: Stream) -> None:
        while not is_loud(bytes(stream.heard[-320:])):
            await stream.until("media")

    customer = setup.customer
    customer.talk = talk
    call_control_id = await setup.answered(**setup.streaming(stream_track="outbound_track"))
    await setup.act(call_control_id, "speak", **{**SPEAK, "loop": 5})
    await customer.wait_for(lambda: customer.streams and customer.streams[0].closed)
    assert {message["media"]["track"] for message in customer.streams[0].of("media")} == {"outbound"}


async def test_client_state_is_in_every_later_event(setup):
    call_control_id = await setup.answered()
    path = f"/calls/{call_control_id}/actions/client_state_update"
    assert (await setup.http.put(path, json={"client_state": "bmV3"})).json() == OK
    await setup.act(call_control_id, "hangup")
    assert (await setup.customer.event("call.hangup"))["client_state"] == "bmV3"
    assert setup.customer.of("call.answered")[0].payload["client_state"] == "Y2FsbF8x"


@pytest.mark.parametrize(
    ("action", "body", "code"),
    [
        ("send_dtmf", {"digits": "1x"}, "10015"),
        ("send_dtmf", {}, "10004"),
        ("send_dtmf", {"digits": "1", "duration_millis": 501}, "10033"),
        ("speak", {"voice": "female"}, "10004"),
        ("speak", {"payload": "Hello"}, "10004"),
        ("playback_start", {}, "10004"),
        ("playback_start", {"media_name": "hello"}, "10015"),
        ("streaming_start", {}, "10004"),
        ("streaming_start", {"stream_url": "ws://voice.example"}, "10015"),
        ("streaming_start", {"stream_url": "wss://voice.example", "stream_codec": "pcmu"}, "10032"),
        ("transfer", {}, "10004"),
        ("transfer", {"to": "12025550100"}, "10016"),
        ("answer", {}, "10015"),
        ("reject", {"cause": "USER_BUSY"}, "10015"),
        ("hangup", {"client_state": "not base64"}, "10015"),
    ],
)
async def test_a_wrong_command_is_refused_and_changes_nothing(setup, action, body, code):
    call_control_id = await setup.answered()
    reply = await setup.act(call_control_id, action, **body)
    assert (reply.status_code, reply.json()["errors"][0]["code"]) == (422, code)
    assert setup.customer.events() == ["call.initiated", "call.answered"]


async def test_commands_at_the_wrong_time_get_telnyxs_codes(setup):
    call = await setup.place("04", timeout_secs=600)
    call_control_id = call["call_control_id"]

    async def code(action: str, **body) -> tuple[int, str]:
        reply = await setup.act(call_control_id, action, **body)
        return reply.status_code, reply.json()["errors"][0]["code"]

    assert await code("speak", **SPEAK) == (422, "90034")
    assert await code("send_dtmf", digits="1") == (422, "90034")
    await setup.act(call_control_id, "hangup")
    await setup.customer.event("call.hangup")
    assert await code("hangup") == (422, "90018")
    call_control_id = "v3:unknown"
    assert await code("hangup") == (422, "90015")


# -- transfer


async def test_a_transfer_connects_the_callee_with_somebody_else(setup):
    customer = setup.customer
    call_control_id = await setup.answered("11")
    reply = await setup.act(
        call_control_id,
        "transfer",
        to="+12025550113",
        **{"from": setup.config.numbers[0]},
        target_leg_client_state="Yg==",
        webhook_url=customer.url("target"),
    )
    assert reply.json() == OK
    await customer.wait_for(lambda: len(customer.of("call.bridged")) == 2)
    target = [item for item in customer.received if item.name == "target"]
    assert [item.event for item in target] == ["call.initiated", "call.answered", "call.bridged"]
    other = target[0].payload
    assert (other["to"], other["client_state"], other["direction"]) == ("+12025550113", "Yg==", "outgoing")
    assert other["call_control_id"] != call_control_id
    ours = next(item.payload for item in customer.of("call.bridged") if item.name == "events")
    assert (ours["call_control_id"], ours["call_session_id"]) == (call_control_id, other["call_session_id"])

    await setup.act(call_control_id, "hangup")
    await customer.wait_for(lambda: len(customer.of("call.hangup")) == 2)
    assert {item.payload["hangup_cause"] for item in customer.of("call.hangup")} == {"normal_clearing"}


async def test_the_two_sides_of_a_transfer_hear_each_other(setup):
    async def talk(stream: Stream) -> None:
        while not is_loud(bytes(stream.heard[-320:])):
            await stream.until("media")

    customer = setup.customer
    customer.talk = talk
    call_control_id = await setup.answered("11")  # silent itself
    await setup.act(call_control_id, "transfer", to="+12025550100", **{"from": setup.config.numbers[0]},
                    webhook_url=customer.url("target"))
    await customer.wait_for(lambda: len(customer.of("call.bridged")) == 2)
    await setup.act(call_control_id, "streaming_start", **setup.streaming(stream_track="outbound_track"))
    await customer.wait_for(lambda: customer.streams and customer.streams[0].closed)


async def test_when_the_other_side_of_a_transfer_hangs_up_the_call_is_over(setup):
    customer = setup.customer
    call_control_id = await setup.answered("11")
    await setup.act(call_control_id, "transfer", to="+12025550111", **{"from": setup.config.numbers[0]},
                    webhook_url=customer.url("target"))
    await customer.wait_for(lambda: len(customer.of("call.bridged")) == 2)
    target = next(item.payload for item in customer.of("call.bridged") if item.name == "target")
    setup.simulator.telnyx.live[target["call_control_id"]].line.hang_up()
    await customer.wait_for(lambda: len(customer.of("call.hangup")) == 2)
    sources = {item.name: item.payload["hangup_source"] for item in customer.of("call.hangup")}
    assert sources == {"target": "callee", "events": "caller"}


@pytest.mark.parametrize(("callee", "cause"), [("02", "call_rejected"), ("03", "user_busy"), ("07", "not_found")])
async def test_a_transfer_that_fails_leaves_the_call_up(setup, callee, cause):
    customer = setup.customer
    call_control_id = await setup.answered("11")
    await setup.act(call_control_id, "transfer", to=f"+120255501{callee}", **{"from": setup.config.numbers[0]},
                    webhook_url=customer.url("target"))
    assert (await customer.event("call.hangup"))["hangup_cause"] == cause
    assert customer.of("call.hangup")[0].name == "target"
    assert (await setup.http.get(f"/calls/{call_control_id}")).json()["data"]["is_alive"] is True


async def test_a_transfer_is_given_up_when_the_callee_hangs_up(setup):
    customer = setup.customer
    call_control_id = await setup.answered("11")
    await setup.act(call_control_id, "transfer", to="+12025550104", **{"from": setup.config.numbers[0]},
                    webhook_url=customer.url("target"), timeout_secs=600)
    await customer.wait_for(lambda: len(customer.of("call.initiated")) == 2)
    again = await setup.act(call_control_id, "transfer", to="+12025550100")
    assert again.status_code == 422
    await setup.act(call_control_id, "hangup")
    await customer.wait_for(lambda: len(customer.of("call.hangup")) == 2)
    causes = {item.name: item.payload["hangup_cause"] for item in customer.of("call.hangup")}
    assert causes == {"target": "originator_cancel", "events": "normal_clearing"}


async def test_the_callers_number_of_a_transfer_is_the_callees_unless_it_is_given(setup):
    """The callee's number isn't ours to show: Telnyx refuses it."""
    application = next(iter(setup.simulator.telnyx.applications.values()))
    application.webhook_event_url = setup.customer.url("application")
    call_control_id = await setup.answered("11")
    await setup.act(call_control_id, "transfer", to="+12025550100")
    hangup = await setup.customer.event("call.hangup")
    assert (hangup["from"], hangup["sip_hangup_cause"]) == ("+12025550111", "403")
    assert setup.customer.of("call.hangup")[0].name == "application"


# -- calls from outside


@pytest.fixture
def number(setup):
    """One of the account's numbers, connected to an application whose callbacks go to /application."""
    account = setup.simulator.telnyx
    application = next(iter(account.applications.values()))
    application.webhook_event_url = setup.customer.url("application")
    owned = next(iter(account.numbers.values()))
    owned.connection_id = application.id
    yield owned.phone_number
    owned.connection_id = None


async def call_in(setup, number: str, **fields) -> dict:
    reply = await setup.root.post("/_simulator/inbound", json={"to": number, **fields})
    assert reply.status_code == 201
    return reply.json()


async def test_a_simulated_person_can_call_and_is_answered_by_command(setup, number):
    async def talk(stream: Stream) -> None:
        await stream.until("media")

    customer = setup.customer
    customer.talk = talk
    called = await call_in(setup, number, **{"from": "+12025550100"})
    initiated = await customer.event("call.initiated")
    assert initiated["call_control_id"] == called["sid"]
    assert (initiated["direction"], initiated["state"]) == ("incoming", "parked")
    assert (initiated["from"], initiated["to"]) == ("+12025550100", number)
    assert "client_state" not in initiated

    answer = {**setup.streaming(), "webhook_url": customer.url("call"), "client_state": "aW5fMQ=="}
    assert (await setup.act(called["sid"], "answer", **answer)).json() == OK
    answered = await customer.event("call.answered")
    assert answered["client_state"] == "aW5fMQ=="
    await customer.event("streaming.stopped")
    assert customer.streams[0].messages[1]["start"]["to"] == number
    await setup.act(called["sid"], "speak", **SPEAK)
    await customer.event("call.speak.ended")
    await setup.act(called["sid"], "hangup")
    hangup = await customer.event("call.hangup")
    assert (hangup["hangup_cause"], hangup["hangup_source"]) == ("normal_clearing", "callee")
    assert {item.name for item in customer.received[1:]} == {"call"}
    assert all(item.genuine for item in customer.received)


@pytest.mark.parametrize(
    ("action", "body", "cause", "sip_code"),
    [
        ("reject", {"cause": "USER_BUSY"}, "user_busy", "486"),
        ("reject", {"cause": "CALL_REJECTED"}, "call_rejected", "603"),
        ("hangup", {}, "call_rejected", "603"),
    ],
)
async def test_an_incoming_call_can_be_declined(setup, number, action, body, cause, sip_code):
    called = await call_in(setup, number)
    await setup.customer.event("call.initiated")
    assert (await setup.act(called["sid"], "speak", **SPEAK)).json()["errors"][0]["code"] == "90034"
    assert (await setup.act(called["sid"], action, **body)).json() == OK
    hangup = await setup.customer.event("call.hangup")
    assert (hangup["hangup_cause"], hangup["sip_hangup_cause"]) == (cause, sip_code)
    assert hangup["hangup_source"] == "callee"


async def test_a_caller_whom_nobody_answers_gives_up(setup, number):
    await call_in(setup, number)
    hangup = await setup.customer.event("call.hangup")
    assert (hangup["hangup_cause"], hangup["hangup_source"]) == ("originator_cancel", "caller")


async def test_a_number_without_application_or_with_another_carrier_cannot_be_called(setup):
    for body in ({"to": setup.config.numbers[1]}, {"to": setup.config.numbers[0], "carrier": "twilio"}):
        reply = await setup.root.post("/_simulator/inbound", json=body)
        assert reply.status_code == 400


async def test_callbacks_of_version_1_are_not_simulated(setup, number):
    application = next(iter(setup.simulator.telnyx.applications.values()))
    application.webhook_api_version = "1"
    try:
        reply = await setup.root.post("/_simulator/inbound", json={"to": number})
        assert (reply.status_code, "version 1" in reply.json()["error"]) == (400, True)
        call = await setup.place("03")
        await setup.ended(call["call_control_id"])
        known = await setup.known()
        assert "webhook_api_version" in known[0]["notifications"][0]["message"]
        assert known[0]["sid"] == call["call_control_id"]
        assert setup.customer.received == []
    finally:
        application.webhook_api_version = "2"


# -- bridge


async def two_answered(setup) -> list[str]:
    placed = [await setup.place("11") for _ in range(2)]
    await setup.customer.wait_for(lambda: len(setup.customer.of("call.answered")) == 2)
    return [call["call_control_id"] for call in placed]


async def bridge(setup, one: str, **body):
    return await setup.http.post(f"/calls/{one}/actions/bridge", json=body)


async def test_two_answered_calls_are_bridged_and_end_with_each_other(setup):
    customer = setup.customer
    one, other = await two_answered(setup)
    assert (await bridge(setup, one, call_control_id=other)).json() == OK
    await customer.wait_for(lambda: len(customer.of("call.bridged")) == 2)
    await setup.act(other, "hangup")
    await customer.wait_for(lambda: len(customer.of("call.hangup")) == 2)
    assert {item.payload["hangup_cause"] for item in customer.of("call.hangup")} == {"normal_clearing"}


async def test_a_call_is_bridged_with_another_one_that_is_answered(setup):
    one = await setup.answered("11")
    for body, code in (({}, "10004"), ({"call_control_id": one}, "10015"), ({"call_control_id": "v3:gone"}, "10015")):
        reply = await bridge(setup, one, **body)
        assert (reply.status_code, reply.json()["errors"][0]["code"]) == (422, code)
