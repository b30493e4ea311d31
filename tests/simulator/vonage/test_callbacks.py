"""How the customer's server is asked: signatures, second attempts, the fallback; and each fault."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")

SINGLE = json.loads((Path(__file__).parents[2] / "carriers/fixtures/vonage_callbacks.json").read_text())["single"]
PAUSE = {"action": "wait", "timeout": 60}


async def ask(setup, **fields) -> dict:
    """A call whose NCCO comes from our answer URL; its final event."""
    uuid = await setup.place("11", answer_url=[setup.customer.url("answer")], **fields)
    return await setup.customer.wait_for_end(uuid)


async def test_an_answer_url_gets_a_second_attempt(setup):
    setup.customer.statuses["answer"] = [503]
    setup.customer.replies["answer"] = [{"action": "notify", "payload": {}, "eventUrl": [setup.customer.url("told")]}]
    await ask(setup)
    assert len(setup.customer.named("answer")) == 2
    assert setup.customer.named("told")


async def test_the_fallback_is_asked_when_the_answer_url_fails_twice(setup):
    application = setup.account.applications[setup.config.application_id]
    before = application.capabilities
    webhooks = {"fallback_answer_url": {"address": setup.customer.url("fallback"), "http_method": "POST"}}
    await setup.put_application(capabilities={"voice": {"signed_callbacks": True, "webhooks": webhooks}})
    try:
        setup.customer.statuses["answer"] = [503, 504]
        setup.customer.statuses["fallback"] = [429]
        await ask(setup, answer_method="POST")
    finally:
        application.capabilities = before
    assert [item.name for item in setup.customer.received if item.name != "event"] == [
        "answer",
        "answer",
        "fallback",
        "fallback",
    ]
    told = setup.customer.named("fallback")[0]
    assert told["original_request"] == {"url": setup.customer.url("answer"), "type": "answer"}
    assert set(SINGLE["fallback_answer"]["json"]) <= set(told)


async def test_a_call_without_an_ncco_ends(setup):
    setup.customer.statuses["answer"] = [404]
    final = await ask(setup)
    assert (final["status"], final["disconnected_by"]) == ("completed", "platform")
    assert len(setup.customer.named("answer")) == 1


@pytest.mark.parametrize("reply", [{"action": "talk"}, [{"action": "sing"}], [{"action": "talk", "txt": "Hi"}], "talk"])
async def test_a_wrong_ncco_is_an_error_event_and_ends_the_call(setup, reply):
    setup.customer.replies["answer"] = reply
    await ask(setup)
    [error] = [body for body in setup.customer.named("event") if "reason" in body]
    assert error["reason"] == SINGLE["error_bad_ncco"]["json"]["reason"]
    assert set(error) == set(SINGLE["error_bad_ncco"]["json"])


async def test_an_event_is_repeated_after_a_5xx(setup):
    setup.customer.statuses["event"] = [500, 502]
    uuid = await setup.place("03")
    await setup.customer.wait_for_end(uuid)
    assert setup.customer.events() == ["started", "started", "started", "ringing", "busy"]
    assert len({item.claims["jti"] for item in setup.customer.received}) == 5


async def test_a_refused_event_is_not_repeated(setup):
    setup.customer.statuses["event"] = [403]
    await setup.customer.wait_for_end(await setup.place("03"))
    assert setup.customer.events() == ["started", "ringing", "busy"]


async def test_an_application_that_does_not_ask_for_signatures_gets_none(setup):
    application = setup.account.applications[setup.config.application_id]
    before = application.capabilities
    await setup.put_application(capabilities={"voice": {}})
    try:
        await setup.customer.wait_for_end(await setup.place("03"))
    finally:
        application.capabilities = before
    assert [item.claims for item in setup.customer.received] == [{}, {}, {}]


async def test_signatures_name_account_and_application(setup):
    await setup.customer.wait_for_end(await setup.place("03"))
    claims = setup.customer.received[0].claims
    assert claims["iss"] == "Vonage"
    assert (claims["api_key"], claims["application_id"]) == (setup.config.api_key, setup.config.application_id)
    assert all(item.genuine for item in setup.customer.received)


# -- faults


async def test_a_lost_event_never_comes(setup):
    await setup.switch_on("callback_lost", callbacks=["ringing"])
    await setup.customer.wait_for_end(await setup.place("03"))
    assert setup.customer.events() == ["started", "busy"]


async def test_an_event_can_come_twice_late_or_in_the_wrong_order(setup):
    await setup.switch_on("callback_repeated", callbacks=["completed"], number="+12025550103")
    await setup.switch_on("callback_late", callbacks=["ringing"], number="+12025550102", delay_s=0.5)
    await setup.switch_on("callback_reordered", callbacks=["initiated"], number="+12025550107")
    repeated, late, reordered = [await setup.place(callee) for callee in ("03", "02", "07")]
    await setup.customer.wait_for(lambda: len(setup.customer.events()) == 4 + 3 + 2)
    assert setup.customer.events(repeated) == ["started", "ringing", "busy", "busy"]
    assert setup.customer.events(late) == ["started", "rejected", "ringing"]
    assert setup.customer.events(reordered) == ["failed", "started"]


async def test_a_lost_reply_leaves_a_phone_ringing(setup):
    await setup.switch_on("reply_lost", count=1)
    with pytest.raises(httpx.RemoteProtocolError):
        await setup.create("03")
    await setup.customer.wait_for(lambda: "busy" in setup.customer.events())
    assert len(await setup.dialled()) == 1


async def test_the_first_event_can_overtake_the_reply(setup):
    await setup.switch_on("reply_after_callback")
    uuid = await setup.place("03")
    assert setup.customer.events(uuid)[0] == "started"


async def test_an_error_after_dialling_hides_a_call(setup):
    await setup.switch_on("error_after_dialling")
    assert (await setup.create("03")).status_code == 500
    await setup.customer.wait_for(lambda: "busy" in setup.customer.events())


@pytest.mark.parametrize(("kind", "status"), [("throttled", 429), ("error_before_dialling", 503)])
async def test_a_refusal_dials_nobody(setup, kind, status):
    await setup.switch_on(kind, number="+12025550103")
    assert (await setup.create("03")).status_code == status
    assert await setup.dialled() == []
    assert (await setup.create("07")).status_code == 201


async def test_a_redirected_dial_dials_nobody(setup):
    await setup.switch_on("redirected")
    reply = await setup.create("03")
    assert (reply.status_code, reply.headers["location"]) == (307, "/elsewhere")
    assert await setup.dialled() == []


async def test_a_call_can_not_be_looked_up_and_goes_on(setup):
    uuid = await setup.place("11")
    await setup.customer.wait_for_event("answered")
    await setup.switch_on("look_up_error")
    assert (await setup.http.get(f"/v1/calls/{uuid}")).status_code == 503
    assert (await setup.update(uuid, action="hangup")).status_code == 204
    assert (await setup.customer.wait_for_end(uuid))["status"] == "completed"


async def test_a_hang_up_is_refused_for_a_while(setup):
    uuid = await setup.place("11")
    await setup.customer.wait_for_event("answered")
    await setup.switch_on("hang_up_error", count=1, delay_s=3)
    reply = await setup.update(uuid, action="hangup")
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "3")
    assert (await setup.fetch(uuid))["status"] == "answered"
    await setup.update(uuid, action="hangup")
    await setup.customer.wait_for_end(uuid)


async def test_a_forgotten_call_is_nowhere_and_goes_on(setup):
    uuid = await setup.place("11")
    await setup.customer.wait_for_event("answered")
    await setup.switch_on("forgotten")
    assert (await setup.http.get(f"/v1/calls/{uuid}")).status_code == 404
    assert (await setup.update(uuid, action="hangup")).status_code == 404
    listed = (await setup.http.get("/v1/calls")).json()["_embedded"]["calls"]
    assert uuid not in [call["uuid"] for call in listed]
    assert [call["state"] for call in await setup.dialled()] == ["in-progress"]


async def test_a_websocket_can_be_cut(setup):
    await setup.switch_on("stream_cut", after_ms=200)
    uuid = await setup.place("11")
    final = await setup.customer.wait_for_end(uuid)
    assert "disconnected" in setup.customer.events()
    assert final["status"] == "completed"


async def test_a_websocket_that_never_starts_leaves_the_call_up(setup):
    await setup.switch_on("stream_never_started")
    uuid = await setup.place("11")
    await setup.customer.wait_for(lambda: setup.customer.socket_events())
    await asyncio.sleep(0.1)
    assert not setup.customer.sockets
    await setup.update(uuid, action="hangup")
    await setup.customer.wait_for_end(uuid)
