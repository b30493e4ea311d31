"""Alerts go to webhook endpoints as everything does: left with the change, told once, signed and sent by the sender."""

import asyncio
import json

import pytest
from sqlalchemy import func, select
from standardwebhooks import Webhook

from outdial.db.webhook_tables import webhook_events, webhook_outbox
from outdial.net.addresses import Allowed
from outdial.webhooks.endpoints import Wanted, create_webhook
from outdial.webhooks.event_type import EventType
from outdial.webhooks.outbox import empty
from outdial.webhooks.preview import preview
from outdial.workspaces.audit import COMMAND_LINE
from outdial.workspaces.secrets import SecretBox
from webhooks.conftest import telling
from webhooks.receiver import Answer, receiving

BASE_URL = "https://voice.example"
BOX = SecretBox("a secret key of the tests")


@pytest.fixture
def listen(engine, workspace):
    async def listen(url="https://crm.example/hook", events=None):
        wanted = Wanted(given={"url", "events"}, url=url, events=events)
        return await create_webhook(engine, BOX, workspace.id, wanted, by=COMMAND_LINE)

    return listen


async def told(engine):
    await empty(engine, BOX, base_url=BASE_URL)
    async with engine.connect() as conn:
        rows = (await conn.execute(select(webhook_events).order_by(webhook_events.c.created_at))).all()
        assert (await conn.execute(select(webhook_outbox.c.id))).all() == []
    return [(row.type, json.loads(row.data)["alert"]) for row in rows]


async def test_an_alert_is_told_when_it_is_raised_and_when_it_is_over_each_once(engine, minutes, listen):
    await listen()
    await minutes.fail(20)
    await minutes.pass_()
    await minutes.pass_()
    ((type_, raised),) = await told(engine)
    assert (type_, raised["state"], raised["figure"], raised["workspace"]["name"]) == (
        "alert.raised", "raised", 1.0, "Clinic",
    )  # fmt: skip
    await minutes.end(200)
    await minutes.pass_()
    (_, (type_, cleared)) = await told(engine)
    assert (type_, cleared["state"], cleared["cleared_because"]) == ("alert.cleared", "cleared", "recovered")
    assert (cleared["id"], cleared["raised_at"]) == (raised["id"], raised["raised_at"])


async def test_what_is_told_late_is_told_as_it_was(engine, minutes, listen):
    """Nobody emptied the outbox before it was over."""
    await listen()
    await minutes.fail(20)
    await minutes.pass_()
    await minutes.end(200)
    await minutes.pass_()
    states = [(type_, alert["state"], alert["cleared_at"] is None) for type_, alert in await told(engine)]
    assert sorted(states) == [("alert.cleared", "cleared", False), ("alert.raised", "raised", True)]


async def test_a_process_that_knows_of_no_alerts_does_not_see_what_they_leave(engine, minutes, listen):
    """It would take it for told, and delete it. It looks at what is due by its time."""
    await listen()
    await minutes.fail(20)
    await minutes.pass_()
    seen = select(webhook_outbox.c.id).where(webhook_outbox.c.due_at <= func.clock_timestamp())
    async with engine.connect() as conn:
        alerts = select(webhook_outbox.c.id).where(webhook_outbox.c.alert_id.is_not(None))
        assert len((await conn.execute(alerts)).all()) == 1
        assert (await conn.execute(seen.where(webhook_outbox.c.alert_id.is_not(None)))).all() == []
    assert [type_ for type_, _ in await told(engine)] == ["alert.raised"]


async def test_nothing_is_left_where_nobody_listens(engine, minutes, listen):
    await minutes.fail(20)
    await minutes.pass_()
    assert await told(engine) == []
    await listen(events=[EventType.ENDED])
    await minutes.end(200)
    await minutes.pass_()
    assert await told(engine) == []


async def test_no_number_is_in_what_is_told(engine, minutes, listen):
    await listen()
    await minutes.fail(20, "no_funds")
    await minutes.pass_()
    alerts = await told(engine)
    assert len(alerts) == 2
    assert "+1" not in json.dumps(alerts)


async def test_it_arrives_signed(engine, database_url, minutes, listen):
    async with receiving() as receiver:
        came = asyncio.Event()
        receiver.answers = lambda _: came.set() or Answer()
        endpoint = await listen(receiver.url)
        await minutes.fail(20)
        async with telling(engine, database_url, BOX, allowed=Allowed.parse("127.0.0.1")):
            await minutes.pass_()
            async with asyncio.timeout(20):
                await came.wait()
        (request,) = receiver.received
    body = Webhook(endpoint["secret"]).verify(request.body, dict(request.headers))
    assert (body["type"], "sequence" in body, body["data"]["alert"]["kind"]) == ("alert.raised", False, "failure_share")


async def test_a_preview_shows_what_would_have_been_told(engine, minutes):
    await minutes.fail(20)
    await minutes.pass_()
    await minutes.end(200)
    await minutes.pass_()
    async with engine.connect() as conn:
        found = await preview(conn, minutes.workspace.id, base_url=BASE_URL)
    of_alerts = [each for each in found["events"] if each["type"].startswith("alert.")]
    assert [(each["type"], each["data"]["alert"]["state"]) for each in of_alerts] == [
        ("alert.raised", "raised"),
        ("alert.cleared", "cleared"),
    ]
