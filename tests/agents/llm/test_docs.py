"""What docs/agents.md shows is sound, and says everything that an agent may have."""

import re
from pathlib import Path

import pytest

from outdial.agents.llm.parse import parse_llm
from outdial.agents.llm.tools import OPTIONAL
from outdial.rehearsals.parse import parse_rehearsals
from outdial.rehearsals.run import Tried, rehearse

DOCS = (Path(__file__).parents[3] / "docs" / "agents.md").read_text(encoding="utf-8")
AGENT, REHEARSALS = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)


def test_the_agent_is_sound_and_its_rehearsal_passes():
    assert parse_llm(AGENT).warnings == ()
    [done] = rehearse(Tried.of(AGENT), parse_rehearsals(REHEARSALS).rehearsals)
    assert done.wrong is None


@pytest.mark.parametrize(
    "section",
    ["agent", "model", "base_url", "fallback", "greeting", "instructions", "variables", "outcomes", "facts",
     "transfers", "tools", "limits", "greet", "hold_s", "machine", "do_not_call", "pronounce", *OPTIONAL],
)  # fmt: skip
def test_every_section_is_told_of(section):
    assert f"`{section}`" in DOCS
