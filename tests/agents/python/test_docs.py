"""What docs/agents.md shows of agents in Python runs as it stands there."""

import re
import sys
from pathlib import Path

import pytest

from outdial.agents.python.decorator import Declared
from outdial.agents.python.loading import load_file
from outdial.agents.review import review_agent
from outdial.rehearsals.parse import parse_rehearsals
from outdial.rehearsals.run import Tried, rehearse

DOCS = (Path(__file__).parents[3] / "docs" / "agents.md").read_text(encoding="utf-8")
EXAMPLE, TEST = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)
REHEARSALS = """
rehearsals:
  - name: Jane comes
    call: [hears: Are you coming on Tuesday, says: "Yes, I am."]
    expect: {outcome: "yes"}
  - name: Jane presses a key
    call: [presses: "1"]
    expect: {outcome: "yes"}
  - name: Jane can't
    call: [says: "No, sorry.", says: I have to work.]
    expect: {outcome: "no", noted: {reason: I have to work.}}
  - name: nothing is understood
    call: [says: "Purple elephants.", says: "Purple elephants.", hears: "I'll have somebody call you"]
    expect: {outcome: null, ended_by: agent}
"""


@pytest.fixture
def example(tmp_path):
    file = tmp_path / "reminder.py"
    file.write_text(EXAMPLE)
    return file


def test_the_first_example_is_no_longer_than_twenty_lines_and_is_the_first():
    assert EXAMPLE.count("\n") <= 20
    assert DOCS.index("```") == DOCS.index("```python")


def test_the_example_holds_its_conversations(example):
    [agent] = load_file(example)
    assert review_agent(agent.source)["errors"] == review_agent(agent.source)["warnings"] == []
    done = rehearse(Tried.python(example), parse_rehearsals(REHEARSALS).rehearsals)
    assert [one.wrong for one in done] == [None] * 4


def test_the_test_in_the_docs_passes(example, monkeypatch):
    monkeypatch.syspath_prepend(example.parent)
    monkeypatch.delitem(sys.modules, "reminder", raising=False)
    test: dict[str, object] = {}
    exec(TEST, test)
    test["test_jane_comes"]()  # type: ignore[operator]
    sys.modules.pop("reminder", None)


@pytest.mark.parametrize("option", Declared.__annotations__)
def test_everything_that_is_declared_is_told_of(option):
    assert f"`{option}`" in DOCS
