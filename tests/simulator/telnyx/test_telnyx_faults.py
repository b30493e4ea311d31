"""What goes wrong between Telnyx and its customer: faults, deliveries that fail, limits."""

import asyncio

import httpx
import pytest

from simulator.telnyx.telnyx_customer import Stream

pytestmark = pytest.mark.asyncio(loop_scope="session")


# -- callbacks


async def test_a_lost_callback_never_comes_but_is_among_the_calls_events(setup):
    await setup.fault("callback_lost", callbacks=["completed"])
    call = await setup.place("03")
    await setup.ended(call["call_control_id"])
    query = {"filter[leg_id]": call["call_leg_id"]}
    events = (await setup.http.get("/call_events", params=query)).json()["data"]
    assert [event["name"] for event in events] == ["call.initiated", "call.hangup"]
    assert events[1]["metadata"]["payload"]["hangup_cause"] == "user_busy"
    assert setup.customer.events() == ["call.initiated"]


async def test_a_repeated_callback_has_the_same_id(setup):
    await setup.fault("callback_repeated", callbacks=["completed"])
    await setup.place("03")
    await setup.customer.wait_for(lambda: len(setup.customer.of("call.hangup")) == 2)
    first, second = setup.customer.of("call.hangup")
    assert first.body["data"] == second.body["data"]
    assert second.genuine


async def test_a_late_callback_is_overtaken(setup):
    await setup.fault("callback_late", callbacks=["initiated"], delay_s=0.3)
    await setup.place("03")
    await setup.customer.event("call.initiated")
    assert setup.customer.events() == ["call.hangup", "call.initiated"]


async def test_reordered_callbacks_change_places(setup):
    await setup.fault("callback_reordered", callbacks=["initiated"])
    await setup.place("03")
    await setup.customer.wait_for(lambda: len(setup.customer.received) == 2)
    assert setup.customer.events() == ["call.hangup", "call.initiated"]
    late, early = (item.body["data"]["occurred_at"] for item in setup.customer.received)
    assert early < late


async def test_a_callback_that_is_not_taken_is_tried_again_with_a_new_signature(setup):
    customer = setup.customer
    customer.answers["events"] = [500, 429]
    await setup.place("03")
    await customer.wait_for(lambda: len(customer.of("call.initiated")) == 3)
    attempts = customer.of("call.initiated")
    assert [item.body["meta"]["attempt"] for item in attempts] == [1, 2, 3]
    assert {item.body["meta"]["delivered_to"] for item in attempts} == {customer.url("events")}
    assert len({item.body["data"]["id"] for item in attempts}) == 1
    assert all(item.genuine for item in attempts)


async def test_a_refused_callback_goes_to_the_failover_url_at_once(setup):
    customer = setup.customer
    application = next(iter(setup.simulator.telnyx.applications.values()))
    application.webhook_event_failover_url = customer.url("failover")
    try:
        customer.answers["events"] = [404]
        await setup.place("03")
        await customer.event("call.hangup")
        assert [(item.name, item.event) for item in customer.received] == [
            ("events", "call.initiated"),
            ("failover", "call.initiated"),
            ("events", "call.hangup"),
        ]
        assert customer.received[1].body["meta"] == {"attempt": 2, "delivered_to": customer.url("failover")}
    finally:
        application.webhook_event_failover_url = ""


async def test_a_callback_that_is_not_answered_in_time_is_tried_again(start_telnyx):
    async with start_telnyx(retry_delays_s=(0.01, 0.01)) as setup:
        customer = setup.customer
        application = next(iter(setup.simulator.telnyx.applications.values()))
        application.webhook_timeout_s = 0.2  # whole seconds through REST
        await setup.place("03", webhook_urls={"call.initiated": customer.url("held")})
        await customer.wait_for(lambda: len(customer.of("call.initiated")) == 3)
        await customer.event("call.hangup")
        query = {"filter[status][eq]": "failed"}
        async with asyncio.timeout(30):
            while not (failed := (await setup.http.get("/webhook_deliveries", params=query)).json()["data"]):
                pass
        customer.hold.set()
        [delivery] = failed
        assert delivery["webhook"]["event_type"] == "call.initiated"
        assert [attempt["status"] for attempt in delivery["attempts"]] == ["failed"] * 3
        assert (await setup.http.get(f"/webhook_deliveries/{delivery['id']}")).json()["data"] == delivery


async def test_a_call_can_have_its_own_urls_and_retries(setup):
    customer = setup.customer
    customer.answers["ended"] = [500, 500]
    await setup.place(
        "03",
        webhook_urls={"call.hangup": customer.url("ended")},
        webhook_retries_policies={"call.hangup": {"retries_ms": [1]}},
    )
    await customer.wait_for(lambda: len(customer.of("call.hangup")) == 2)
    await asyncio.sleep(0.15)
    assert [item.name for item in customer.received] == ["events", "ended", "ended"]


# -- REST


async def test_a_lost_reply_leaves_a_phone_ringing_and_the_same_command_finds_it(setup):
    await setup.fault("reply_lost", count=1)
    with pytest.raises(httpx.RemoteProtocolError):
        await setup.create("03", command_id="c-1")
    found = await setup.place("03", command_id="c-1")
    hangup = await setup.customer.event("call.hangup")
    assert hangup["call_control_id"] == found["call_control_id"]
    assert len(await setup.known()) == 1


async def test_an_error_after_dialling_hides_a_call_from_whoever_has_no_command_id(setup):
    await setup.fault("error_after_dialling", count=2)
    for command_id in (None, "c-2"):
        reply = await setup.create("03", command_id=command_id)
        assert (reply.status_code, reply.json()["errors"][0]["code"]) == (500, "10007")
    await setup.place("03", command_id="c-2")
    assert len(await setup.known()) == 2


async def test_a_command_with_the_same_id_does_nothing_for_that_call(setup):
    call_control_id = await setup.answered()
    speak = {"payload": "Hello", "voice": "female", "command_id": "c-3"}
    for _ in range(2):
        assert (await setup.act(call_control_id, "speak", **speak)).json() == {"data": {"result": "ok"}}
    await setup.customer.event("call.speak.ended")
    await setup.act(call_control_id, "hangup", command_id="c-4")
    await setup.customer.event("call.hangup")
    assert (await setup.act(call_control_id, "hangup", command_id="c-4")).status_code == 200
    assert setup.customer.events().count("call.speak.started") == 1


async def test_the_first_callback_can_overtake_the_reply(setup):
    await setup.fault("reply_after_callback")
    await setup.place("03")
    assert "call.initiated" in setup.customer.events()


@pytest.mark.parametrize(
    ("kind", "status", "code"), [("throttled", 429, "10011"), ("error_before_dialling", 503, "10007")]
)
async def test_a_refusal_dials_nobody(setup, kind, status, code):
    await setup.fault(kind, number="+12025550103")
    reply = await setup.create("03", command_id="c-5")
    assert (reply.status_code, reply.json()["errors"][0]["code"]) == (status, code)
    assert ("x-ratelimit-reset" in reply.headers) is (status == 429)
    assert await setup.known() == []
    assert (await setup.create("02", command_id="c-6")).status_code == 200


async def test_a_redirected_dial_dials_nobody(setup):
    await setup.fault("redirected")
    reply = await setup.create("03")
    assert (reply.status_code, reply.headers["location"]) == (307, "/elsewhere")
    assert await setup.known() == []


async def test_a_call_can_not_be_looked_up_and_goes_on(setup):
    call_control_id = await setup.answered()
    await setup.fault("look_up_error")
    assert (await setup.http.get(f"/calls/{call_control_id}")).status_code == 503
    assert (await setup.act(call_control_id, "hangup")).status_code == 200
    await setup.customer.event("call.hangup")


async def test_a_hang_up_is_refused_for_a_while(setup):
    call_control_id = await setup.answered()
    await setup.fault("hang_up_error", count=1, delay_s=3)
    reply = await setup.act(call_control_id, "hangup")
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "3")
    assert [call["state"] for call in await setup.known()] == ["in-progress"]
    await setup.act(call_control_id, "hangup")
    await setup.customer.event("call.hangup")


async def test_a_forgotten_call_is_nowhere_and_goes_on(setup):
    call_control_id = await setup.answered()
    await setup.fault("forgotten")
    assert (await setup.http.get(f"/calls/{call_control_id}")).json()["errors"][0]["code"] == "90015"
    assert (await setup.act(call_control_id, "hangup")).json()["errors"][0]["code"] == "90015"
    active = (await setup.http.get(f"/connections/{setup.config.connection_id}/active_calls")).json()["data"]
    assert call_control_id not in [call["call_control_id"] for call in active]
    events = (await setup.http.get("/call_events")).json()["data"]
    assert call_control_id not in str(events)
    assert [call["state"] for call in await setup.known()] == ["in-progress"]


async def test_more_dials_than_allowed_are_refused(start_telnyx):
    async with start_telnyx(dials_per_second=0.4) as setup:
        codes = [(await setup.create("03")).status_code for _ in range(3)]
        assert codes == [200, 200, 429]
        reply = await setup.create("03")
        assert reply.json()["errors"][0]["code"] == "90103"


async def test_more_calls_at_a_time_than_allowed_are_refused(start_telnyx):
    async with start_telnyx(channel_limit=3) as setup:
        account = setup.simulator.telnyx
        profile, application = next(iter(account.profiles.values())), next(iter(account.applications.values()))
        profile.concurrent_call_limit, application.outbound_channel_limit = 2, 1
        codes = []
        for _ in range(4):
            reply = await setup.create("04")
            codes.append(reply.json()["errors"][0]["code"] if reply.status_code == 403 else reply.status_code)
            if codes[-1] == "90043":
                application.outbound_channel_limit = None
        assert codes == [200, "90043", 200, "90042"]
        profile.concurrent_call_limit = None
        assert (await setup.create("04")).status_code == 200
        assert (await setup.create("04")).json()["errors"][0]["code"] == "90041"


async def test_an_ended_call_is_forgotten_after_a_while(start_telnyx):
    async with start_telnyx(status_kept_s=0) as setup:
        call = await setup.place("07")
        await setup.customer.event("call.hangup")
        reply = await setup.http.get(f"/calls/{call['call_control_id']}")
        assert (reply.status_code, reply.json()["errors"][0]["code"]) == (422, "90015")


# -- the stream


async def test_a_stream_can_be_cut_and_the_call_goes_on(setup):
    await setup.fault("stream_cut", after_ms=200)
    call_control_id = await setup.answered(**setup.streaming())
    failed = await setup.customer.event("streaming.failed")
    assert failed["failure_reason"] == "connection_lost"
    await setup.customer.wait_for(lambda: setup.customer.streams[0].closed)
    assert not setup.customer.streams[0].of("stop")
    assert (await setup.http.get(f"/calls/{call_control_id}")).json()["data"]["is_alive"] is True


async def test_a_stream_that_never_starts_leaves_the_call_up(setup):
    await setup.fault("stream_never_started")
    call_control_id = await setup.answered(**setup.streaming())
    assert (await setup.act(call_control_id, "send_dtmf", digits="1")).status_code == 200
    assert not setup.customer.streams
    assert (await setup.http.get(f"/calls/{call_control_id}")).json()["data"]["is_alive"] is True


async def test_frames_can_come_out_of_order(setup):
    async def talk(stream: Stream) -> None:
        while len(stream.of("media")) < 12:
            await stream.until("media")

    customer = setup.customer
    customer.talk = talk
    await setup.fault("media_reordered")
    await setup.place("11", **setup.streaming())
    await customer.wait_for(lambda: customer.streams and customer.streams[0].closed)
    media = customer.streams[0].of("media")
    assert [int(message["media"]["chunk"]) for message in media] == [1, 3, 2, 4, 5, 6, 8, 7, 9, 10, 11, 13]
    by_number = sorted(media, key=lambda message: int(message["sequence_number"]))
    assert [message["media"]["timestamp"] for message in by_number[:4]] == ["20", "40", "60", "80"]
