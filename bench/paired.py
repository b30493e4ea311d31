"""`python -m bench.paired --against CHECKOUT`: two versions, measured in turn in one run on this machine.

The other version is a checkout with a venv of its own (`make .venv/installed-test` in it). Every figure is measured for
it, for this version, for it again, and so on: what else the machine does then meets both.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from bench.figures import median

HERE = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
NAMES = ("cpu", "dialing", "talking", "turn_latency")
OF_PROGRAM = ("cpu", "starts")
ROUNDS = 3
WITHIN_S = 3600.0  # one measurement of one version

# (measurement, figure) → value and unit of one run
Figures = Mapping[tuple[str, str], tuple[float, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A figure of both versions: every run's value, and each pair's ratio (ours to the other's)."""

    measurement: str
    figure: str
    unit: str
    before: Sequence[float]
    after: Sequence[float]

    @property
    def ratios(self) -> list[float]:
        return [ours / theirs for theirs, ours in zip(self.before, self.after, strict=True) if theirs]

    def as_json(self) -> dict[str, Any]:
        return {
            "measurement": self.measurement,
            "figure": self.figure,
            "unit": self.unit,
            "before": list(self.before),
            "after": list(self.after),
            "ratio": round(median(self.ratios), 4) if self.ratios else None,
        }


def figures_of(content: Mapping[str, Any]) -> Figures:
    """What one `python -m bench --json` printed; figures without a value are left out."""
    return {
        (result["name"], figure["name"]): (float(figure["value"]), str(figure["unit"]))
        for result in content["results"]
        for figure in result["figures"]
        if figure["value"] is not None
    }


def compare(pairs: Sequence[tuple[Figures, Figures]]) -> list[Compared]:
    """`pairs` are (the other version's run, ours). A figure that one of the two doesn't have is left out of that pair.
    """
    names = dict.fromkeys(name for before, after in pairs for name in before if name in after)
    compared = []
    for name in names:
        both = [(before[name], after[name]) for before, after in pairs if name in before and name in after]
        compared.append(
            Compared(
                measurement=name[0],
                figure=name[1],
                unit=both[0][0][1],
                before=[value for (value, _), _ in both],
                after=[value for _, (value, _) in both],
            )
        )
    return compared


def main() -> int:
    arguments = _arguments()
    other: Path = arguments.against.resolve()
    python = other / ".venv" / "bin" / "python"
    if not python.exists():
        raise SystemExit(f"{other} has no .venv; run make .venv/installed-test in it")
    options = [
        *(["--quick"] if arguments.quick else []),
        *(["--preferred"] if arguments.preferred else []),
        *(["--seconds", str(arguments.seconds)] if arguments.seconds else []),
    ]
    out = Console()
    if not out.is_terminal:
        out.width = 180
    pairs: dict[str, list[tuple[Figures, Figures]]] = {name: [] for name in arguments.only or NAMES}
    for number in range(1, arguments.rounds + 1):
        for name, measured in pairs.items():
            out.print(f"Round {number} of {arguments.rounds}, {name} …")
            before = _measure(name, other, python, options)
            measured.append((before, _measure(name, HERE, Path(sys.executable), options)))
    compared = [one for measured in pairs.values() for one in compare(measured)]
    _show(out, compared)
    load = ", ".join(f"{value:.1f}" for value in psutil.getloadavg())
    out.print(f"[dim]Ratio: this version to the other, the median of the pairs. Load average at the end: {load}.[/]")
    if not arguments.quick:
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"paired-{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
        content = {"against": str(other), "load_average": load, "figures": [one.as_json() for one in compared]}
        path.write_text(json.dumps(content, indent=2) + "\n")
        out.print(f"Written to {path}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.paired", description="Measure another checkout and this one in turn, and compare."
    )
    parser.add_argument(
        "--against", "--before", type=Path, required=True, metavar="CHECKOUT", help="the other version, with its .venv"
    )
    parser.add_argument("--only", action="append", metavar="NAME", help=f"of python -m bench; default: {NAMES}")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each is measured")
    parser.add_argument("--seconds", type=float, help="as python -m bench has it")
    parser.add_argument("--quick", action="store_true", help="as python -m bench has it")
    parser.add_argument("--preferred", action="store_true", help="as python -m bench has it")
    return parser.parse_args()


def _measure(name: str, checkout: Path, python: Path, options: Iterable[str]) -> Figures:
    """One measurement of one version. `cpu` and `starts` need nothing of the other's code but its program, so they are
    measured by our code for both; the others run the server in a process of the benchmark, so each version is measured
    by its own.
    """
    command = ["-m", "bench", "--only", name, "--json", *options]
    environment = dict(os.environ)
    if checkout != HERE:
        environment.pop("PYTHONPATH", None)  # would put our code before theirs
        if name in OF_PROGRAM:
            command += ["--python", str(python)]
            checkout, python, environment = HERE, Path(sys.executable), dict(os.environ)
    run = subprocess.run(
        [str(python), *command], cwd=checkout, env=environment, capture_output=True, text=True, timeout=WITHIN_S
    )
    if run.returncode != 0:
        raise SystemExit(f"python -m bench --only {name} failed in {checkout}:\n{run.stderr[-2000:]}")
    return figures_of(json.loads(run.stdout))


def _show(out: Console, compared: Iterable[Compared]) -> None:
    table = Table("measurement", "figure", "unit", "before", "(runs)", "after", "(runs)", "ratio", box=None)
    for one in compared:
        table.add_row(
            one.measurement,
            one.figure,
            one.unit,
            f"{median(one.before):.4g}",
            _runs(one.before),
            f"{median(one.after):.4g}",
            _runs(one.after),
            f"{median(one.ratios):.3f}" if one.ratios else "",
        )
    out.print(table)


def _runs(values: Sequence[float]) -> str:
    return " ".join(f"{value:.4g}" for value in values)


if __name__ == "__main__":
    sys.exit(main())
