"""CPU time of a call: what is counted, and what is subtracted."""

import os
import subprocess
import sys

import pytest

from bench.cpu import Round, idle_ms_a_second, per_call_ms
from bench.machine import Watch

BUSY_S = 0.2
BUSY = f"import time\nwhile time.process_time() < {BUSY_S}: pass"


def test_what_is_spent_without_calls_is_no_cost_of_a_call():
    idle = Round(calls=0, seconds=10.0, cpu_s={"server": 0.1, "postgresql": 0.05})
    busy = Round(calls=100, seconds=8.0, cpu_s={"server": 3.08, "postgresql": 1.04})
    assert idle_ms_a_second(idle) == pytest.approx({"server": 10.0, "postgresql": 5.0, "both": 15.0})
    assert per_call_ms([busy], idle) == {
        "server": pytest.approx([30.0]),
        "postgresql": pytest.approx([10.0]),
        "both": pytest.approx([40.0]),
    }


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux counts children that ended")
def test_a_process_that_ended_meanwhile_is_counted():
    parent = subprocess.Popen(
        [sys.executable, "-c", f"import subprocess, sys\nsys.stdin.readline()\n"
         f"subprocess.run([sys.executable, '-c', {BUSY!r}])\nprint('done', flush=True)\nsys.stdin.readline()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with parent:
        watch = Watch({"backends": [parent.pid]})
        parent.stdin.write("\n")
        parent.stdin.flush()
        assert parent.stdout.readline() == "done\n"
        spent = watch.stop().cpu_s["backends"]
        parent.communicate("\n", timeout=10)
    ticks = 2 / os.sysconf("SC_CLK_TCK")  # Linux counts in these, and rounds user and system time down each
    assert spent >= BUSY_S - ticks
