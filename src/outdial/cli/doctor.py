"""outdial doctor: what is installed, configured and reachable, and what to do about each fault. It looks at the server
that runs, with the settings of that server; where none runs, at what `outdial serve` would use here."""

import asyncio
from dataclasses import asdict

import httpx
import typer
from rich.table import Table

from outdial.cli.check_database import database
from outdial.cli.check_machine import data_dir, files, proxies, python, secret_key, speech, traces, variables
from outdial.cli.check_network import public_url, server
from outdial.cli.check_server import differing, others, running_server, server_traces, server_variables
from outdial.cli.check_store import store
from outdial.cli.configuration import load_settings
from outdial.cli.findings import Finding, Status
from outdial.cli.output import AsJson, console, print_json
from outdial.cli.target import Target, find_target
from outdial.cli.verbs import verbs
from outdial.cli.way_seen import PUBLIC

app = verbs()


@app.command()
def doctor(json: AsJson = False) -> None:
    """Check the server that runs, and say what is missing.

    Where none runs: what serve would use here. Exit code 1 when something is broken.
    """
    target = find_target(load_settings())
    findings = asyncio.run(_all(target))
    if json:
        print_json([asdict(finding) for finding in findings])
    else:
        _show(findings)
    if any(finding.status is Status.FAIL for finding in findings):
        raise typer.Exit(1)


async def _all(target: Target) -> list[Finding]:
    settings, running = target.server_settings or target.settings, target.server
    async with httpx.AsyncClient(timeout=5, follow_redirects=False) as http:
        findings = [await server(settings, http) if running is None else await running_server(running, http)]
        findings += [*others(target.elsewhere), *differing(target.differing())]
        findings += [python(), *speech(), data_dir(settings), secret_key(settings)]
        findings += await store(settings)
        findings += [files() if running is None else files(running.open_files)]
        findings += variables() if running is None else server_variables(running)
        findings += [traces()] if running is None else server_traces(running)
        findings += [proxies(settings)]
        findings += [finding async for finding in database(settings)]
        if not any(finding.subject == PUBLIC for finding in findings):  # no server could be asked to look out for us
            findings += [await public_url(settings, http)]
    return findings


def _show(findings: list[Finding]) -> None:
    marks = {Status.OK: "[green]ok[/]", Status.WARN: "[yellow]warn[/]", Status.FAIL: "[red]fail[/]"}
    table = Table(box=None, pad_edge=False, show_header=False)
    for _ in range(3):
        table.add_column(overflow="fold")
    for finding in findings:
        table.add_row(marks[finding.status], finding.subject, finding.found)
        if finding.todo:
            table.add_row("", "", f"[bold]→[/] {finding.todo}")
    console.print(table)
