"""A host's clock that jumps."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chaos import clock
from chaos.clock import Clock, compiled

TELLS = """
import datetime, sys, time
for _ in sys.stdin:
    time.sleep(0.001)
    assert abs(datetime.datetime.now().timestamp() - time.time()) < 60
    print(time.time(), time.monotonic(), flush=True)
"""


@pytest.mark.skipif(not clock.IS_THERE, reason="there is no C compiler")
def test_a_process_s_wall_clock_jumps_while_it_runs_and_its_monotonic_one_does_not(tmp_path: Path):
    own = Clock(tmp_path / "clock", compiled(tmp_path))
    environment = os.environ | own.environment
    with subprocess.Popen(
        [sys.executable, "-c", TELLS], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def told() -> tuple[float, float]:
            process.stdin.write("\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
            wall, steady = process.stdout.readline().split()  # type: ignore[union-attr]
            return float(wall), float(steady)

        wall, steady = told()
        own.jump(3600)
        later, steady_later = told()
        process.stdin.close()
    assert 3590 < later - wall < 3660
    assert steady_later - steady < 60
