"""The benchmark runs: a few calls for a second each, whatever the figures are."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_quick_run_measures_everything_it_is_asked_for():
    asked = ["micro", "talking", "llm", "dialing", "dispatchers", "cpu", "pages", "queue", "scrape", "talk", "webhooks"]
    options = ["--quick", "--json", *(word for name in asked for word in ("--only", name))]
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    run = subprocess.run(
        [sys.executable, "-m", "bench", *options],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert run.returncode == 0, run.stderr
    results = {result["name"]: result for result in json.loads(run.stdout)["results"]}
    assert list(results) == asked
    assert {row["calls"] for row in results["talking"]["rows"]} in ({2}, {2, 4})  # a busy machine holds only two
    assert results["talking"]["rows"][0]["frames"] > 0
    assert {figure["name"] for figure in results["llm"]["figures"]} >= {"added to a turn, p99", "the same, p99"}
    assert results["llm"]["rows"][0]["frames"] > 0
    assert [figure["name"] for figure in results["llm"]["figures"] if figure["value"] is None] == []  # no turns: NaN
    assert results["dialing"]["figures"][0]["value"] > 0
    (dispatched,) = results["dispatchers"]["rows"]
    assert (dispatched["dispatchers"], dispatched["workspaces"], dispatched["deadlocks"]) == (2, 2, 0)
    assert dispatched["dials/s"] > 0
    assert dispatched["WAL kB a call"] > 0
    assert {row["of"] for row in results["cpu"]["rows"]} == {"server", "PostgreSQL", "both"}
    pages = {row["page"] for row in results["pages"]["rows"]}
    assert {"Overview, 30 days", "Calls", "One call", "Overview, 30 days, live", "One call, live"} <= pages
    queued = {row["what"] for row in results["queue"]["rows"]}
    assert {"overview, 30 days", "calls: ended", "claim: the queue's first"} <= queued
    assert {figure["unit"] for figure in results["scrape"]["figures"]} == {"ms", "% of a core"}
    counted = {(row["situation"], row["case"], row["what"]): row for row in results["talk"]["rows"]}
    assert counted["closed", "clean", "right"]["of"] == 1
    (told,) = results["webhooks"]["rows"]
    assert told["told"] == told["events"] == 600
