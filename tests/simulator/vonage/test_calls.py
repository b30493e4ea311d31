"""Every callee, and every way a call can be asked for and end, in Vonage's words."""

import asyncio
import json
from pathlib import Path

import pytest

from simulator.vonage.customer import Socket

pytestmark = pytest.mark.asyncio(loop_scope="session")

CALLBACKS = json.loads((Path(__file__).parents[2] / "carriers/fixtures/vonage_callbacks.json").read_text())
SCENARIOS = CALLBACKS["scenarios"]
PAUSE = [{"action": "wait", "timeout": 60}]


def published(scenario: str) -> list[dict]:
    """The events of a fixture's scenario."""
    return [callback["json"] for callback in SCENARIOS[scenario] if callback.get("json")]


def shape(event: dict) -> tuple[str, frozenset[str]]:
    return event["status"], frozenset(event)


async def test_calls_nobody_answers_end_as_published(start):
    wanted = [
        ("03", "busy", {}),
        ("04", "no_answer_ringing_timer", {"ringing_timer": 3}),
        ("04", "unanswered", {"ringing_timer": 120}),
        ("02", "declined", {}),
        ("07", "failed_cannot_route", {}),
    ]
    async with start(pace=0.01) as setup:
        for callee, scenario, fields in wanted:
            uuid = await setup.place(callee, **fields)
            final = await setup.customer.wait_for_end(uuid)
            events = [event for event in setup.customer.named("event") if event["uuid"] == uuid]
            assert [shape(event) for event in events] == [shape(event) for event in published(scenario)]
            theirs = published(scenario)[-1]
            for name in ("sip_code", "disconnected_by"):
                assert final.get(name) == theirs.get(name)
            assert (await setup.fetch(uuid))["status"] == theirs["status"]


async def test_a_number_no_network_has_is_accepted_and_then_rejected(setup):
    reply = await setup.create(to=[{"type": "phone", "number": "0123456789"}])
    assert reply.status_code == 201
    final = await setup.customer.wait_for_end(reply.json()["uuid"])
    events = setup.customer.named("event")
    assert [shape(event) for event in events] == [shape(event) for event in published("invalid_number")]
    assert final["detail"] == "invalid_number"


async def test_an_answered_call_is_reported_as_published(setup):
    """The legs' own clocks may cross, so each is compared for itself."""
    setup.customer.replies["answer"] = [setup.customer.connect()]
    uuid = await setup.place(
        "00", answer_url=[setup.customer.url("answer")], advanced_machine_detection={"mode": "default"}
    )
    await setup.customer.wait_for_event("human")
    await setup.update(uuid, action="hangup")
    final = await setup.customer.wait_for_end(uuid)
    events = setup.customer.named("event")
    for ours in (True, False):
        theirs = [event for event in published("answered_by_human") if event["to"].startswith("wss") is not ours]
        seen = [event for event in events if event["to"].startswith("ws") is not ours]
        assert [shape(event) for event in seen] == [shape(event) for event in theirs]
    asked = setup.customer.named("answer")[0]
    assert set(asked) == {"to", "from", "uuid", "conversation_uuid"}
    assert final["duration"] == str(int(final["duration"]))
    assert final["price"].count(".") == final["rate"].count(".") == 1
    assert final["disconnected_by"] == "platform"


async def test_a_call_can_be_cancelled_while_it_rings(setup):
    uuid = await setup.place("04")
    await setup.customer.wait_for_event("ringing")
    assert (await setup.update(uuid, action="hangup")).status_code == 204
    final = await setup.customer.wait_for_end(uuid)
    assert shape(final) == shape(published("canceled_by_us")[-1])
    assert final["disconnected_by"] == "platform"
    assert (await setup.update(uuid, action="hangup")).status_code == 404


async def test_whoever_hangs_up_is_named(setup):
    setup.customer.talk = say_two_sentences
    uuid = await setup.place("13")
    final = await setup.customer.wait_for_end(uuid)
    assert (final["status"], final["disconnected_by"]) == ("completed", "user")


async def say_two_sentences(media: Socket) -> None:
    await media.until("connected")
    for _ in range(10):
        await media.say(b"\x00\x20" * 8000)
        await media.listen(1800)


async def test_a_call_ends_at_its_length_timer(setup):
    uuid = await setup.place("11", ncco=PAUSE, length_timer=1)
    final = await setup.customer.wait_for_end(uuid)
    assert (final["status"], final["disconnected_by"]) == ("completed", "platform")
    assert final["duration"] == "1"


async def test_digits_for_the_callee_are_pressed_after_the_answer(setup):
    to = [{"type": "phone", "number": "12025550110", "dtmfAnswer": "p1#"}]
    await setup.place("10", to=to, ncco=PAUSE)
    await setup.customer.wait_for_event("answered")
    for _ in range(300):
        [call] = await setup.dialled()
        if call["heard_digits"] == "1#":
            return
        await asyncio.sleep(0.01)
    pytest.fail("the digits did not arrive")


async def test_events_may_be_asked_for_by_get(setup):
    uuid = await setup.place("03", event_method="GET")
    await setup.customer.wait_for_end(uuid)
    assert {item.method for item in setup.customer.received} == {"GET"}
    assert all(item.genuine for item in setup.customer.received)
    assert setup.customer.events() == ["started", "ringing", "busy"]


# -- machines


async def test_who_answered_is_told(setup):
    human = await setup.place("00", ncco=PAUSE, advanced_machine_detection={"mode": "default"})
    fax = await setup.place("08", ncco=PAUSE, advanced_machine_detection={"mode": "detect"})
    await setup.customer.wait_for_event("human")
    await setup.customer.wait_for_event("machine")
    assert setup.customer.events(human)[3:] == ["human"]
    assert setup.customer.events(fax)[3:] == ["machine"]
    assert (await setup.fetch(human))["status"] == "answered"
    assert (await setup.fetch(fax))["status"] == "machine"


async def test_a_beep_is_told_and_the_ncco_of_detect_beep_waits_for_it(setup):
    """One call beside the conversation and one that waits, at the same time."""
    beside = await setup.place("05", advanced_machine_detection={"mode": "default", "beep_timeout": 45})
    waiting = await setup.place(
        "05",
        answer_url=[setup.customer.url("answer")],
        advanced_machine_detection={"mode": "detect_beep", "behavior": "continue"},
    )
    hanging_up = await setup.place("05", ncco=PAUSE, machine_detection="hangup")
    for uuid in (beside, waiting):
        await setup.customer.wait_for(
            lambda uuid=uuid: [
                body.get("sub_state")
                for body in setup.customer.named("event")
                if body.get("call_uuid") == uuid
            ]
            == [None, "beep_start"]
        )
    events = [event for event in setup.customer.named("event") if event.get("call_uuid") == beside]
    assert [shape(event) for event in events] == [shape(event) for event in published("voicemail_beep")[3:5]]
    await setup.customer.wait_for(lambda: setup.customer.named("answer"))
    names = [item.name for item in setup.customer.received]
    assert names.index("answer") > max(
        index
        for index, item in enumerate(setup.customer.received)
        if item.body.get("call_uuid") == waiting and item.body.get("sub_state") == "beep_start"
    )
    assert setup.customer.sockets  # of the one beside
    final = await setup.customer.wait_for_end(hanging_up)
    assert (final["status"], final["disconnected_by"]) == ("completed", "platform")
    assert setup.customer.events(hanging_up)[-2:] == ["machine", "completed"]


# -- control


async def test_a_transfer_leaves_the_websocket_behind(setup):
    uuid = await setup.place("00")
    await setup.customer.wait_for(lambda: setup.customer.sockets)
    before = (await setup.fetch(uuid))["conversation_uuid"]
    destination = {
        "type": "ncco",
        "ncco": [
            {
                "action": "connect",
                "from": setup.number,
                "timeout": 25,
                "eventUrl": [setup.customer.url("transfer")],
                "endpoint": [{"type": "phone", "number": "12025550113"}],
            }
        ],
    }
    assert (await setup.update(uuid, action="transfer", destination=destination)).status_code == 204
    await setup.customer.wait_for(lambda: setup.customer.sockets[0].closed)
    await setup.customer.wait_for(lambda: "answered" in [e["status"] for e in setup.customer.named("transfer")])
    moved = next(body for body in setup.customer.named("event") if "conversation_uuid_to" in body)
    assert set(moved) == set(CALLBACKS["single"]["transfer"]["json"])
    assert (moved["uuid"], moved["conversation_uuid_from"]) == (uuid, before)
    assert [event["status"] for event in setup.customer.socket_events()][-1] == "completed"
    child = setup.customer.named("transfer")[0]
    assert child["uuid"] != uuid
    assert child["conversation_uuid"] == moved["conversation_uuid_to"]
    assert (await setup.fetch(uuid))["status"] == "answered"
    legs = (await setup.http.get("/v1/calls", params={"conversation_uuid": child["conversation_uuid"]})).json()
    assert {leg["uuid"] for leg in legs["_embedded"]["calls"]} == {uuid, child["uuid"]}
    await setup.update(uuid, action="hangup")
    await setup.customer.wait_for(lambda: "completed" in [e["status"] for e in setup.customer.named("transfer")])


async def test_a_transfer_can_name_a_url(setup):
    notify = {"action": "notify", "payload": {"here": 1}, "eventUrl": [setup.customer.url("told")]}
    setup.customer.replies["next"] = [notify]
    uuid = await setup.place("11", ncco=PAUSE)
    await setup.customer.wait_for_event("answered")
    await setup.update(uuid, action="transfer", destination={"type": "ncco", "url": [setup.customer.url("next")]})
    await setup.customer.wait_for_end(uuid)
    [told] = setup.customer.named("told")
    assert told["payload"] == {"here": 1}


async def test_digits_reach_a_phone_menu_while_the_websocket_stays(setup):
    uuid = await setup.place("10")
    await setup.customer.wait_for(lambda: setup.customer.sockets)
    reply = await setup.http.put(f"/v1/calls/{uuid}/dtmf", json={"digits": "p1"})
    assert reply.json() == {"message": "DTMF sent", "uuid": uuid}
    for _ in range(300):
        [call] = await setup.dialled()
        if call["heard_digits"]:
            break
        await asyncio.sleep(0.01)
    assert call["heard_digits"] == "1"
    assert not setup.customer.sockets[0].closed


async def test_what_the_phone_presses_is_told_on_the_websocket_and_to_a_listener(setup):
    pressed: list[dict] = []

    async def talk(media: Socket) -> None:
        await media.until("connected")
        while not pressed:
            await media.listen(600)
            await media.say(b"\x00\x20" * 4000)
            await media.listen(1500)
            pressed.extend(each for each in media.messages if each["event"] == "websocket:dtmf")

    setup.customer.talk = talk
    uuid = await setup.place("14")
    await setup.customer.wait_for_event("answered")
    listener = f"/v1/calls/{uuid}/input/dtmf"
    assert (await setup.http.put(listener, json={"event_url": [setup.customer.url("dtmf")]})).status_code == 200
    await setup.customer.wait_for_end(uuid)
    assert pressed[0] == {"event": "websocket:dtmf", "digit": "1", "duration": 260}
    told = setup.customer.named("dtmf")[0]
    assert told["dtmf"] == {"digits": "1", "timed_out": False}
    assert set(told) == set(CALLBACKS["single"]["input_dtmf"]["json"])
    assert (await setup.http.delete(listener)).status_code == 404


async def test_talk_and_stream_are_heard_over_the_websocket_and_can_be_stopped(setup):
    uuid = await setup.place("11")
    await setup.customer.wait_for(lambda: setup.customer.sockets)
    path = f"/v1/calls/{uuid}"
    started = await setup.http.put(f"{path}/talk", json={"text": "Please hold.", "loop": 0, "language": "en-US"})
    assert started.json()["message"] == "Talk started"
    assert (await setup.http.delete(f"{path}/talk")).json()["message"] == "Talk stopped"
    stream = {"stream_url": [setup.customer.url("missing")], "level": "0.4"}
    assert (await setup.http.put(f"{path}/stream", json=stream)).json()["message"] == "Stream started"
    await setup.customer.wait_for(lambda: [body for body in setup.customer.named("event") if "reason" in body])
    assert (await setup.http.delete(f"{path}/stream")).json() == {"message": "Stream stopped", "uuid": uuid}


async def test_a_websocket_leg_can_be_hung_up_alone(setup):
    told = {"action": "notify", "payload": {}, "eventUrl": [setup.customer.url("told")]}
    uuid = await setup.place("11", ncco=[setup.customer.connect(), told, *PAUSE])
    await setup.customer.wait_for(lambda: len(setup.customer.socket_events()) == 2)
    leg = setup.customer.socket_events()[0]["uuid"]
    shown = await setup.fetch(leg)
    assert shown["to"]["type"] == "websocket"
    assert (await setup.update(leg, action="hangup")).status_code == 204
    await setup.customer.wait_for(lambda: setup.customer.named("told"))
    assert setup.customer.events(leg) == ["started", "answered", "completed"]
    assert (await setup.fetch(uuid))["status"] == "answered"


async def test_a_leg_can_be_muted(setup):
    uuid = await setup.place("11", ncco=PAUSE)
    await setup.customer.wait_for_event("answered")
    audio = setup.account.live[uuid].audio
    for action, expected in (
        ("mute", (True, False)),
        ("earmuff", (True, True)),
        ("unmute", (False, True)),
        ("unearmuff", (False, False)),
    ):
        assert (await setup.update(uuid, action=action)).status_code == 204
        assert (audio.muted, audio.earmuffed) == expected


async def test_closing_the_simulator_in_the_middle_of_a_call_leaves_nothing_behind(start):
    async with start() as setup:
        await setup.place("11")
        await setup.customer.wait_for(lambda: setup.customer.sockets)
        customer = setup.customer
    await customer.wait_for(lambda: customer.sockets[0].closed)
