"""`python -m bench`: measure, show tables, and write the results to bench/results/."""

import argparse
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from bench import machine
from bench.calls_per_core import announcements, talking
from bench.commits import commits
from bench.cpu import cpu, starts
from bench.dialing import dialing
from bench.dispatchers import dispatchers
from bench.figures import Result
from bench.freed import accepting
from bench.llm import llm
from bench.llm_leaks import llm_leaks
from bench.memory import memory
from bench.micro import micro
from bench.offline_turn import offline_turn
from bench.options import Options
from bench.pages import pages
from bench.queue import queue
from bench.scrape import scrape
from bench.several import processes
from bench.talk.measuring import talk
from bench.turn_latency import turn_latency
from bench.undecided import undecided
from bench.vendors.against_pipecat import pipecat
from bench.vendors.leaks import vendor_leaks
from bench.vendors.measuring import vendors
from bench.webhooks import webhooks
from bench.writes import writes

RESULTS = Path(__file__).parent / "results"
MEASUREMENTS: dict[str, Callable[[Options], Result]] = {
    "talking": talking,
    "announcements": announcements,
    "undecided": undecided,
    "turn_latency": turn_latency,
    "llm": llm,
    "llm_leaks": llm_leaks,
    "vendors": vendors,
    "vendor_leaks": vendor_leaks,
    "pipecat": pipecat,
    "dialing": dialing,
    "dispatchers": dispatchers,
    "commits": commits,
    "cpu": cpu,
    "starts": starts,
    "accepting": accepting,
    "processes": processes,
    "offline_turn": offline_turn,
    "memory": memory,
    "micro": micro,
    "pages": pages,
    "queue": queue,
    "scrape": scrape,
    "talk": talk,
    "webhooks": webhooks,
    "writes": writes,
}


def main() -> int:
    arguments = _arguments()
    options = Options(
        quick=arguments.quick, seconds=arguments.seconds, preferred=arguments.preferred, python=arguments.python,
        pipecat=arguments.pipecat,
    )  # fmt: skip
    out = Console(stderr=arguments.json)
    if not out.is_terminal:
        out.width = 180
    described = machine.describe() | {
        "pinned": "server and generator have a core each" if machine.can_pin() else "no",
        "preferred": "yes, to all other work on the machine" if options.preferred else "no",
    }
    out.print(_machine_table(described))
    results = []
    for name in arguments.only or MEASUREMENTS:
        out.print(f"Measuring: {name} …")
        load_before = psutil.getloadavg()[0]
        result = MEASUREMENTS[name](options)
        results.append({**result.as_json(), "load_average": [round(load_before, 1), round(psutil.getloadavg()[0], 1)]})
        _show(out, result)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    content = {"at": at, "machine": described, "quick": options.quick, "results": results}
    if not options.quick:
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
        path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
        out.print(f"Written to {path}")
    if arguments.json:
        json.dump(content, sys.stdout, ensure_ascii=False)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure what Outdial holds on this machine.")
    parser.add_argument("--only", action="append", choices=MEASUREMENTS, metavar="NAME", help=", ".join(MEASUREMENTS))
    parser.add_argument("--quick", action="store_true", help="a few calls for a second: does it run at all?")
    parser.add_argument("--seconds", type=float, help="listen this long at every step")
    parser.add_argument("--json", action="store_true", help="the results on stdout as JSON, everything else on stderr")
    parser.add_argument(
        "--preferred", action="store_true", help="go before other work on this machine (Linux, root)"
    )
    parser.add_argument(
        "--python", type=Path, help="`cpu`, `starts`: measure the Outdial installed for this Python, instead of ours"
    )
    parser.add_argument("--pipecat", type=Path, help="`pipecat`: the Python of an environment that has pipecat-ai 1.14")
    return parser.parse_args()


def _machine_table(described: dict[str, str]) -> Table:
    table = Table(show_header=False, box=None)
    for name, value in described.items():
        table.add_row(f"[dim]{name}[/]", value)
    return table


def _show(out: Console, result: Result) -> None:
    out.print(f"\n[bold]{result.title}[/]")
    figures = Table("figure", "value", "target", "", box=None)
    for figure in result.figures:
        target = figure.as_json()["target"]
        mark = {True: "[green]holds[/]", False: "[red]missed[/]", None: ""}[figure.holds]
        figures.add_row(figure.name, f"{figure.value:.4g} {figure.unit}", target or "", mark)
    if result.figures:
        out.print(figures)
    if result.rows:
        rows = Table(*result.rows[0], box=None)
        for row in result.rows:
            rows.add_row(*(_cell(value) for value in row.values()))
        out.print(rows)
    for note in result.notes:
        out.print(f"[dim]{note}[/]")
    out.print()


def _cell(value: Any) -> str:
    return "" if value is None else str(value)


if __name__ == "__main__":
    sys.exit(main())
