"""outdial call: phone somebody from the command line, and read along."""

import asyncio
from typing import Annotated, Any

import typer

from outdial.cli.api_client import ApiClient
from outdial.cli.configuration import load_settings
from outdial.cli.failures import CommandFailed
from outdial.cli.narration import Narrator, Story, no_more_calls, spoken, tell_json
from outdial.cli.output import AsJson, console, print_json, progress
from outdial.cli.processes import local_url, stop_signals

app = typer.Typer()


@app.command()
def call(
    to: Annotated[str, typer.Argument(help="Whom to call: +15551234567")],
    number: Annotated[str, typer.Option("--number", "-n", help="Id of the phone number to call from.")],
    api_key: Annotated[str, typer.Option(envvar="OUTDIAL_API_KEY", help="See: outdial keys create")],
    var: Annotated[list[str] | None, typer.Option("--var", help="name=value, as often as needed.")] = None,
    amd: Annotated[bool, typer.Option("--amd", help="Switch answering machine detection on.")] = False,
    api_url: Annotated[
        str | None, typer.Option(envvar="OUTDIAL_API_URL", help="Where the server is. Default: on this machine")
    ] = None,
    json: AsJson = False,
) -> None:
    """Place a call and follow it to its end. Ctrl-C hangs up. Exit code 0 only when it was completed.

    In some regions automated calls need the consent of the person called.
    """
    body: dict[str, Any] = {"to": to, "variables": variables(var or [])}
    if amd:
        body["amd"] = True
    settings = load_settings()
    url = api_url or local_url(settings.host, settings.port)
    tell: Narrator = tell_json if json else Story(console)
    ended = asyncio.run(_call(ApiClient(url, api_key), number, body, tell))
    if json:
        print_json({"event": "call", **ended})
    else:
        if ended["state"] != "ended":
            progress.print("The call is still being hung up.")
        elif ended["outcome"] is not None:
            console.print(f"Outcome: {spoken(ended['outcome'])}", markup=False)
        if (note := no_more_calls(ended)) is not None:
            progress.print(note, markup=False, soft_wrap=True)
    raise typer.Exit(0 if ended["end_reason"] == "completed" else 1)


async def _call(client: ApiClient, number: str, body: dict[str, Any], tell: Narrator) -> dict[str, Any]:
    try:
        with stop_signals() as stop:
            return await client.place_and_follow(number, body, tell, stop)
    finally:
        await client.aclose()


def variables(given: list[str]) -> dict[str, str]:
    """["user_name=Jane"] as {"user_name": "Jane"}."""
    pairs = [pair.partition("=") for pair in given]
    if wrong := [name for name, equals, _ in pairs if not equals or not name]:
        raise CommandFailed(f"--var wants name=value, not {wrong[0] or '='}")
    return {name: value for name, _, value in pairs}

