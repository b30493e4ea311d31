"""`talk`: plays every plan, in as many processes as there are cores, and tells what came of them."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from bench.figures import Figure, Result, percentile
from bench.options import Options
from bench.talk import voices
from bench.talk.counting import Tally
from bench.talk.plans import Plan
from bench.talk.playing import play
from bench.talk.situations import SITUATIONS
from bench.talk.situations.situation import Judged

QUICK_OF_EACH = 1
REPLIES = ("closed", "pauses", "numbers")  # where the agent answers an answer


def talk(options: Options) -> Result:
    there = list(voices.EVERYWHERE) if options.quick else voices.available()
    plans = every_plan(there, of_each=QUICK_OF_EACH if options.quick else None)
    voices.prepare({text for plan in plans for text in plan.texts})
    tally = Tally()
    for plan, judged in _played(plans):
        tally.add(plan, judged)
    missing = [voice for voice in voices.ALL if voice not in there]
    return Result(
        name="talk",
        title="Conversations with callees that think, wait, interrupt and echo",
        figures=_figures(tally),
        rows=[count.as_row() for count in tally.counts(SITUATIONS)],
        notes=[
            f"{len(plans)} conversations; voices: {', '.join(there)}"
            + (f"; not on this machine: {', '.join(missing)} (see bench/talk/voices.py)" if missing else ""),
            *(" ".join(f"{name} {value}" for name, value in row.items()) for row in tally.times()),
        ],
        details={"times": tally.times()},
    )


def every_plan(there: Sequence[str], *, of_each: int | None = None) -> list[Plan]:
    """`of_each`: so many of each row at most, spread over it."""
    rows: dict[tuple[str, str], list[Plan]] = {}
    for situation in SITUATIONS.values():
        for plan in situation.plans(there):
            rows.setdefault((plan.kind, plan.row), []).append(plan)
    return [plan for row in rows.values() for plan in _spread(row, of_each or len(row))]


def _spread(plans: Sequence[Plan], count: int) -> list[Plan]:
    count = min(count, len(plans))
    return [plans[place * len(plans) // count] for place in range(count)]


def judged(plan: Plan) -> Judged:
    return SITUATIONS[plan.kind].judge(plan, play(plan))


def _played(plans: Sequence[Plan]) -> Iterator[tuple[Plan, Judged]]:
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        yield from zip(plans, pool.map(judged, plans, chunksize=4), strict=True)


def _figures(tally: Tally) -> list[Figure]:
    replies = tally.all_ms("reply", REPLIES)
    silenced = tally.took_ms["interruptions", "no echo", "until silence"]
    paused = [count for count in tally.counts(SITUATIONS) if count.situation == "pauses" and count.row != "0.0 s"]
    cut, asked = (sum(getattr(count, of) for count in paused if count.found == "cut off") for of in ("n", "of"))
    reply, silence = "callee's last voiced frame to agent's first", "interruption to silence, without echo"
    return [
        Figure(name=f"{reply}, p50", value=percentile(replies, 50), unit="ms", target=500.0),
        Figure(name="the same, p95", value=percentile(replies, 95), unit="ms", target=900.0),
        Figure(name="beside it: answers with a pause that were cut off", value=100 * cut / max(1, asked), unit="%"),
        Figure(name=f"{silence}, p50", value=percentile(silenced, 50), unit="ms", target=300.0),
        Figure(name="the same, p95", value=percentile(silenced, 95), unit="ms"),
    ]
