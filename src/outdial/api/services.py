"""What the HTTP handlers work with, put together once by whoever starts the process."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, cast

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.accounts.access import OpenNumberControl, open_number_control
from outdial.agents.previews import Previews
from outdial.agents.tools.access import ToolAccess
from outdial.db.notify import Notifications
from outdial.db.replica import Replica
from outdial.history.reading import History
from outdial.net.addresses import Allowed
from outdial.numbers.connecting import Connector
from outdial.recordings.recordings import Recordings
from outdial.rehearsals.stage import Stage
from outdial.settings import Settings
from outdial.webhooks.attempt import WebhookClient
from outdial.workspaces.secrets import SecretBox


def _to_public_hosts() -> WebhookClient:
    return WebhookClient(Allowed())


def _always() -> str | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """`replica` is of the database of `engine`, where there is one. `not_ready`: why this process takes no new calls,
    in a sentence; None while it does. `previews` speaks prompts for those who write them, None in a process without a
    voice; `stage` has scripts rehearse; `webhooks` reaches the endpoints of users, `tools` the tools of agents, where
    there are any."""

    engine: AsyncEngine
    settings: Settings
    notifications: Notifications
    secret_box: SecretBox
    recordings: Recordings
    replica: Replica | None = None
    previews: Previews | None = None
    stage: Stage = field(default_factory=Stage)
    webhooks: WebhookClient = field(default_factory=_to_public_hosts)
    tools: ToolAccess | None = None
    not_ready: Callable[[], str | None] = _always
    open_number_control: OpenNumberControl = open_number_control

    @property
    def history(self) -> History:
        return History(primary=self.engine, replica=self.replica)

    @property
    def connector(self) -> Connector:
        return Connector(
            engine=self.engine,
            secret_box=self.secret_box,
            public_url=self.settings.base_url,
            open_number_control=self.open_number_control,
        )


async def services(request: Request) -> Services:
    return cast(Services, request.app.state.services)


Use = Annotated[Services, Depends(services)]
