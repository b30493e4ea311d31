"""A workspace as the simplest user has it, made straight in the database."""

from dataclasses import dataclass

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.db.tables import agent_versions, agents, carrier_accounts, destinations, numbers
from outdial.ids import new_id
from outdial.lines.workspace_pools import add_workspace
from outdial.workspaces.api_keys import create_api_key
from outdial.workspaces.audit import COMMAND_LINE
from outdial.workspaces.plans import Plan
from seats import insert_worker

E164 = "+15551230002"


# Tests call any number; those of the rule itself begin without these. Prefixes let no premium numbers in.
EVERYWHERE = tuple(f"+{digit}" for digit in range(1, 10))


async def allow_everywhere(engine: AsyncEngine, workspace_id: str) -> None:
    async with engine.begin() as conn:
        await insert_everywhere(conn, workspace_id)


async def insert_everywhere(conn: AsyncConnection, workspace_id: str) -> None:
    rows = [{"workspace_id": workspace_id, "destination": one, "source": "cli"} for one in EVERYWHERE]
    await conn.execute(insert(destinations), rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    workspace_id: str
    key: str
    agent_id: str
    number_id: str


async def make_tenant(engine: AsyncEngine, *, plan: Plan = Plan.TEAM, **number: object) -> Tenant:
    """A workspace as the simplest user has it. `number` overrides columns of the number."""
    agent_id, account_id, number_id = new_id("agent"), new_id("acct"), new_id("num")
    async with engine.begin() as conn:
        workspace_id = await add_workspace(conn, name="Clinic", plan=plan)
        await insert_worker(conn)
        await conn.execute(
            insert(agents).values(
                id=agent_id, workspace_id=workspace_id, name="Reminder", kind="script", published_version=1
            )
        )
        await conn.execute(insert(agent_versions).values(agent_id=agent_id, version=1, source="say: Hello"))
        await conn.execute(
            insert(carrier_accounts).values(
                id=account_id,
                workspace_id=workspace_id,
                carrier="twilio",
                account_ref="AC1",
                credentials=b"",
                calls_per_second=1,
            )
        )
        values = {
            "id": number_id,
            "workspace_id": workspace_id,
            "carrier_account_id": account_id,
            "e164": E164,
            "name": "Front desk",
            "agent_id": agent_id,
        }
        await conn.execute(insert(numbers).values(values | number))
        await insert_everywhere(conn, workspace_id)
    key = (await create_api_key(engine, workspace_id, name="Test", by=COMMAND_LINE))["key"]
    return Tenant(workspace_id=workspace_id, key=key, agent_id=agent_id, number_id=number_id)
