"""outdial call: phone somebody from the command line, and read along."""

import asyncio
from typing import Annotated, Any

import httpx
import typer

from outdial.cli.api_client import ApiClient
from outdial.cli.configuration import load_settings
from outdial.cli.failures import CommandFailed
from outdial.cli.narration import Narrator, Story, no_more_calls, spoken, tell_json
from outdial.cli.next_steps import command, next_steps
from outdial.cli.output import AsJson, console, print_json, progress
from outdial.cli.processes import local_url, stop_signals
from outdial.cli.target import find_target
from outdial.cli.verbs import verbs
from outdial.settings import Settings
from outdial.telephony.verdict import DetectedBy

app = verbs()


@app.command()
def call(
    to: Annotated[str, typer.Argument(help="Whom to call: +15551234567")],
    number: Annotated[str, typer.Option("--number", "-n", help="Id of the phone number to call from.")],
    api_key: Annotated[
        str | None, typer.Option(envvar="OUTDIAL_API_KEY", help="Needed. See: outdial keys create")
    ] = None,
    var: Annotated[list[str] | None, typer.Option("--var", help="name=value, as often as needed.")] = None,
    amd: Annotated[bool, typer.Option("--amd", help="Switch answering machine detection on.")] = False,
    amd_by: Annotated[
        DetectedBy | None, typer.Option("--amd-by", help="The same, by whom. Default: as the server is set.")
    ] = None,
    api_url: Annotated[
        str | None, typer.Option(envvar="OUTDIAL_API_URL", help="Where the server is. Default: on this machine")
    ] = None,
    json: AsJson = False,
) -> None:
    """Place a call and follow it to its end. Ctrl-C hangs up. Exit code 0 only when it was completed.

    In some regions automated calls need the consent of the person called.
    """
    if not api_key:
        make = command("keys", "create", "laptop", "--scope", "place_calls")
        raise CommandFailed(f"an API key is needed: make one with {make}, and type the export line it ends with")
    body: dict[str, Any] = {"to": to, "variables": variables(var or [])}
    if amd or amd_by is not None:
        body["amd"] = True if amd_by is None else {"by": amd_by}
    settings = load_settings()
    url, looked = (api_url, None) if api_url else server_url(settings)
    tell: Narrator = tell_json if json else Story(console)
    try:
        ended = asyncio.run(_call(ApiClient(url, api_key), number, body, tell))
    except httpx.ConnectError as error:
        if looked is None:
            raise
        raise CommandFailed(f"no server answers at {url}{looked}") from error
    if json:
        print_json({"event": "call", **ended})
    else:
        if ended["state"] != "ended":
            progress.print("The call is still being hung up.")
        elif ended["outcome"] is not None:
            console.print(f"Outcome: {spoken(ended['outcome'])}", markup=False)
        if ended.get("advice"):
            progress.print(f"What to do next: {ended['advice']}", markup=False, soft_wrap=True)
        if (note := no_more_calls(ended)) is not None:
            progress.print(note, markup=False, soft_wrap=True)
        progress.print(f"Its page: {url}/calls/{ended['id']}", markup=False, soft_wrap=True)
        if ended["recording_url"] is not None:
            next_steps(
                f'curl {ended["recording_url"]} -H "Authorization: $OUTDIAL_API_KEY" -o {ended["id"]}.wav',
                where="to hear it",
            )
    raise typer.Exit(0 if ended["end_reason"] == "completed" else 1)


async def _call(client: ApiClient, number: str, body: dict[str, Any], tell: Narrator) -> dict[str, Any]:
    try:
        with stop_signals() as stop:
            return await client.place_and_follow(number, body, tell, stop)
    finally:
        await client.aclose()


def server_url(own: Settings) -> tuple[str, str | None]:
    """Where the server is: as it was told, or one that runs, or the default address. Of the last one, where else was
    looked, in words."""
    if own.model_fields_set & {"host", "port"}:
        return local_url(own.host, own.port), None
    target = find_target(own)
    if target.server is not None:
        target.tell()
        return target.server.url, None
    if target.elsewhere:
        raise CommandFailed(f"no server runs on the data in {target.settings.data_dir.absolute()}{target.looked()}")
    return local_url(own.host, own.port), target.looked()


def variables(given: list[str]) -> dict[str, str]:
    """["user_name=Jane"] as {"user_name": "Jane"}."""
    pairs = [pair.partition("=") for pair in given]
    if wrong := [name for name, equals, _ in pairs if not equals or not name]:
        raise CommandFailed(f"--var wants name=value, not {wrong[0] or '='}")
    return {name: value for name, _, value in pairs}

