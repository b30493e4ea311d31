"""The page on rehearsals says what is so."""

import re
from pathlib import Path

from outdial.rehearsals.parse import parse_rehearsals
from outdial.rehearsals.run import Tried, rehearse
from outdial.telephony.transfer import TransferOutcome

DOCS = (Path(__file__).parents[2] / "docs" / "rehearsals.md").read_text(encoding="utf-8")
SCRIPT, REHEARSALS, *_ = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)


def test_the_rehearsals_in_the_docs_go_as_written_and_as_they_are_shown():
    read = parse_rehearsals(REHEARSALS)
    done = rehearse(Tried.of(SCRIPT), read.rehearsals)
    assert [one.wrong for one in done] == [None] * 3
    shown = re.search(r"```console\n.*?\n.*?\n(.*?)\n3 of 3", DOCS, re.DOTALL)
    assert shown
    assert [re.split(r" {2,}", line) for line in shown[1].splitlines()] == [
        [one.name, "passed", "-", one.outcome, f"{one.duration_ms / 1000:.1f} s"] for one in done
    ]
    assert read.script == "reminder.yaml"


def test_every_way_that_a_transfer_ends_is_told():
    assert all(f"`{outcome}`" in DOCS or f"transfer: {outcome}`" in DOCS for outcome in TransferOutcome)
