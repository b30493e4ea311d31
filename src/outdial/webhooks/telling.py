"""What a process does for webhooks: it empties the outbox, and sends."""

import asyncio
from collections.abc import Sequence
from functools import partial

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.db.notify import Notifications
from outdial.jobs.job import Job
from outdial.webhooks.attempt import WebhookClient
from outdial.webhooks.emptying import keep_emptying
from outdial.webhooks.resending import resend_job
from outdial.webhooks.sender import Sender
from outdial.webhooks.upkeep import upkeep_job
from outdial.workspaces.secrets import SecretBox


class Telling:
    """Any number of processes may do so beside each other. `owner`: new for each process."""

    def __init__(
        self,
        engine: AsyncEngine,
        notifications: Notifications,
        secret_box: SecretBox,
        client: WebhookClient,
        *,
        owner: str,
        base_url: str,
    ) -> None:
        self._sender = Sender(engine, notifications, secret_box, client, owner=owner)
        self._emptying = partial(
            keep_emptying, engine, notifications, secret_box, self._sender.wake, base_url=base_url
        )
        self.jobs: Sequence[Job] = (upkeep_job(engine), resend_job(engine))

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._emptying(), name="webhook outbox")
            group.create_task(self._sender.run(), name="webhook sender")

    async def aclose(self) -> None:
        """Take nothing more; what is under way has a moment, then others send it."""
        await self._sender.aclose()
