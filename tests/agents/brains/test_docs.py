"""What docs/relay.md and docs/voiceflow.md show is sound, and they say everything that such an agent may have."""

import re
from pathlib import Path

import pytest

from outdial.agents.brains.parse import SECTIONS
from outdial.agents.kinds import KINDS, parse_agent
from outdial.simulator.faults import FaultKind

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("kind", ["relay", "voiceflow"])
def test_the_agent_is_sound_and_every_section_is_told_of(kind):
    page = (DOCS / f"{kind}.md").read_text(encoding="utf-8")
    source = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[0]
    assert parse_agent(source, kind).warnings == ()
    own = [key for key in KINDS[kind].keys if key not in SECTIONS]
    told = [key for key in (*SECTIONS, *own[1 : own.index("answer_s") + 1]) if f"`{key}`" not in page]
    assert told == []


def test_every_fault_of_a_brain_is_told_of():
    page = (DOCS / "simulated-model.md").read_text(encoding="utf-8")
    assert [kind for kind in FaultKind if kind.startswith("brain_") and f"`{kind}`" not in page] == []
