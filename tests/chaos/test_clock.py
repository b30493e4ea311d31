"""A host's clock that jumps."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chaos import clock
from chaos.clock import Clock

TELLS = "import sys, time\nfor _ in sys.stdin:\n    print(time.time(), time.monotonic(), flush=True)\n"


@pytest.mark.skipif(not clock.IS_THERE, reason="libfaketime isn't installed")
def test_a_process_s_wall_clock_jumps_while_it_runs_and_its_monotonic_one_does_not(tmp_path: Path):
    own = Clock(tmp_path / "clock")
    environment = os.environ | own.environment | {"FAKETIME_NO_CACHE": "1"}
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
