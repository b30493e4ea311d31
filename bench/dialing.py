"""From the API request that places a call to the carrier's REST request that dials it."""

import http.client
import json
import time
from itertools import pairwise
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

from bench.callee import Manner
from bench.figures import Figure, Result, median, percentile
from bench.options import Options
from bench.scene import Scene, scene, wait_until

REQUESTS, WARM_UP = 150, 30
REST_S = 0.15  # until the next request: the busy call before is over and written down by then
PACE = 30     # calls a second the account may dial, as Telnyx has it: never in the way here
TARGET_MS = 15.0
STEPS = (
    "request until it is to be committed",
    "committed, and the dispatcher woken",
    "claim until it is to be committed",
    "committed, and the carrier dialed",
)


def dialing(options: Options) -> Result:
    """One request after the other, with lines free; every callee is busy."""
    requests, warm_up = options.pick((REQUESTS, WARM_UP), (5, 2))
    with scene(manner=Manner.BUSY, trace=True, calls_per_second=PACE, preferred=options.preferred) as started:
        sent: dict[str, tuple[float, float]] = {}
        client = http.client.HTTPConnection(urlsplit(started.base_url).netloc)
        for number in range(requests + warm_up):
            if number == warm_up:
                started.prefer()
            to = f"+1555{number:07}"
            sent[to] = _post(client, started, to)
            time.sleep(REST_S)
        wait_until(lambda: len(started.carrier.ask("dialed")) == len(sent), "dial for every request")
        dialed = started.carrier.ask("dialed")
        trace = started.server.ask("trace")
    measured = list(sent.items())[warm_up:]
    total = [(dialed[to] - asked) * 1000 for to, (asked, _) in measured]
    answered = [(replied - asked) * 1000 for _, (asked, replied) in measured]
    parts = [_parts(asked, dialed[to], trace) for to, (asked, _) in measured]
    whole = [part for part in parts if part is not None]
    rows: list[dict[str, Any]] = [
        {"step": step, "p50 ms": round(median(values), 2), "p99 ms": round(percentile(values, 99), 2)}
        for step, values in zip(STEPS, zip(*whole, strict=True), strict=bool(whole))
    ]
    return Result(
        name="dialing",
        title="From POST to the carrier's REST request",
        figures=[
            Figure(name="POST to dial, p50", value=median(total), unit="ms", target=TARGET_MS),
            Figure(name="POST to dial, p99", value=percentile(total, 99), unit="ms"),
            Figure(name="POST to its answer, p50", value=median(answered), unit="ms"),
            Figure(name="POST to its answer, p99", value=percentile(answered, 99), unit="ms"),
        ],
        rows=rows,
        notes=[
            f"{requests} requests after {warm_up} to warm up, each {REST_S * 1000:.0f} ms after the answer to the one "
            "before: by then that call was dialed, found busy and recorded. Commits wait for the disk.",
        ],
    )


def _post(client: http.client.HTTPConnection, started: Scene, to: str) -> tuple[float, float]:
    body = json.dumps({"to": to, "variables": {"user_name": "Jane", "account_type": "Premium"}, "amd": True})
    headers = {"Authorization": started.key, "Content-Type": "application/json"}
    asked = perf_counter()
    client.request("POST", f"/v1/phone-number/{started.number_id}/outbound", body, headers)
    response = client.getresponse()
    replied = perf_counter()
    reply = response.read()
    if response.status != 200:
        raise RuntimeError(f"the API answered {response.status}: {reply[:200]!r}")
    return asked, replied


def _parts(asked: float, dialed: float, trace: list[tuple[float, str]]) -> tuple[float, ...] | None:
    """How long each of STEPS took; None when something else happened in between."""
    between = [(at, what) for at, what in trace if asked <= at <= dialed]
    if [what for _, what in between[:2]] == ["commit", "commit"]:  # the key's "last used" comes first, now and then
        del between[0]
    if [what for _, what in between] != ["commit", "woken", "commit"]:
        return None
    marks = [asked, *(at for at, _ in between), dialed]
    return tuple((after - before) * 1000 for before, after in pairwise(marks))
