"""A process that does nothing but tell webhook endpoints: `python -m bench.webhook_sender <database URL>`."""

import sys

from outdial.db.engine import create_engine
from outdial.db.notify import Notifications
from outdial.ids import new_id
from outdial.net.addresses import Allowed
from outdial.webhooks.attempt import WebhookClient
from outdial.webhooks.telling import Telling
from outdial.workspaces.secrets import SecretBox

SECRET_KEY = "of the benchmark"


async def main(url: str) -> None:
    engine = create_engine(url)
    client = WebhookClient(Allowed.parse("127.0.0.1"))
    async with Notifications(url) as notifications:
        secret_box, owner = SecretBox(SECRET_KEY), new_id("sender")
        telling = Telling(engine, notifications, secret_box, client, owner=owner, base_url="https://voice.example")
        print("up", flush=True)
        await telling.run()


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(sys.argv[1]))
