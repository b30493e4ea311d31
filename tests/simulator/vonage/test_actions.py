"""Each NCCO action, as the phone and the customer's server notice it."""

import asyncio
import io
import json
import wave
from pathlib import Path

import pytest

from outdial.media.tones import tone
from simulator.vonage.customer import Socket

pytestmark = pytest.mark.asyncio(loop_scope="session")

SINGLE = json.loads((Path(__file__).parents[2] / "carriers/fixtures/vonage_callbacks.json").read_text())["single"]
PAUSE = {"action": "wait", "timeout": 60}


def told(setup, name: str, **payload) -> dict:
    """An action that tells us how far an NCCO has come."""
    return {"action": "notify", "payload": payload, "eventUrl": [setup.customer.url(name)]}


def wav(ms: int, rate_hz: int = 16000) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate_hz)
        out.writeframes(b"\x00\x10" * (rate_hz * ms // 1000))
    return file.getvalue()


async def test_talk_stream_wait_and_notify_run_in_order_and_the_call_ends(setup):
    setup.customer.files["file"] = wav(200)
    uuid = await setup.place(
        "11",
        ncco=[
            {"action": "talk", "text": "<speak>Hello <break time='1s'/></speak>", "loop": 2},
            told(setup, "told", at="talk"),
            {"action": "stream", "streamUrl": [setup.customer.url("file")], "level": -0.5},
            {"action": "wait", "timeout": 0.1},
            told(setup, "told", at="end"),
        ],
    )
    final = await setup.customer.wait_for_end(uuid)
    assert [body["payload"]["at"] for body in setup.customer.named("told")] == ["talk", "end"]
    names = [item.name for item in setup.customer.received if item.name in ("told", "file")]
    assert names == ["told", "file", "told"]
    assert final["disconnected_by"] == "platform"


async def test_the_reply_to_a_notify_replaces_what_follows(setup):
    setup.customer.replies["first"] = [told(setup, "second")]
    uuid = await setup.place("11", ncco=[told(setup, "first"), told(setup, "never")])
    await setup.customer.wait_for_end(uuid)
    assert setup.customer.named("second")
    assert not setup.customer.named("never")


async def test_a_file_that_cannot_be_played_is_an_error_event(setup):
    setup.customer.files["file"] = b"not a wav"
    uuid = await setup.place(
        "11",
        ncco=[
            {"action": "stream", "streamUrl": [setup.customer.url("file")]},
            {"action": "stream", "streamUrl": ["https://voice.example/elsewhere.mp3"]},
        ],
    )
    await setup.customer.wait_for_end(uuid)
    errors = [body for body in setup.customer.named("event") if "reason" in body]
    assert len(errors) == 2
    assert set(errors[0]) == set(SINGLE["error_bad_ncco"]["json"])


# -- digits


async def test_digits_are_collected_and_the_reply_goes_on(setup):
    setup.customer.replies["digits"] = [told(setup, "after")]
    uuid = await setup.place(
        "14",
        ncco=[
            {"action": "talk", "text": "Press one, or do not, please, as you like. " * 3, "bargeIn": True},
            {
                "action": "input",
                "type": ["dtmf"],
                "dtmf": {"maxDigits": 1, "timeOut": 8},
                "eventUrl": [setup.customer.url("digits")],
            },
            told(setup, "never"),
        ],
    )
    await setup.customer.wait_for_end(uuid)
    [digits] = setup.customer.named("digits")
    assert digits["dtmf"] == {"digits": "1", "timed_out": False}
    assert set(digits) == set(SINGLE["input_dtmf"]["json"])
    assert setup.customer.named("after")
    assert not setup.customer.named("never")


async def test_no_digits_time_out_and_speech_is_not_simulated(setup):
    event_url = [setup.customer.url("digits")]
    uuid = await setup.place(
        "11",
        ncco=[
            {"action": "input", "dtmf": {"timeOut": 0}, "eventUrl": event_url},
            {"action": "input", "type": ["speech"], "speech": {}, "eventUrl": event_url},
        ],
    )
    await setup.customer.wait_for_end(uuid)
    empty, speech = setup.customer.named("digits")
    assert empty["dtmf"] == {"digits": "", "timed_out": True}
    assert "error" in speech["speech"]


# -- websocket


async def test_the_callee_is_heard_and_hears_us(setup):
    async def talk(media: Socket) -> None:
        await media.until("connected")
        await media.listen(1500)
        await media.say(tone((200,), 300), mark="said")
        await media.until("notify")

    setup.customer.talk = talk
    record = {"action": "record", "split": "conversation", "channels": 2}
    uuid = await setup.place("00", ncco=[record, setup.customer.connect()])
    await setup.customer.wait_for_end(uuid)
    assert max(setup.customer.sockets[0].heard) > 0  # "Hello?"
    await setup.customer.wait_for(lambda: [body for body in setup.customer.named("event") if "recording_url" in body])
    [recorded] = [body for body in setup.customer.named("event") if "recording_url" in body]
    assert set(recorded) == set(SINGLE["record"]["json"])
    reply = await setup.http.get(recorded["recording_url"])
    assert len(reply.content) == recorded["size"]
    with wave.open(io.BytesIO(reply.content)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 8000)
        samples = file.readframes(file.getnframes())
    assert any(samples[2::4])  # ours, on the right


async def test_a_faster_websocket_gets_bigger_frames(setup):
    async def talk(media: Socket) -> None:
        await media.until("connected")
        await media.receive()

    setup.customer.talk = talk
    uuid = await setup.place("11", ncco=[setup.customer.connect(16000), setup.customer.connect(24000)])
    await setup.customer.wait_for_end(uuid)
    assert [media.frame_bytes for media in setup.customer.sockets] == [{640}, {960}]


async def test_the_handshake_is_signed_when_that_is_asked_for(setup):
    async def talk(media: Socket) -> None:
        await media.until("connected")

    setup.customer.talk = talk
    ways = ({}, {"authorization": {"type": "vonage"}}, {"authorization": {"type": "custom", "value": "Key 1"}})
    connects = [{"action": "connect", "endpoint": [setup.customer.endpoint(**way)]} for way in ways]
    uuid = await setup.place("11", ncco=connects)
    await setup.customer.wait_for_end(uuid)
    given = [media.authorization for media in setup.customer.sockets]
    assert (given[0], given[2]) == ("", "Key 1")
    assert setup.verifies(given[1].removeprefix("Bearer "))


async def test_a_websocket_that_fails_is_told_and_a_synchronous_connect_may_go_on_otherwise(setup):
    setup.customer.refuses_sockets = True
    plain = await setup.place("11", ncco=[setup.customer.connect(), told(setup, "went_on")])
    await setup.customer.wait_for_end(plain)
    failed = next(body for body in setup.customer.socket_events() if body["status"] == "failed")
    assert set(failed) == set(SINGLE["websocket_failed"]["json"])
    assert setup.customer.named("went_on")

    setup.customer.replies["socket"] = [told(setup, "instead")]
    connect = setup.customer.connect(eventType="synchronous", eventUrl=[setup.customer.url("socket")])
    uuid = await setup.place("11", ncco=[connect, told(setup, "never")])
    await setup.customer.wait_for_end(uuid)
    assert [body["status"] for body in setup.customer.named("socket")] == ["started", "failed"]
    assert setup.customer.named("instead")
    assert not setup.customer.named("never")


async def test_a_closed_websocket_is_told_and_the_ncco_goes_on(setup):
    async def talk(media: Socket) -> None:
        await media.until("connected")

    setup.customer.talk = talk
    uuid = await setup.place("11", ncco=[setup.customer.connect(), told(setup, "went_on")])
    await setup.customer.wait_for_end(uuid)
    broken = next(body for body in setup.customer.socket_events() if body["status"] == "disconnected")
    assert set(broken) == set(SINGLE["websocket_disconnected"]["json"])
    assert setup.customer.named("went_on")


# -- another phone


def dial(setup, callee: str, **action) -> dict:
    endpoint = {"type": "phone", "number": f"120255501{callee}"}
    return {"action": "connect", "from": setup.number, "endpoint": [endpoint], **action}


async def test_two_phones_hear_each_other(setup):
    uuid = await setup.place("11", ncco=[dial(setup, "00"), told(setup, "after")])
    await setup.customer.wait_for(lambda: len(setup.account.live) == 2)
    child = next(live for live in setup.account.live.values() if live.leg.uuid != uuid)
    await child.answered.wait()
    assert (await setup.fetch(child.leg.uuid))["from"]["number"] == setup.number
    await setup.update(child.leg.uuid, action="hangup")
    final = await setup.customer.wait_for_end(child.leg.uuid)
    assert final["conversation_uuid"] == (await setup.fetch(uuid))["conversation_uuid"]
    await setup.customer.wait_for_end(uuid)
    assert setup.customer.named("after")
    parent, other = await setup.dialled()
    assert (parent["direction"], other["direction"]) == ("outbound-api", "outbound-dial")


async def test_when_the_first_phone_hangs_up_the_other_is_let_go(setup):
    uuid = await setup.place("11", ncco=[dial(setup, "11")])
    await setup.customer.wait_for(lambda: setup.customer.events().count("answered") == 2)
    await setup.update(uuid, action="hangup")
    await setup.customer.wait_for(lambda: setup.customer.events().count("completed") == 2)


async def test_a_connected_phone_can_be_transferred_away(setup):
    uuid = await setup.place("11", ncco=[dial(setup, "11"), told(setup, "after")])
    await setup.customer.wait_for(lambda: setup.customer.events().count("answered") == 2)
    child = next(each for each in setup.account.live if each != uuid)
    destination = {"type": "ncco", "ncco": [told(setup, "elsewhere")]}
    assert (await setup.update(child, action="transfer", destination=destination)).status_code == 204
    await setup.customer.wait_for_end(child)
    await setup.customer.wait_for_end(uuid)
    [elsewhere], [after] = setup.customer.named("elsewhere"), setup.customer.named("after")
    assert (elsewhere["uuid"], after["uuid"]) == (child, uuid)
    assert elsewhere["conversation_uuid"] != after["conversation_uuid"]


async def test_a_synchronous_connect_asks_what_to_do_when_nobody_answers(setup):
    setup.customer.replies["transfer"] = [told(setup, "instead")]
    connect = dial(setup, "03", eventType="synchronous", eventUrl=[setup.customer.url("transfer")], timeout=5)
    uuid = await setup.place("11", ncco=[connect, told(setup, "never")])
    await setup.customer.wait_for_end(uuid)
    assert [body["status"] for body in setup.customer.named("transfer")] == ["started", "ringing", "busy"]
    assert setup.customer.named("instead")
    assert not setup.customer.named("never")


async def test_endpoints_that_are_not_simulated_are_an_error_event(setup):
    endpoint = {"type": "sip", "uri": "sip:a@b.example"}
    uuid = await setup.place("11", ncco=[{"action": "connect", "endpoint": [endpoint]}])
    await setup.customer.wait_for_end(uuid)
    assert any("phones and websockets only" in body.get("reason", "") for body in setup.customer.named("event"))


# -- recording and rooms


async def test_a_recording_ends_at_its_own_condition(setup):
    start = asyncio.get_running_loop().time()
    uuid = await setup.place(
        "11",
        ncco=[
            {
                "action": "record",
                "endOnSilence": 3,
                "timeOut": 10,
                "beepStart": True,
                "format": "wav",
                "eventUrl": [setup.customer.url("recorded")],
            }
        ],
    )
    await setup.customer.wait_for_end(uuid)
    assert asyncio.get_running_loop().time() - start > 3
    [recorded] = setup.customer.named("recorded")
    with wave.open(io.BytesIO((await setup.http.get(recorded["recording_url"])).content)) as file:
        assert file.getnchannels() == 1
        assert 3 <= file.getnframes() / 8000 < 4


class Ear:
    def __init__(self) -> None:
        self.heard_somebody = asyncio.Event()

    def add(self, said: bytes, heard: bytes) -> None:
        if any(heard):
            self.heard_somebody.set()


async def test_phones_in_a_room_hear_each_other_until_the_moderator_leaves(setup):
    room = {"action": "conversation", "name": "clinic"}
    moderator = await setup.place("11", ncco=[{**room, "endOnExit": True}])
    guest = await setup.place("00", ncco=[{**room, "startOnEnter": False}, told(setup, "after")])
    await setup.customer.wait_for(lambda: setup.customer.events().count("answered") == 2)
    await setup.customer.wait_for(
        lambda: len([body for body in setup.customer.named("event") if "conversation_uuid_to" in body]) == 2
    )
    rooms = {(await setup.fetch(uuid))["conversation_uuid"] for uuid in (moderator, guest)}
    assert len(rooms) == 1
    ear = Ear()
    setup.account.live[moderator].audio.listeners.add(ear)
    async with asyncio.timeout(30):
        await ear.heard_somebody.wait()  # the guest's "Hello?"
    await setup.update(moderator, action="hangup")
    await setup.customer.wait_for_end(guest)
    assert setup.customer.named("after")
