"""CPU time of a call: without audio (POST, dial, three callbacks: initiated, ringing, no answer), and of a whole start
(`starts`: answered, audio connected, the agent's first words, ended).

Of `outdial serve` and of PostgreSQL apart, with one server process and with two on the same database. Calls come at a
steady rate that leaves the machine idle time: what an overloaded server does in batches would look cheap.
"""

import http.client
import json
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from bench import machine
from bench.callee import GLANCE_S, Manner
from bench.figures import Figure, Result, median
from bench.installed import Installed, Server
from bench.options import Options
from bench.scene import ACCOUNT, TALK, Stage, stage, wait_until

PROCESSES = (1, 2)
RATE = 12.0         # calls a second, on average: in step with each other, the end of one and the start of the next
JITTER = 0.5        # would wake the dispatcher once instead of twice
ROUNDS, ROUND_S = 5, 12.0
IDLE_S = 15.0       # three sweeps
SETTLE_S = 1.0      # from the last callback's answer until what it says is written down
LINES, PACE = 5000, 1000
SERVER, POSTGRES = "server", "postgresql"
TARGET_START_MS = 22.0
LABELS = {SERVER: "server", POSTGRES: "PostgreSQL", "both": "both"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What a round cost, by who spent it, seconds of CPU time."""

    calls: int
    seconds: float
    cpu_s: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """The calls of a measurement, and how they end."""

    manner: Manner
    end_reason: str
    target_ms: float | None = None
    target_ratio: float | None = None


NO_ANSWER = Kind(manner=Manner.UNANSWERED, end_reason="no_answer")
START = Kind(manner=Manner.GLANCES, end_reason="completed", target_ms=TARGET_START_MS, target_ratio=1.1)


def cpu(options: Options) -> Result:
    figures, rows = _figures(NO_ANSWER, options)
    return Result(
        name="cpu",
        title="CPU time of a call without audio",
        figures=figures,
        rows=rows,
        notes=[
            f"Each call: POST, dial, three signed callbacks (initiated, ringing, no answer). {RATE:g} calls a second; "
            "medians of the rounds that follow one to warm up. What the same processes spend without calls is measured "
            "before, and subtracted.",
            "User and system time. PostgreSQL: all of its processes, also those that ended. Two server processes get "
            "the requests in turn; none of them is kept on one core.",
        ],
    )


def starts(options: Options) -> Result:
    figures, rows = _figures(START, options)
    return Result(
        name="starts",
        title="CPU time of a start",
        figures=figures,
        rows=rows,
        notes=[
            "Each call: POST, dial, three signed callbacks (initiated, ringing, in-progress), its audio connected, the "
            f"agent's first words; {GLANCE_S:g} s later the callee hangs up, and the carrier says so (completed). "
            f"Recorded, as every call. {RATE:g} calls a second; the rest as for `cpu`.",
        ],
    )


def _figures(kind: Kind, options: Options) -> tuple[list[Figure], list[dict[str, Any]]]:
    figures: list[Figure] = []
    rows: list[dict[str, Any]] = []
    of_server: dict[int, float] = {}
    for processes in options.pick(PROCESSES, (2,)):
        idle, rounds = _measure(processes, options, kind)
        for who, values in per_call_ms(rounds, idle).items():
            name = f"{LABELS[who]}, {processes} {'process' if processes == 1 else 'processes'}"
            if who == SERVER:
                of_server[processes] = median(values)
            target = kind.target_ms if who == "both" and processes == 1 else None
            figures.append(Figure(name=name, value=median(values), unit="ms a call", target=target))
            rows.append(
                {
                    "processes": processes,
                    "of": LABELS[who],
                    "median ms": round(median(values), 1),
                    "least": round(min(values), 1),
                    "most": round(max(values), 1),
                    "idle ms a second": round(idle_ms_a_second(idle)[who], 1),
                }
            )
    if len(of_server) > 1:
        ratio = of_server[2] / of_server[1]
        figures.append(Figure(name="server, two processes to one", value=ratio, unit="", target=kind.target_ratio))
    return figures, rows


def idle_ms_a_second(idle: Round) -> dict[str, float]:
    return {who: spent / idle.seconds * 1000 for who, spent in _with_both(idle.cpu_s).items()}


def per_call_ms(rounds: Sequence[Round], idle: Round) -> dict[str, list[float]]:
    """CPU time of a call in each round, without what would have been spent anyway; by who spent it, and in sum."""
    anyway = idle_ms_a_second(idle)
    return {
        who: [(_with_both(each.cpu_s)[who] * 1000 - anyway[who] * each.seconds) / each.calls for each in rounds]
        for who in (SERVER, POSTGRES, "both")
    }


def _with_both(cpu_s: dict[str, float]) -> dict[str, float]:
    return cpu_s | {"both": cpu_s[SERVER] + cpu_s[POSTGRES]}


def _measure(processes: int, options: Options, kind: Kind) -> tuple[Round, list[Round]]:
    rounds = options.pick(ROUNDS, 1)
    calls = round(options.listen_s(ROUND_S) * RATE)
    with stage(kind.manner) as staged, served(staged, processes, options) as (servers, key, number_id):
        traffic = _Traffic(servers, key, number_id)
        traffic.run(staged, calls)
        _prefer(staged, servers, options)
        time.sleep(SETTLE_S)
        watch = _watch(staged, servers)
        time.sleep(options.pick(IDLE_S, 1.0))
        idle = _round(watch, 0)
        measured = []
        for _ in range(rounds):
            watch = _watch(staged, servers)
            traffic.run(staged, calls)
            measured.append(_round(watch, calls))
        traffic.check(kind.end_reason)
    return idle, measured


def _watch(staged: Stage, servers: Sequence[Server]) -> machine.Watch:
    return machine.Watch({SERVER: [server.pid for server in servers], POSTGRES: [staged.postgres.pid]})


def _round(watch: machine.Watch, calls: int) -> Round:
    work = watch.stop()
    return Round(calls=calls, seconds=work.seconds, cpu_s=work.cpu_s)


def _prefer(staged: Stage, servers: Sequence[Server], options: Options) -> None:
    if options.preferred:
        backends = [process.pid for process in staged.postgres.children()]
        for pid in (staged.carrier.pid, *(server.pid for server in servers), staged.postgres.pid, *backends):
            machine.prefer(pid)


@contextmanager
def served(
    staged: Stage, processes: int, options: Options, *, lines: int = LINES
) -> Iterator[tuple[list[Server], str, str]]:
    """The servers, an API key, and the id of a number to call from."""
    outdial = Installed(options.python, data_dir=staged.data_dir, database_url=staged.database_url)
    script = staged.data_dir / "bench.yaml"
    script.write_text(TALK)
    workspace = outdial.command("workspaces", "create", "Bench")
    changed = outdial.command("workspaces", "change", workspace["id"], "--lines", str(lines))
    if "daily_limit" in changed:  # versions before 0.2 have none
        outdial.command("workspaces", "change", workspace["id"], "--daily-limit", "1000000000")
    key = outdial.command("keys", "create", "bench")["key"]
    agent = outdial.command("agents", "create", str(script), "--publish")
    number = outdial.command(
        "numbers", "connect", "+12025550199", "--outbound-only", "--agent", agent["id"],
        "--carrier-url", staged.carrier.hello["url"], "--calls-per-second", str(PACE),
        *(word for name, value in ACCOUNT.items() for word in ("-c", f"{name}={value}")),
    )  # fmt: skip
    with ExitStack() as stack:
        servers = []
        for _ in range(processes):
            servers.append(server := outdial.serve())
            stack.callback(server.stop)
        yield servers, key, number["id"]


class _Traffic:
    """Calls at a steady rate, the servers in turn."""

    def __init__(self, servers: Sequence[Server], key: str, number_id: str) -> None:
        self._servers = servers
        self._headers = {"Authorization": key, "Content-Type": "application/json"}
        self._path = f"/v1/phone-number/{number_id}/outbound"
        self._random = random.Random(1)
        self._placed = 0
        self._last: list[str] = []

    def run(self, staged: Stage, calls: int) -> None:
        """Place `calls`; returns when all are over and written down."""
        clients = [http.client.HTTPConnection(urlsplit(server.base_url).netloc) for server in self._servers]
        self._last = []
        began = time.monotonic()
        for number in range(calls):
            due = began + (number + self._random.uniform(-JITTER, JITTER)) / RATE
            time.sleep(max(0.0, due - time.monotonic()))
            self._last.append(self._place(clients[number % len(clients)]))
        for client in clients:
            client.close()
        wait_until(lambda: staged.carrier.ask("over") >= self._placed, "end of every call")
        time.sleep(SETTLE_S)

    def check(self, end_reason: str) -> None:
        """Raises unless each call of the last round ended so."""
        headers = {"Authorization": self._headers["Authorization"]}
        with httpx.Client(base_url=self._servers[0].base_url, headers=headers, trust_env=False, timeout=10) as api:
            for call_id in self._last:
                call = api.get(f"/v1/calls/{call_id}").json()
                if (call["state"], call["end_reason"]) != ("ended", end_reason):
                    raise RuntimeError(f"a call is {call['state']} ({call['end_reason']}) after its last callback")

    def _place(self, client: http.client.HTTPConnection) -> str:
        self._placed += 1
        body: dict[str, Any] = {"to": f"+1555{self._placed:07}", "variables": {"user_name": "Jane"}, "amd": True}
        client.request("POST", self._path, json.dumps(body), self._headers)
        response = client.getresponse()
        reply = response.read()
        if response.status != 200:
            raise RuntimeError(f"the API answered {response.status}: {reply[:200]!r}")
        return str(json.loads(reply)["call_id"])
