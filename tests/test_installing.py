"""`make install` is read by somebody who waits for it: a few lines, and what went wrong when something did."""

import subprocess
from pathlib import Path

import pytest

INSTALL = Path(__file__).parents[1] / "requirements/install"
PIP = """#!/bin/sh
for place in $(seq 300); do echo "Collecting package-$place"; done
echo "ERROR: No matching distribution found for package-301" >&2
exit {status}
"""


@pytest.fixture
def install(tmp_path):
    lock = tmp_path / "lock.txt"
    lock.write_text("package==1\n")

    def install(status: int) -> "subprocess.CompletedProcess[str]":
        python = tmp_path / "python"
        python.write_text(PIP.format(status=status))
        python.chmod(0o755)
        return subprocess.run([INSTALL, python, lock], capture_output=True, text=True, timeout=30)

    return install


def test_what_goes_well_is_not_told_line_by_line(install):
    done = install(0)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_fails_is_told_with_its_last_lines(install):
    failed = install(1)
    assert failed.returncode == 1
    assert "No matching distribution found for package-301" in failed.stderr
    assert len(failed.stderr.splitlines()) < 30
