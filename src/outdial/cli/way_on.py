"""The way on to a call: which command is next in a workspace, from what it has."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.accounts.views import list_accounts
from outdial.agents.kinds import parse_agent
from outdial.agents.script.model import ScriptError
from outdial.agents.store import AgentView, list_agents, resolve
from outdial.carriers.http import is_loopback
from outdial.cli.next_steps import EXAMPLE_FILE, SIMULATED_CALLEE, command, next_steps
from outdial.cli.output import progress
from outdial.db.engine import reading
from outdial.ids import UUID_IN_SHELL
from outdial.numbers.new_number import Version
from outdial.numbers.views import NumberView, list_numbers
from outdial.refusals import Refusal
from outdial.settings import Settings

TO = "+1…"  # what only the user knows


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What is to be done next in a workspace. `curl` does the same as the last of the commands."""

    commands: tuple[str, ...]
    curl: str | None = None

    def tell(self, *before: str) -> None:
        """`before`: commands that go before these."""
        next_steps(*before, *self.commands)
        if self.curl is not None:
            progress.print(f"Or by HTTP:\n{self.curl}", markup=False, soft_wrap=True)


async def way_on(
    engine: AsyncEngine,
    settings: Settings,
    workspace_id: str,
    *,
    chosen: str | None = None,
    agent_id: str | None = None,
    number_id: str | None = None,
) -> Way:
    """The next step to a call: an agent, published; a number it talks on; the call. `agent_id` and `number_id` are what
    the user is at; `chosen` is the --workspace they gave."""
    where = () if chosen is None else ("--workspace", chosen)
    async with reading(engine) as conn:
        agents = [each for each in await list_agents(conn, workspace_id) if agent_id in (None, each["id"])]
        numbers = await list_numbers(conn, workspace_id, public_url=settings.base_url)
        mine = [each for each in numbers if number_id in (None, each["id"])]
        for number in mine:
            if any(_is_ready(number, agent) for agent in agents):
                return await _to_call(conn, workspace_id, number)
    if not agents:
        example = command("agents", "example", ">", EXAMPLE_FILE)
        return Way(commands=(example, command("agents", "create", EXAMPLE_FILE, "--publish", *where)))
    agent = next((each for each in agents if each["published_version"]), agents[0])
    if agent["published_version"] is None:
        return Way(commands=(command("agents", "publish", agent["id"], *where),))
    if free := [each for each in mine if each["agent"] is None or agent_id is not None]:
        direction = () if free[0]["outbound_url"] else ("--both",)
        change = command("numbers", "change", free[0]["id"], "--agent", agent["id"], *direction, *where)
        return Way(commands=(change,))
    on_simulator = ("--simulated",) if settings.simulator_url is not None else ()
    return Way(commands=(command("numbers", "connect", *on_simulator, "--agent", agent["id"], *where),))


def _is_ready(number: NumberView, agent: AgentView) -> bool:
    """Whether calls from the number are that agent's, and can be placed."""
    talks = number["agent"]
    if talks is None or talks["id"] != agent["id"] or number["outbound_url"] is None:
        return False
    return talks["version"] == "draft" or agent["published_version"] is not None


async def _to_call(conn: AsyncConnection, workspace_id: str, number: NumberView) -> Way:
    assert number["agent"] is not None
    to = SIMULATED_CALLEE if await _is_simulated(conn, workspace_id, number) else TO
    wanted = await _wanted(conn, number["agent"]["id"], number["agent"]["version"])
    variables = [word for name in wanted for word in ("--var", f"{name}=…")]
    given = ", ".join(f'"{name}": "…"' for name in wanted)
    curl = (
        f"  curl {number['outbound_url']} \\\n"
        '    -H "Authorization: $OUTDIAL_API_KEY" -H "Content-Type: application/json" \\\n'
        f'    -H "Idempotency-Key: {UUID_IN_SHELL}" \\\n'
        f"    -d '{{\"to\": \"{to}\", \"variables\": {{{given}}}}}'"
    )
    return Way(commands=(command("call", to, "--number", number["id"], *variables),), curl=curl)


async def _is_simulated(conn: AsyncConnection, workspace_id: str, number: NumberView) -> bool:
    """Whether its carrier is on this machine, and so no carrier at all."""
    for account in await list_accounts(conn, workspace_id):
        if (account["carrier"], account["account"]) == (number["carrier"], number["account"]):
            return account["base_url"] is not None and is_loopback(account["base_url"])
    return False


async def _wanted(conn: AsyncConnection, agent_id: str, version: Version) -> list[str]:
    """The variables that an agent's script declares and has no default for."""
    try:
        _, source = await resolve(conn, agent_id, version)
        parsed = parse_agent(source)
    except (Refusal, ScriptError):
        return []
    return [name for name, default in parsed.variables.items() if default is None]
