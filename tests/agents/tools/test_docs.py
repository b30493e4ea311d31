"""What docs/tools.md shows is sound, and says everything that a tool may have."""

import re
from pathlib import Path

import pytest

from outdial.agents.llm.parse import parse_llm
from outdial.agents.tools.parse import TOOL_KEYS
from outdial.rehearsals.parse import parse_rehearsals
from outdial.rehearsals.run import Tried, rehearse

DOCS = (Path(__file__).parents[3] / "docs" / "tools.md").read_text(encoding="utf-8")
AGENT, SERVER, REHEARSALS = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)


def test_the_agent_is_sound_and_its_rehearsal_passes():
    agent = parse_llm(AGENT)
    assert agent.warnings == ()
    assert [one.name for one in agent.own_tools.http] == ["free_slots", "book_slot"]
    [done] = rehearse(Tried.of(AGENT), parse_rehearsals(REHEARSALS).rehearsals)
    assert done.wrong is None


def test_the_server_is_sound():
    [server] = parse_llm(f"model: m\ninstructions: Talk.\n{SERVER}").own_tools.mcp
    assert server.consequences == {"book_slot"}


def test_a_tool_that_has_no_answer_written_fails_the_rehearsal():
    without = re.sub(r"    tools:\n(      .*\n)+", "", REHEARSALS)
    [done] = rehearse(Tried.of(AGENT), parse_rehearsals(without).rehearsals)
    assert done.wrong == "the tool free_slots is asked here, and no answer of its is written (tools: …)"


@pytest.mark.parametrize("key", TOOL_KEYS)
def test_every_key_is_told_of(key):
    assert f"`{key}`" in DOCS or f"{key}:" in DOCS
