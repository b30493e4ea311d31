import re
from pathlib import Path

import pytest

from outdial.agents.script.parse import parse_script

DOCS = (Path(__file__).parents[3] / "docs" / "scripts.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_script_in_the_docs_is_sound(example):
    script = parse_script(example)
    assert {warning.reason for warning in script.warnings} <= {"{plan} has no fallback and no default"}


def test_the_docs_have_scripts():
    assert len(EXAMPLES) >= 5
