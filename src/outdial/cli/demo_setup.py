"""What the demo needs in its database: made at its first start, found again at the next ones."""

import os
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.agents.script.examples import load_example
from outdial.agents.store import create_agent, list_agents
from outdial.carriers.base import CarrierName
from outdial.db.tables import calls, carrier_accounts
from outdial.numbers.store import add_number, list_numbers
from outdial.settings import Settings
from outdial.simulator.server import SimulatorConfig
from outdial.workspaces.api_keys import authenticate, create_api_key
from outdial.workspaces.plans import Plan
from outdial.workspaces.secrets import SecretBox
from outdial.workspaces.store import create_workspace, list_workspaces

WORKSPACE = "Demo"
AGENT = "Appointment reminder"
EXAMPLE = "appointment_reminder"
SIMULATED = SimulatorConfig()  # the account that a simulator has when nobody asks for another


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSetup:
    workspace_id: str
    number_id: str
    api_key: str


async def set_up_demo(
    engine: AsyncEngine, settings: Settings, simulator_url: str, *, calls_per_second: float
) -> DemoSetup:
    async with engine.connect() as conn:
        known = [workspace for workspace in await list_workspaces(conn) if workspace["name"] == WORKSPACE]
    workspace = known[0] if known else await create_workspace(engine, name=WORKSPACE, plan=Plan.TEAM)
    workspace_id = workspace["id"]
    file = settings.data_dir / "api_key"
    api_key = await _valid(engine, workspace_id, _kept(file))
    if api_key is None:
        api_key = (await create_api_key(engine, workspace_id, name="demo"))["key"]
        _keep(file, api_key)
    number_id = await _number(engine, settings, workspace_id)
    # The simulator may have another port than last time (and the account is made without one).
    async with engine.begin() as conn:
        await conn.execute(
            update(carrier_accounts)
            .where(carrier_accounts.c.workspace_id == workspace_id)
            .values(base_url=simulator_url, calls_per_second=calls_per_second)
        )
    return DemoSetup(workspace_id=workspace_id, number_id=number_id, api_key=api_key)


async def recording_of(engine: AsyncEngine, settings: Settings, call_id: str) -> Path | None:
    """Where the call's recording is on this machine."""
    async with engine.connect() as conn:
        stored = await conn.scalar(select(calls.c.recording).where(calls.c.id == call_id))
    return None if stored is None else (settings.data_dir / stored).absolute()


async def _valid(engine: AsyncEngine, workspace_id: str, key: str | None) -> str | None:
    principal = await authenticate(engine, key) if key else None
    return key if principal is not None and principal.workspace_id == workspace_id else None


def _kept(file: Path) -> str | None:
    """The demo alone keeps its key, so that a second start knows it: the database has only the hash."""
    return file.read_text().strip() if file.exists() else None


def _keep(file: Path, key: str) -> None:
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
        output.write(key + "\n")


async def _number(engine: AsyncEngine, settings: Settings, workspace_id: str) -> str:
    async with engine.connect() as conn:
        for number in await list_numbers(conn, workspace_id, public_url=settings.base_url):
            if number["e164"] == SIMULATED.numbers[0]:
                return number["id"]
    added = await add_number(
        engine,
        SecretBox.from_settings(settings),
        workspace_id,
        carrier=CarrierName.TWILIO,
        e164=SIMULATED.numbers[0],
        credentials={"account_sid": SIMULATED.account_sid, "auth_token": SIMULATED.auth_token},
        public_url=settings.base_url,
        name="Demo number",
        agent_id=await _agent(engine, workspace_id),
    )
    return added["id"]


async def _agent(engine: AsyncEngine, workspace_id: str) -> str:
    async with engine.connect() as conn:
        for agent in await list_agents(conn, workspace_id):
            if agent["name"] == AGENT:
                return agent["id"]
    source = load_example(EXAMPLE)
    return (await create_agent(engine, workspace_id, name=AGENT, source=source, publish=True))["id"]
