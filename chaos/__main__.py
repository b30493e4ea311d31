"""`python -m chaos`: throw failures at a running Outdial, then compare its books with the carrier's."""

import argparse
import asyncio
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from chaos import clock
from chaos.evidence import Evidence
from chaos.invariants import Finding, check_all
from chaos.run import Options, Run
from chaos.schedule import Kind
from chaos.without import PARTS

EXAMPLES = 5
BESIDE_S = 900.0  # of start, settling and end together: then a run is given up, whatever it waits for


def main() -> int:
    arguments = _arguments()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(1_000_000)
    options = Options(
        seed=seed,
        seconds=arguments.minutes * 60,
        hosts=arguments.hosts,
        calls_per_second=arguments.calls_per_second,
        kinds=[kind for kind in _possible() if kind in (arguments.only or Kind) and kind not in arguments.never],
        without=arguments.without,
    )
    out = Console(soft_wrap=True, highlight=False)
    if not out.is_terminal:
        out.width = 180
    began = time.monotonic()

    def tell(words: str) -> None:
        out.print(f"[dim]{time.monotonic() - began:6.1f}[/] {words}")

    folder = Path(tempfile.mkdtemp(prefix="outdial-chaos-"))
    folder.chmod(0o755)  # PostgreSQL may run as a user of its own
    out.print(f"Seed {seed}, {options.seconds:g} s, {options.hosts} hosts; everything is kept in {folder}")
    findings: list[Finding] | None = None
    try:
        evidence = asyncio.run(_play(Run(options, folder, tell), options))
        findings = check_all(evidence)
    except (KeyboardInterrupt, asyncio.CancelledError):
        out.print("Stopped; nothing was checked")
        return 130
    except TimeoutError:
        out.print(f"The run did not come to its end; see {folder}")
        return 1
    finally:
        shutil.rmtree(folder / "database", ignore_errors=True)
        if findings is not None and all(finding.holds for finding in findings) and not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)
    _show(out, evidence, findings)
    if all(finding.holds for finding in findings):
        return 0
    out.print(f"Seed {seed}. Logs, schedule and books: {folder}")
    return 1


async def _play(run: Run, options: Options) -> Evidence:
    playing = asyncio.current_task()
    assert playing is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, playing.cancel)
    async with asyncio.timeout(options.seconds + BESIDE_S):
        return await run.play()


def _possible() -> list[Kind]:
    return [kind for kind in Kind if kind is not Kind.CLOCK_JUMP or clock.IS_THERE]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m chaos", description="Throw failures at a running Outdial and look for what was lost."
    )
    parser.add_argument("--seed", type=int, help="of an earlier run: the same throws at the same times")
    parser.add_argument("--minutes", type=float, default=10.0, help="of traffic and throws (10)")
    parser.add_argument("--hosts", type=int, choices=(1, 2, 3), default=3, help="that run outdial serve (3)")
    parser.add_argument("--calls-per-second", type=float, default=1.0, help="how many are placed (1)")
    kinds = ", ".join(Kind)
    parser.add_argument("--only", action="append", type=Kind, metavar="KIND", help=f"repeatable: {kinds}")
    parser.add_argument("--never", action="append", type=Kind, default=[], metavar="KIND", help="repeatable")
    parser.add_argument(
        "--without", action="append", choices=PARTS, default=[], help="leave a part of Outdial out: must find losses"
    )
    parser.add_argument("--keep", action="store_true", help="keep logs and books also when everything holds")
    return parser.parse_args()


def _show(out: Console, evidence: Evidence, findings: Sequence[Finding]) -> None:
    thrown = Counter(each.kind for each in evidence.thrown)
    table = Table("thrown", "times", box=None)
    for kind in Kind:
        if thrown[kind]:
            table.add_row(kind, str(thrown[kind]))
    out.print(table)
    ends = Counter(call.end_reason or call.state for call in evidence.books.calls)
    errors = Counter(call.error for call in evidence.books.calls if call.error)
    answered = sum(phone.answered_at is not None for phone in evidence.phones)
    out.print(f"\n{len(evidence.phones)} phones called or calling, {answered} answered")
    out.print(f"Calls by their end: {_told(ends)}; by their error: {_told(errors)}\n")
    table = Table("invariant", "", "broken by", box=None)
    for finding in findings:
        mark = "[green]held[/]" if finding.holds else f"[red]broken {len(finding.broken)} times[/]"
        examples = [*finding.broken[:EXAMPLES], *(["…"] if len(finding.broken) > EXAMPLES else [])]
        table.add_row(finding.name, mark, "\n".join(examples).replace("[", "\\["))
    out.print(table)


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{word} {count}" for word, count in counts.most_common()) or "none"


if __name__ == "__main__":
    sys.exit(main())
