"""Each fault, as the customer's server and REST client see it."""

import asyncio

import httpx
import pytest

from simulator.customer import Stream

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def switch_on(setup, kind: str, **settings) -> dict:
    reply = await setup.http.post("/_simulator/faults", json={"kind": kind, **settings})
    assert reply.status_code == 201
    return reply.json()


async def states(setup) -> list[str]:
    return [call["state"] for call in await setup.dialled()]


async def test_a_lost_callback_never_comes(setup):
    await switch_on(setup, "callback_lost", callbacks=["ringing"])
    await setup.place("03")
    final = await setup.customer.wait_for_end()
    assert setup.customer.statuses() == ["initiated", "busy"]
    assert final["SequenceNumber"] == "2"  # the lost one was numbered


async def test_a_repeated_callback_has_the_same_idempotency_token(setup):
    await switch_on(setup, "callback_repeated", callbacks=["completed"])
    await setup.place("03")
    await setup.customer.wait_for(lambda: len(setup.customer.statuses()) == 4)
    first, second = setup.customer.named("status")[2:]
    assert first == second
    assert first.token != setup.customer.named("status")[0].token


async def test_a_late_callback_is_overtaken(setup):
    await switch_on(setup, "callback_late", callbacks=["ringing"], delay_s=0.3)
    await setup.place("03")
    await setup.customer.wait_for(lambda: len(setup.customer.statuses()) == 3)
    assert setup.customer.statuses() == ["initiated", "busy", "ringing"]


async def test_reordered_callbacks_change_places(setup):
    await switch_on(setup, "callback_reordered", callbacks=["initiated"])
    await setup.place("03")
    await setup.customer.wait_for(lambda: len(setup.customer.statuses()) == 3)
    assert setup.customer.statuses()[0] == "ringing"


async def test_a_lost_reply_leaves_a_phone_ringing(setup):
    await switch_on(setup, "reply_lost", count=1)
    with pytest.raises(httpx.RemoteProtocolError):
        await setup.place("03")
    await setup.customer.wait_for_end()
    assert len(await setup.dialled()) == 1
    await setup.place("03")  # the count is used up
    assert len(await setup.dialled()) == 2


async def test_the_first_callback_can_overtake_the_reply(setup):
    await switch_on(setup, "reply_after_callback")
    reply = await setup.create("03")
    assert "initiated" in setup.customer.statuses()
    assert reply.status_code == 201


async def test_an_error_after_dialling_hides_a_call(setup):
    await switch_on(setup, "error_after_dialling")
    reply = await setup.create("03")
    assert (reply.status_code, reply.json()["code"]) == (500, 20500)
    await setup.customer.wait_for_end()
    assert await states(setup) == ["busy"]


@pytest.mark.parametrize(
    ("kind", "status", "code"), [("throttled", 429, 20429), ("error_before_dialling", 503, 20503)]
)
async def test_a_refusal_dials_nobody(setup, kind, status, code):
    await switch_on(setup, kind, number="+12025550103")
    reply = await setup.create("03")
    assert (reply.status_code, reply.json()["code"]) == (status, code)
    assert await setup.dialled() == []
    assert (await setup.create("02")).status_code == 201  # another number


async def test_a_redirected_dial_dials_nobody(setup):
    await switch_on(setup, "redirected", number="+12025550103")
    reply = await setup.create("03")
    assert (reply.status_code, reply.headers["location"]) == (307, "/elsewhere")
    assert await setup.dialled() == []
    assert (await setup.create("02")).status_code == 201


async def test_a_call_can_not_be_looked_up_and_goes_on(setup):
    call = await setup.place("11")
    await setup.customer.wait_for(lambda: "in-progress" in setup.customer.statuses())
    await switch_on(setup, "look_up_error")
    assert (await setup.fetch(call["sid"]))["code"] == 20503
    assert (await setup.update(call["sid"], Status="completed")).status_code == 200
    assert (await setup.customer.wait_for_end())["CallStatus"] == "completed"


async def test_a_hang_up_is_refused_for_a_while(setup):
    call = await setup.place("11")
    await setup.customer.wait_for(lambda: "in-progress" in setup.customer.statuses())
    await switch_on(setup, "hang_up_error", count=1, delay_s=3)
    reply = await setup.update(call["sid"], Status="completed")
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "3")
    assert await states(setup) == ["in-progress"]
    await setup.update(call["sid"], Status="completed")
    assert (await setup.customer.wait_for_end())["CallStatus"] == "completed"


async def test_a_forgotten_call_is_nowhere_and_goes_on(setup):
    call = await setup.place("11")
    await setup.customer.wait_for(lambda: "in-progress" in setup.customer.statuses())
    await switch_on(setup, "forgotten")
    assert (await setup.fetch(call["sid"]))["code"] == 20404
    assert (await setup.update(call["sid"], Status="completed")).status_code == 404
    assert (await setup.http.get(f"{setup.calls_path}.json")).json()["calls"] == []
    assert await states(setup) == ["in-progress"]


async def test_a_stream_can_be_cut(setup):
    closed: list[Stream] = []

    async def talk(stream: Stream) -> None:
        try:
            await stream.until("stop")
        finally:
            closed.append(stream)

    setup.customer.talk = talk
    await switch_on(setup, "stream_cut", after_ms=300)
    await setup.place("11")
    await setup.customer.wait_for_end()
    assert not closed[0].of("stop")
    assert "stream-error" in [item.form["StreamEvent"] for item in setup.customer.named("stream")]


async def test_a_stream_that_never_starts_leaves_the_call_up(setup):
    await switch_on(setup, "stream_never_started")
    call = await setup.place("11")
    await setup.customer.wait_for(lambda: "in-progress" in setup.customer.statuses())
    await asyncio.sleep(0.1)
    assert not setup.customer.streams
    assert await states(setup) == ["in-progress"]
    await setup.update(call["sid"], Status="completed")
    assert (await setup.customer.wait_for_end())["CallStatus"] == "completed"
