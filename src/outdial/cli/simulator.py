"""outdial simulator: carriers, a model and tools on this machine, for trying and testing."""

import asyncio
import math
import socket
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from outdial.cli.configuration import load_settings
from outdial.cli.failures import CommandFailed
from outdial.cli.output import console
from outdial.cli.processes import BACKLOG, WithParent, end_with_parent, stop_signals
from outdial.cli.verbs import verbs
from outdial.simulator.model.models import SimulatedModel
from outdial.simulator.model.rest import PATH as MODEL_PATH
from outdial.simulator.model.rule_files import Invalid, read
from outdial.simulator.server import Simulator, SimulatorConfig, serve
from outdial.simulator.tools.rest import MCP_PATH
from outdial.simulator.tools.rest import PATH as TOOLS_PATH

app = verbs()
DEFAULTS = SimulatorConfig()


@app.command()
def simulator(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8090,
    account_sid: Annotated[str, typer.Option(help="The Twilio account.")] = DEFAULTS.account_sid,
    auth_token: Annotated[
        str, typer.Option(envvar="OUTDIAL_SIMULATOR_AUTH_TOKEN", help="Its auth token.")
    ] = DEFAULTS.auth_token,
    number: Annotated[list[str] | None, typer.Option(help="A number of the Twilio account; repeatable.")] = None,
    calls_per_second: Annotated[
        float | None,
        typer.Option(min=0, help="New calls a second at each carrier; 0: no limit. Default: as a new account has it."),
    ] = None,
    pace: Annotated[
        float, typer.Option(min=0.001, max=10, help="Stretches everything before the answer; 0.1 rings shortly.")
    ] = DEFAULTS.pace,
    recordings: Annotated[
        Path | None, typer.Option(help="Keep what each phone said and heard in this folder.", file_okay=False)
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(help="Let pages of this origin be phones, as https://outdial.example; repeatable. Loopback may."),
    ] = None,
    model_rules: Annotated[
        list[Path] | None,
        typer.Option(help="Simulate the models of this YAML file, too; repeatable.", exists=True, dir_okay=False),
    ] = None,
    listen_fd: Annotated[int | None, typer.Option(hidden=True, help="A socket that listens already.")] = None,
    with_parent: WithParent = False,
) -> None:
    """Simulate carriers, a model and tools for this machine.

    Until Ctrl-C. Twilio, Vonage and Telnyx: +12025550100 to 15 are callees, +12025550190 is a phone in a browser; any
    other number is a human. The model speaks OpenAI's protocol. It answers by rules and doesn't think.
    """
    settings = load_settings()
    config = SimulatorConfig(
        account_sid=account_sid,
        auth_token=auth_token,
        numbers=tuple(number) if number else DEFAULTS.numbers,
        pace=pace,
        recordings_dir=recordings,
        allowed_origins=tuple(allow_origin or ()),
        prompts_dir=settings.data_dir / "simulator" / "prompts",
        models=tuple(model for path in model_rules or () for model in models_of(path)),
    )
    if calls_per_second is not None:
        config = replace(
            config,
            calls_per_second=calls_per_second,
            vonage=replace(config.vonage, calls_per_second=math.ceil(calls_per_second)),
            telnyx=replace(config.telnyx, dials_per_second=calls_per_second),
        )
    if listen_fd is not None:
        listener = socket.socket(fileno=listen_fd)
    else:
        try:
            listener = socket.create_server((host, port), backlog=BACKLOG)
        except OSError:
            raise CommandFailed(f"can't listen on {host}, port {port}; choose another with --port") from None
    asyncio.run(_simulator(config, listener, with_parent=with_parent))


async def _simulator(config: SimulatorConfig, listener: socket.socket, *, with_parent: bool) -> None:
    watch = asyncio.create_task(end_with_parent()) if with_parent else None
    try:
        with stop_signals() as stop:
            async with serve(config, listener=listener) as running:
                console.print(f"Simulated carriers at {running.base_url}", style="green", soft_wrap=True)
                for line in (*accounts(config, running.base_url), *peers(running)):
                    console.print(f"  {line}", soft_wrap=True)
                await stop.wait()
    finally:
        if watch is not None:
            watch.cancel()


def accounts(config: SimulatorConfig, base_url: str) -> list[str]:
    """A line for each carrier: the account by its public name, and its numbers."""
    vonage, telnyx = config.vonage, config.telnyx
    return [
        f"Twilio: account {config.account_sid}, numbers {', '.join(config.numbers)}",
        f"Vonage: API key {vonage.api_key}, application {vonage.application_id}, numbers {', '.join(vonage.numbers)}",
        f"Telnyx: connection {telnyx.connection_id}, numbers {', '.join(telnyx.numbers)}",
        f"A phone in a browser: number {config.phone_number}, {base_url.replace('http', 'ws', 1)}/_simulator/phone",
        f"Vonage's private key and Telnyx's public key: {base_url}/_simulator",
    ]


def models_of(path: Path) -> tuple[SimulatedModel, ...]:
    """Raises CommandFailed."""
    try:
        return read(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{path} can't be read: {error}") from error
    except Invalid as error:
        raise CommandFailed(f"{path}: {error}") from error


def peers(running: Simulator) -> list[str]:
    """A line for what isn't a carrier."""
    names = ", ".join(model.name for model in running.model.all())
    return [
        f"A model that answers by rules: {names}, OpenAI-compatible at {running.base_url}{MODEL_PATH}",
        f"Tools: HTTP at {running.base_url}{TOOLS_PATH}, MCP at {running.base_url}{MCP_PATH}",
    ]
