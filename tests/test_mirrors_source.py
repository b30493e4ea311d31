"""Whoever changes a module finds its tests at the same place."""

from pathlib import Path

import pytest

import outdial

SOURCE, TESTS = Path(outdial.__file__).parent, Path(__file__).parent
ROOMS = (
    "telephony", "accounts", "lines", "policy", "calls", "dispatch", "callbacks", "live", "history", "jobs", "retention"
)  # fmt: skip


@pytest.mark.parametrize("room", ROOMS)
def test_every_module_has_its_tests(room):
    modules = {path.name for path in (SOURCE / room).glob("*.py")} - {"__init__.py"}
    missing = {name for name in modules if not (TESTS / room / f"test_{name}").exists()}
    assert missing == set()
