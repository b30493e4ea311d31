"""A workspace, receivers on this machine, and a process that tells them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import select

from outdial.db.notify import Notifications
from outdial.db.webhook_tables import webhook_deliveries
from outdial.net.addresses import Allowed
from outdial.webhooks.attempt import WebhookClient
from outdial.webhooks.emptying import keep_emptying
from outdial.webhooks.endpoints import NewWebhook, Wanted, create_webhook
from outdial.webhooks.sender import Sender
from outdial.workspaces.audit import COMMAND_LINE
from outdial.workspaces.secrets import SecretBox
from webhooks.receiver import Receiver, receiving

LOCAL = Allowed.parse("127.0.0.1")


@pytest.fixture(scope="session")
def secret_box() -> SecretBox:
    return SecretBox("a secret key of the tests")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


AddWebhook = Callable[..., Awaitable[NewWebhook]]


@pytest.fixture
def add_webhook(workspace, secret_box) -> AddWebhook:
    async def add(url: str, **fields: object) -> NewWebhook:
        wanted = Wanted(given={"url", *fields}, url=url, **fields)
        return await create_webhook(workspace.engine, secret_box, workspace.id, wanted, by=COMMAND_LINE)

    return add


@asynccontextmanager
async def telling(engine, database_url: str, secret_box: SecretBox, *, owner: str = "sender_1", allowed=LOCAL):
    """A process that empties the outbox and sends."""
    client = WebhookClient(allowed)
    async with Notifications(database_url) as notifications:
        sender = Sender(engine, notifications, secret_box, client, owner=owner)
        emptying = keep_emptying(engine, notifications, secret_box, sender.wake, base_url="https://voice.example")
        tasks = [asyncio.create_task(sender.run()), asyncio.create_task(emptying)]
        try:
            yield sender
        finally:
            await sender.aclose()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await client.aclose()


@pytest.fixture
async def tells(engine, database_url, secret_box):
    async with telling(engine, database_url, secret_box) as sender:
        yield sender


@pytest.fixture
def deliveries(engine):
    async def deliveries(**columns: object):
        query = select(webhook_deliveries).order_by(webhook_deliveries.c.id)
        for name, value in columns.items():
            query = query.where(webhook_deliveries.c[name] == value)
        async with engine.connect() as conn:
            return list(await conn.execute(query))

    return deliveries
