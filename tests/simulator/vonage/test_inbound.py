"""Somebody calls one of the account's numbers."""

import pytest
import pytest_asyncio

from simulator.vonage.customer import Socket

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def linked(setup):
    """The first number is linked to the application, whose URLs are our customer's."""
    application = setup.account.applications[setup.config.application_id]
    before = application.capabilities
    webhooks = {
        "answer_url": {"address": setup.customer.url("answer"), "http_method": "POST", "socket_timeout": 2000},
        "event_url": {"address": setup.customer.url("event")},
    }
    await setup.put_application(capabilities={"voice": {"signed_callbacks": True, "webhooks": webhooks}})
    await setup.link(setup.config.application_id)
    yield setup
    await setup.link("")
    application.capabilities = before


async def call(setup, **fields):
    return await setup.http.post("/_simulator/inbound", json={"to": setup.config.numbers[0], **fields})


async def test_the_ncco_of_the_linked_application_answers(linked):
    async def talk(media: Socket) -> None:
        await media.until("connected")
        await media.listen(100)

    linked.customer.talk = talk
    linked.customer.replies["answer"] = [linked.customer.connect()]
    reply = await call(linked, **{"from": "+12025550199", "callee": "00"})
    assert reply.status_code == 201
    uuid = reply.json()["sid"]
    final = await linked.customer.wait_for_end(uuid)
    [asked] = linked.customer.named("answer")
    assert (asked["from"], asked["to"], asked["uuid"]) == ("12025550199", linked.number, uuid)
    assert linked.customer.events(uuid) == ["started", "ringing", "answered", "completed"]
    assert final["direction"] == "inbound"
    assert all(item.genuine for item in linked.customer.received)
    assert linked.customer.socket_events()[0]["from"] == linked.number
    shown = await linked.fetch(uuid)
    assert (shown["direction"], shown["to"]["number"]) == ("inbound", linked.number)


async def test_a_call_that_gets_no_actions_is_never_answered(linked):
    linked.customer.replies["answer"] = []
    uuid = (await call(linked)).json()["sid"]
    final = await linked.customer.wait_for_end(uuid)
    assert linked.customer.events(uuid) == ["started", "ringing", "rejected"]
    assert final["disconnected_by"] == "platform"


async def test_a_number_that_leads_nowhere_cannot_be_called(setup):
    assert (await call(setup)).status_code == 400
