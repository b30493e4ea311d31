"""Several processes on one database: what a talking call costs in two of them and in one, and how soon a third that
joins under load has its share of the calls."""

import time
from collections.abc import Sequence

import httpx
import psycopg

from bench import machine
from bench.callee import Manner
from bench.cpu import SERVER, served
from bench.figures import Figure, Result, median
from bench.installed import Installed, Server
from bench.options import Options
from bench.scene import Stage, stage, wait_until

CALLS, ROUNDS, ROUND_S = 24, 3, 10.0
TARGET_RATIO, TARGET_JOIN_S = 1.1, 30.0
EVERY_S = 0.4         # a new call, while the third joins
NEARLY = 0.9          # of its share
JOINED_WITHIN_S = 90.0


def processes(options: Options) -> Result:
    one, two = (_talking(count, options) for count in (1, 2))
    ready_s, share_s = _join(options)
    return Result(
        name="processes",
        title="Several processes on one database",
        figures=[
            Figure(name="CPU of a talking call, one process", value=one, unit="ms a second"),
            Figure(name="CPU of a talking call, two processes", value=two, unit="ms a second"),
            Figure(name="two processes to one", value=two / one, unit="", target=TARGET_RATIO),
            Figure(name="a third process: from its start until it is ready", value=ready_s, unit="s"),
            Figure(name="… until it has its share of the calls", value=share_s, unit="s", target=TARGET_JOIN_S),
        ],
        notes=[
            f"{CALLS} calls talk, placed at the processes in turn; the median of {ROUNDS} rounds of "
            f"{options.listen_s(ROUND_S):g} s. What the processes spend without calls is in it, the second one's, too.",
            f"The third joins two that hold {CALLS} calls, while a new one comes every {EVERY_S:g} s. Its share is "
            f"a third of the calls that have a seat ({NEARLY:.0%} of that are taken for it).",
        ],
    )


def _talking(count: int, options: Options) -> float:
    """CPU time of the servers a call, ms a second."""
    calls = options.pick(CALLS, 4)
    with stage(Manner.TALKS) as staged, served(staged, count, options) as (servers, key, number_id):
        _place(servers, key, number_id, range(calls))
        wait_until(lambda: staged.carrier.ask("calls") >= calls, f"{calls} media streams")
        time.sleep(options.settle_s)
        spent = []
        for _ in range(options.pick(ROUNDS, 1)):
            watch = machine.Watch({SERVER: [server.pid for server in servers]})
            time.sleep(options.listen_s(ROUND_S))
            work = watch.stop()
            spent.append(work.cpu_s[SERVER] * 1000 / work.seconds / staged.carrier.ask("calls"))
        return median(spent)


def _join(options: Options) -> tuple[float, float]:
    """From the start of a third process until it is ready, and until it has its share."""
    calls = options.pick(CALLS, 4)
    with stage(Manner.TALKS) as staged, served(staged, 2, options) as (servers, key, number_id):
        _place(servers, key, number_id, range(calls))
        wait_until(lambda: staged.carrier.ask("calls") >= calls, f"{calls} media streams")
        known = set(_seats(staged))
        began = time.monotonic()
        third = Installed(options.python, data_dir=staged.data_dir, database_url=staged.database_url).serve()
        try:
            ready_s = time.monotonic() - began
            for number in range(calls, 10_000):
                held = _seats(staged)
                if sum(many for worker, many in held.items() if worker not in known) >= NEARLY * sum(held.values()) / 3:
                    return ready_s, time.monotonic() - began
                if time.monotonic() - began > JOINED_WITHIN_S:
                    break
                _place([servers[number % 2]], key, number_id, [number])
                time.sleep(EVERY_S)
            raise TimeoutError(f"The third process has no share after {JOINED_WITHIN_S:g} s")
        finally:
            third.stop()


def _place(servers: Sequence[Server], key: str, number_id: str, numbers: Sequence[int]) -> None:
    with httpx.Client(headers={"Authorization": key}, trust_env=False, timeout=30) as http:
        for place, number in enumerate(numbers):
            url = f"{servers[place % len(servers)].base_url}/v1/phone-number/{number_id}/outbound"
            http.post(url, json={"to": f"+1555{number:07}"}).raise_for_status()


def _seats(staged: Stage) -> dict[str, int]:
    """How many calls have their seat at each worker."""
    with psycopg.connect(staged.database_url) as conn:
        rows = conn.execute("SELECT worker_id, count(attempt_id) FROM seats GROUP BY worker_id").fetchall()
    return {str(worker): int(many) for worker, many in rows}
