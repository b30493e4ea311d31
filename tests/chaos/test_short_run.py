"""`make chaos` in little: what it starts, throws and compares is real, and everything holds."""

import os
import subprocess
import sys
from pathlib import Path

from chaos.invariants import CHECKS

ROOT = Path(__file__).parents[2]
SEED = "2130"  # of three hosts one is killed, one frozen, one loses its way to the carriers and then its power
MINUTES = "0.55"
KINDS = (
    "power cut", "no way to the carriers", "store unreachable", "database restart", "freeze", "kill", "callback_lost",
    "reply_lost",
)  # fmt: skip
LIMIT_S = 900  # nothing is judged by it: whatever a run waits for has a limit of its own


def test_a_short_run_breaks_nothing():
    options = ["--seed", SEED, "--minutes", MINUTES, *(word for kind in KINDS for word in ("--only", kind))]
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    run = subprocess.run(
        [sys.executable, "-m", "chaos", *options],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-5000:]
    told = run.stdout.splitlines()
    for kind in KINDS:
        assert any(line.split() == [*kind.split(), "1"] for line in told), kind
    for name in CHECKS:
        assert any(line.strip().startswith(name) and line.rstrip().endswith("held") for line in told), name
