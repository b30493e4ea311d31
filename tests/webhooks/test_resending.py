"""Deliveries sent again, and the lanes they go in."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from outdial.net.addresses import Allowed
from outdial.webhooks.attempt import WebhookClient
from outdial.webhooks.endpoints import ensure_requests
from outdial.webhooks.event_type import EventType
from outdial.webhooks.resending import resend, resend_job
from outdial.webhooks.trying import try_endpoint
from outdial.webhooks.upkeep import look_after
from outdial.workspaces.audit import COMMAND_LINE, list_audit
from webhooks.receiver import Answer
from workspace import until


@pytest.fixture
def failed(workspace, receiver, add_webhook, secret_box):
    """A new endpoint whose test has failed, and the delivery of that."""

    async def failed() -> tuple[str, int]:
        webhook = await add_webhook(receiver.url)
        receiver.answers = lambda received: Answer(status=500)
        client = WebhookClient(Allowed.parse("127.0.0.1"))
        tried = await try_endpoint(
            workspace.engine, client, secret_box, workspace.id, webhook["id"], EventType.ENDED, by=COMMAND_LINE
        )
        await client.aclose()
        receiver.answers = lambda received: Answer()
        return webhook["id"], tried["delivery"]["id"]

    return failed


def told_again(receiver):
    async def told_again() -> bool:
        return len(receiver.received) >= 2

    return told_again


async def test_a_test_that_failed_is_sent_again(workspace, receiver, failed, tells):
    webhook_id, delivery_id = await failed()
    await resend(workspace.engine, workspace.id, webhook_id, delivery_id, by=COMMAND_LINE)
    await until(told_again(receiver))
    assert receiver.received[0].id == receiver.received[1].id


async def test_an_endpoint_that_was_idle_for_long_is_sent_all_since_an_instant(workspace, receiver, failed, tells):
    webhook_id, delivery_id = await failed()
    since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    job = resend_job(workspace.engine)
    await job.run(webhook=webhook_id, since=since, states=["given_up"], up_to=delivery_id)
    await until(told_again(receiver))


async def lanes(engine) -> set[str]:
    async with engine.connect() as conn:
        return set((await conn.scalars(text("SELECT lane FROM webhook_lanes"))).all())


async def put_off(engine, lane: str, webhook_id: str) -> None:
    async with engine.begin() as conn:
        await conn.execute(
            text("INSERT INTO webhook_lanes VALUES (:lane, :id, 0, NULL, now() - interval '8 days')"),
            {"lane": lane, "id": webhook_id},
        )


async def test_a_lane_that_is_used_again_is_not_forgotten(workspace, failed):
    webhook_id, delivery_id = await failed()
    await put_off(workspace.engine, webhook_id, webhook_id)
    await resend(workspace.engine, workspace.id, webhook_id, delivery_id, by=COMMAND_LINE)
    await look_after(workspace.engine)
    assert await lanes(workspace.engine) == {webhook_id}
    async with workspace.engine.connect() as conn:
        assert await conn.scalar(text("SELECT used_at > now() - interval '1 hour' FROM webhook_lanes"))


async def test_lanes_that_nothing_waits_in_are_forgotten_though_others_of_their_endpoint_are_busy(
    workspace, secret_box
):
    async with workspace.engine.begin() as conn:
        await ensure_requests(conn, secret_box, [workspace.id])
        webhook_id = await conn.scalar(text("SELECT id FROM webhooks WHERE url IS NULL"))
        await conn.execute(
            text("""
                INSERT INTO webhook_events (id, workspace_id, type, at, data) VALUES ('evt_1', :of, 't', now(), '{}')
            """),
            {"of": workspace.id},
        )
        await conn.execute(
            text("""
                INSERT INTO webhook_deliveries (webhook_id, event_id, lane, url, state)
                VALUES (:id, 'evt_1', 'busy', 'https://busy.example/', 'waiting')
            """),
            {"id": webhook_id},
        )
    await put_off(workspace.engine, "busy", webhook_id)
    await put_off(workspace.engine, "idle", webhook_id)
    await look_after(workspace.engine)
    assert await lanes(workspace.engine) == {"busy"}


async def test_sending_again_and_tests_are_audited(workspace, failed):
    webhook_id, delivery_id = await failed()
    await resend(workspace.engine, workspace.id, webhook_id, delivery_id, by=COMMAND_LINE)
    async with workspace.engine.connect() as conn:
        entries = (await list_audit(conn, workspace.id, act="webhook", subject_id=webhook_id))["entries"]
    assert [(entry["act"], entry["details"]) for entry in entries[:2]] == [
        ("webhook.resent", {"delivery": delivery_id}),
        ("webhook.tested", {"event": "call.ended", "delivered": False}),
    ]
