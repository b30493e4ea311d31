"""What the demo needs in its database: made at its first start, found again at the next ones."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.accounts.access import callback_urls, open_number_control
from outdial.accounts.simulated import SimulatedAccount, simulated_accounts
from outdial.agents.llm.free_talk import ModelName
from outdial.agents.script.examples import load_example
from outdial.agents.source_edits import changed, without
from outdial.agents.store import add_version, create_agent, get_version, list_agents
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS
from outdial.cli.database import the_box
from outdial.db.tables import calls, carrier_accounts, numbers
from outdial.lines.workspace_pools import create_workspace, list_workspaces
from outdial.members.first_start import operator_link
from outdial.numbers.new_number import NewNumber
from outdial.numbers.store import add_number, set_undo
from outdial.numbers.undo import Undo
from outdial.numbers.views import list_numbers
from outdial.settings import Settings
from outdial.workspaces.api_keys import authenticate, create_api_key
from outdial.workspaces.audit import COMMAND_LINE
from outdial.workspaces.plans import Plan

WORKSPACE = "Demo"
AGENT = "Appointment reminder"
EXAMPLE = "appointment_reminder"
LLM_AGENT = "Reminder by a model"
LLM_EXAMPLE = "model_reminder"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSetup:
    """`numbers`: the id of a number of each carrier, in our API, all with the script. `llm_agent_id`: the agent with a
    model, where one is wanted. `dashboard_url` signs the operator in, once."""

    workspace_id: str
    api_key: str
    numbers: Mapping[CarrierName, str]
    dashboard_url: str
    llm_agent_id: str | None = None


async def set_up_demo(
    engine: AsyncEngine,
    settings: Settings,
    simulator_url: str,
    *,
    calls_per_second: float,
    model: ModelName | None = None,
) -> DemoSetup:
    """The simulator must be listening: its carriers are told where the calls to their numbers go. `model`: of an agent
    that is made for it."""
    async with engine.connect() as conn:
        known = [workspace for workspace in await list_workspaces(conn) if workspace["name"] == WORKSPACE]
    workspace = known[0] if known else await create_workspace(engine, name=WORKSPACE, plan=Plan.TEAM)
    workspace_id = workspace["id"]
    file = settings.data_dir / "api_key"
    api_key = await _valid(engine, workspace_id, _kept(file))
    if api_key is None:
        api_key = (await create_api_key(engine, workspace_id, name="demo", by=COMMAND_LINE))["key"]
        _keep(file, api_key)
    agent_id = await _agent(engine, workspace_id)
    return DemoSetup(
        workspace_id=workspace_id,
        api_key=api_key,
        numbers={
            account.carrier: await _number(engine, settings, workspace_id, agent_id, account, calls_per_second)
            for account in await simulated_accounts(simulator_url)
        },
        dashboard_url=await operator_link(engine, settings.base_url) or settings.base_url,
        llm_agent_id=None if model is None else await _llm_agent(engine, workspace_id, model),
    )


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


async def _number(
    engine: AsyncEngine,
    settings: Settings,
    workspace_id: str,
    agent_id: str,
    account: SimulatedAccount,
    calls_per_second: float,
) -> str:
    """The number's id. A simulator forgets everything when it ends, so the number is connected there every time."""
    e164 = account.numbers[0]
    secret_box = await the_box(engine, settings)
    async with engine.connect() as conn:
        listed = await list_numbers(conn, workspace_id, public_url=settings.base_url)
    number = next((each for each in listed if each["e164"] == e164), None)
    if number is None:
        number = await add_number(
            engine,
            secret_box,
            workspace_id,
            NewNumber(
                carrier=account.carrier,
                e164=e164,
                credentials=account.credentials,
                name=f"Demo number ({CARRIERS[account.carrier].label})",
                agent_id=agent_id,
                base_url=account.base_url,
            ),
            public_url=settings.base_url,
            by=COMMAND_LINE,
        )
    async with engine.begin() as conn:
        account_id: str = (
            await conn.execute(select(numbers.c.carrier_account_id).where(numbers.c.id == number["id"]))
        ).scalar_one()
        # Since the last time the simulator may have got another port, and other keys.
        await conn.execute(
            update(carrier_accounts)
            .where(carrier_accounts.c.id == account_id)
            .values(
                account_ref=CARRIERS[account.carrier].account_ref(account.credentials),
                credentials=secret_box.encrypt(dict(account.credentials)),
                region=None,
                base_url=account.base_url,
                calls_per_second=calls_per_second,
            )
        )
    client = open_number_control(account.carrier, account.credentials, account.base_url)
    try:
        connected = await client.connect(e164, **callback_urls(settings.base_url, account.carrier, account_id))
    finally:
        await client.aclose()
    async with engine.begin() as conn:
        undo = Undo(carrier=connected.undo, made=frozenset(connected.credentials))
        await set_undo(conn, number["id"], undo)
    return number["id"]


async def _agent(engine: AsyncEngine, workspace_id: str) -> str:
    async with engine.connect() as conn:
        for agent in await list_agents(conn, workspace_id):
            if agent["name"] == AGENT:
                return agent["id"]
    source = load_example(EXAMPLE)
    agent = await create_agent(engine, workspace_id, name=AGENT, source=source, publish=True, by=COMMAND_LINE)
    return agent["id"]


async def _llm_agent(engine: AsyncEngine, workspace_id: str, model: ModelName) -> str:
    """The example's agent, published with this model. What else was changed in it stays."""
    async with engine.connect() as conn:
        listed = await list_agents(conn, workspace_id)
        known = next((one for one in listed if one["name"] == LLM_AGENT and one["published_version"]), None)
        found = None
        if known is not None and known["published_version"]:
            found = await get_version(conn, workspace_id, known["id"], known["published_version"])
    if known is None or found is None or found["kind"] != "llm":
        source = asked_of(load_example(LLM_EXAMPLE), model)
        made = await create_agent(engine, workspace_id, name=LLM_AGENT, source=source, publish=True, by=COMMAND_LINE)
        return made["id"]
    source = asked_of(found["source"], model)
    if source != found["source"]:
        await add_version(engine, workspace_id, known["id"], source=source, publish=True, by=COMMAND_LINE)
    return known["id"]


def asked_of(source: str, model: ModelName) -> str:
    """An llm agent's source with this model, and no other to fall back on. Raises ScriptError."""
    source = without(changed(source, ("model",), model.name), ("fallback",))
    if model.base_url is None:
        return without(source, ("base_url",))
    return changed(source, ("base_url",), model.base_url, order=("agent", "model", "base_url"))
