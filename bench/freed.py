"""How long a POST takes while many come, and how long a line stays free while calls wait for it."""

import asyncio
import time
from collections.abc import Sequence

import httpx

from bench.callee import Manner
from bench.cpu import Kind, served
from bench.figures import Figure, Result, median, percentile
from bench.options import Options
from bench.scene import stage, wait_until

RATE, SECONDS = 100.0, 10.0       # POSTs
LINES, WAITING = 20, 600          # calls that wait for that many lines
TARGET_POST_MS, TARGET_P50_MS, TARGET_P95_MS = 50.0, 40.0, 100.0
UNANSWERED = Kind(manner=Manner.UNANSWERED, end_reason="no_answer")
CLIENTS, WARM_UP = 32, 100


def accepting(options: Options) -> Result:
    """POSTs at a steady rate: their calls wait, but for a few lines that are busy all the time."""
    seconds, waiting = options.listen_s(SECONDS), options.pick(WAITING, 60)
    with stage(UNANSWERED.manner) as staged, served(staged, 1, options, lines=LINES) as (servers, key, number_id):
        url = f"{servers[0].base_url}/v1/phone-number/{number_id}/outbound"
        asyncio.run(_post(url, key, numbers=range(WARM_UP)))
        answered_ms = asyncio.run(_post(url, key, numbers=range(WARM_UP, WARM_UP + round(RATE * seconds))))
        wait_until(lambda: len(staged.carrier.ask("dialed")) >= waiting, f"{waiting} dials", timeout_s=120.0)
        dialed, ended = staged.carrier.ask("dialed"), staged.carrier.ask("ended")
    free_ms = stayed_free_ms(sorted(dialed.values()), sorted(ended.values()), LINES)
    return Result(
        name="accepting",
        title="POSTs while many come, and lines while calls wait",
        figures=[
            Figure(name=f"POST at {RATE:g} a second, p50", value=median(answered_ms), unit="ms"),
            Figure(
                name=f"POST at {RATE:g} a second, p99",
                value=percentile(answered_ms, 99),
                unit="ms",
                target=TARGET_POST_MS,
            ),
            Figure(name="freed line to next dial, p50", value=median(free_ms), unit="ms", target=TARGET_P50_MS),
            Figure(
                name="freed line to next dial, p95", value=percentile(free_ms, 95), unit="ms", target=TARGET_P95_MS
            ),
        ],
        notes=[
            f"{round(RATE * seconds)} POSTs, each when its time has come, whatever became of those before. "
            f"{LINES} lines; a line is freed when the carrier begins to send the last callback of its call, and taken "
            "when the next dial reaches the carrier.",
        ],
    )


def stayed_free_ms(dialed: Sequence[float], ended: Sequence[float], lines: int) -> list[float]:
    """How long each line stayed free: the end of call n makes room for dial n + lines. Both in order, in seconds."""
    return [(after - before) * 1000 for before, after in zip(ended, dialed[lines:], strict=False)]


async def _post(url: str, key: str, *, numbers: range) -> list[float]:
    """How long each POST took until its answer, from when it was due."""
    taken: list[float] = []
    limits = httpx.Limits(max_connections=CLIENTS, max_keepalive_connections=CLIENTS)
    async with httpx.AsyncClient(headers={"Authorization": key}, trust_env=False, timeout=30, limits=limits) as http:

        async def post(number: int, due: float) -> None:
            body = {"to": f"+1555{number:07}", "variables": {"user_name": "Jane"}, "amd": True}
            response = await http.post(url, json=body)
            response.raise_for_status()
            taken.append((time.perf_counter() - due) * 1000)

        began = time.perf_counter()
        async with asyncio.TaskGroup() as posts:
            for place, number in enumerate(numbers):
                due = began + place / RATE
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                posts.create_task(post(number, due))
    return taken
