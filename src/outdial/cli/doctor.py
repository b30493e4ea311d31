"""outdial doctor: what is installed, configured and reachable, and what to do about each fault."""

import asyncio
from dataclasses import asdict

import httpx
import typer
from rich.table import Table

from outdial.cli.check_database import database
from outdial.cli.check_machine import data_dir, files, python, secret_key, speech, variables
from outdial.cli.check_network import public_url, server
from outdial.cli.configuration import load_settings
from outdial.cli.findings import Finding, Status
from outdial.cli.output import AsJson, console, print_json
from outdial.settings import Settings

app = typer.Typer()


@app.command()
def doctor(json: AsJson = False) -> None:
    """Check this machine and its settings. Exit code 1 when something essential is broken."""
    settings = load_settings()
    findings = asyncio.run(_all(settings))
    if json:
        print_json([asdict(finding) for finding in findings])
    else:
        _show(findings)
    if any(finding.status is Status.FAIL for finding in findings):
        raise typer.Exit(1)


async def _all(settings: Settings) -> list[Finding]:
    findings = [python(), *speech(), data_dir(settings), secret_key(settings), files(), *variables()]
    findings += [finding async for finding in database(settings)]
    async with httpx.AsyncClient(timeout=5, follow_redirects=False) as http:
        findings += [await server(settings, http), await public_url(settings, http)]
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
