"""A workspace with an agent or two, and numbers at every carrier of the simulator."""

from collections.abc import Sequence
from dataclasses import dataclass

from outdial.accounts.simulated import simulated_accounts
from outdial.agents.store import create_agent
from outdial.db.engine import create_engine
from outdial.db.migrate import upgrade
from outdial.lines.workspace_pools import create_workspace
from outdial.numbers.connecting import Connector
from outdial.numbers.new_number import NewNumber
from outdial.policy.daily_limit import MAX_LIMIT, change_daily_limit
from outdial.webhooks.endpoints import Wanted, create_webhook
from outdial.workspaces.api_keys import create_api_key
from outdial.workspaces.audit import COMMAND_LINE
from outdial.workspaces.secrets import SecretBox

LINES = 40
PACE = 50.0  # dials a second

ANNOUNCES = """
agent:
  name: Announces
machine:
  action: hang_up
start: greeting
steps:
  greeting:
    say: Hello {user_name|there}, this is a test call.
    hang_up: Goodbye.
"""
TALKS = """
agent:
  name: Talks
machine:
  action: leave_message
  message: Hello, this is a test call. Goodbye.
start: greeting
steps:
  greeting:
    ask: Hello, this is a test call. Are you there?
    save_as: there
    wait_s: 4
    no_reply: {retries: 0, then: goodbye}
    no_match: {retries: 0, then: goodbye}
    answers:
      - words: [yes]
        goto: goodbye
  goodbye:
    say: Thank you.
    hang_up: Goodbye.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Furnished:
    """What a customer has: the API key, the ids of its numbers, and the numbers. `secrets` must never be logged."""

    key: str
    number_ids: Sequence[str]
    numbers: Sequence[str]
    secrets: Sequence[str]


async def furnish(
    database_url: str,
    secret_key: str,
    *,
    simulator_url: str,
    carrier_url: str,
    webhook_url: str,
    public_urls: Sequence[str],
) -> Furnished:
    """The carriers' accounts are reached at `carrier_url`; of calls that come in they tell the `public_urls`, each
    carrier another one where there are several. Everything is told to `webhook_url`."""
    engine = create_engine(database_url)
    secret_box = SecretBox(secret_key)
    try:
        await upgrade(engine)
        workspace_id = (await create_workspace(engine, name="Chaos", lines=LINES))["id"]
        await change_daily_limit(engine, workspace_id, MAX_LIMIT, by=COMMAND_LINE)  # a long run may place more calls
        key = (await create_api_key(engine, workspace_id, name="chaos", by=COMMAND_LINE))["key"]
        agents = [
            await create_agent(engine, workspace_id, name=name, source=source, publish=True, by=COMMAND_LINE)
            for name, source in (("Announces", ANNOUNCES), ("Talks", TALKS))
        ]
        endpoint = Wanted(given={"url"}, url=webhook_url)
        webhook = await create_webhook(engine, secret_box, workspace_id, endpoint, by=COMMAND_LINE)
        secrets = [key, secret_key, webhook["secret"]]
        ids, numbers = [], []
        for place, account in enumerate(await simulated_accounts(simulator_url)):
            connector = Connector(
                engine=engine, secret_box=secret_box, public_url=public_urls[place % len(public_urls)]
            )
            secrets += [value for name, value in account.credentials.items() if _is_secret(name)]
            for number, agent in zip(account.numbers, agents, strict=False):
                new = NewNumber(
                    carrier=account.carrier,
                    e164=number,
                    credentials=account.credentials,
                    agent_id=agent["id"],
                    base_url=carrier_url,
                    calls_per_second=PACE,
                )
                connected = await connector.connect(workspace_id, new, by=COMMAND_LINE)
                ids.append(connected["id"])
                numbers.append(number)
        return Furnished(key=key, number_ids=ids, numbers=numbers, secrets=secrets)
    finally:
        await engine.dispose()


def _is_secret(credential: str) -> bool:
    return not credential.endswith(("_sid", "_id")) and credential not in ("public_key", "region")
