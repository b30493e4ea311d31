"""Which tests share a process: the modules and folders named for it are there."""

from pathlib import Path

import pytest

pytest.importorskip("xdist", reason="pytest-xdist is not installed")
import side_by_side
from side_by_side import LONG, TOGETHER

TESTS = Path(__file__).parent


def test_what_stays_together_and_what_begins_first_is_there():
    assert [folder for folder in TOGETHER if not (TESTS / folder).is_dir()] == []
    assert [scope for scope in LONG if scope not in TOGETHER.values() and not (TESTS / scope).is_file()] == []


@pytest.mark.parametrize(("processors", "processes"), [(None, 2), (1, 2), (2, 3), (4, 5), (64, 5)])
def test_there_is_a_process_more_than_processors_but_never_many(monkeypatch, processors, processes):
    monkeypatch.setattr("os.cpu_count", lambda: processors)
    assert side_by_side.processes() == processes
