"""The colours of a script: every line is read, whatever is in it, and in a moment: one line may be the whole script.
How they look in the editor: browser/test_script_editor.py."""

import json
import shutil
import subprocess
from collections.abc import Iterable
from typing import Any

import pytest

from outdial.agents.kinds import KINDS, LLM
from outdial.agents.script.examples import load_example
from outdial.agents.script.parse import SCRIPT_KEYS
from outdial.agents.store import MAX_SOURCE_CHARS
from outdial.dashboard.page import HERE

MOST_S = 5.0  # a line takes a fifth of a second at most; one that is read once for each of its words takes twice this
READ = """
import { readFileSync } from "node:fs";
import { readLine, START } from "./script_words.mjs";
const { lines, words } = JSON.parse(readFileSync(0, "utf8"));
const begun = performance.now();
const pieces = lines.map((line) => readLine(line, START, new Set(words)).pieces);
console.log(JSON.stringify({ pieces, took_s: (performance.now() - begun) / 1000 }));
"""
READ_WHOLE = """
import { readFileSync } from "node:fs";
import { readLine, START } from "./script_words.mjs";
const { lines, words } = JSON.parse(readFileSync(0, "utf8"));
let state = START;
const pieces = lines.map((line) => {
  const read = readLine(line, state, new Set(words));
  state = read.after;
  return read.pieces;
});
console.log(JSON.stringify(pieces));
"""


@pytest.fixture
def read(tmp_path):
    """The pieces of lines, as a browser reads them."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("There is nothing on this machine that runs JavaScript.")
    shutil.copy(HERE / "static" / "script_words.js", tmp_path / "script_words.mjs")
    (tmp_path / "read.mjs").write_text(READ)

    def read(lines: list[str]) -> list[list[list[str]]]:
        asked = json.dumps({"lines": lines, "words": sorted(SCRIPT_KEYS)})
        done = subprocess.run(
            [node, "read.mjs"], cwd=tmp_path, input=asked, capture_output=True, text=True, timeout=60, check=True
        )
        told: dict[str, Any] = json.loads(done.stdout)
        assert told["took_s"] < MOST_S
        pieces: list[list[list[str]]] = told["pieces"]
        return pieces

    return read


@pytest.fixture
def read_whole(tmp_path):
    """The pieces of a source, each line after the ones before it."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("There is nothing on this machine that runs JavaScript.")
    shutil.copy(HERE / "static" / "script_words.js", tmp_path / "script_words.mjs")
    (tmp_path / "whole.mjs").write_text(READ_WHOLE)

    def read_whole(source: str, words: Iterable[str]) -> list[list[list[str]]]:
        asked = json.dumps({"lines": source.splitlines(), "words": sorted(words)})
        done = subprocess.run(
            [node, "whole.mjs"], cwd=tmp_path, input=asked, capture_output=True, text=True, timeout=60, check=True
        )
        pieces: list[list[list[str]]] = json.loads(done.stdout)
        return pieces

    return read_whole


def filled(before: str, again: str, after: str = "") -> str:
    return before + again * ((MAX_SOURCE_CHARS - len(before) - len(after)) // len(again)) + after


@pytest.mark.parametrize(
    "line",
    [
        filled("  on ", " ", "and on"),
        filled("  words: [", "a, ", "]"),
        filled("  words: [", "'a', ", "]"),
        filled("  words: [", '"a" ', "]"),
        filled("  words: [a", " ", "b"),
        filled("{", "a: b, ", "}"),
        filled("", "["),
        filled("", "- "),
        filled("say: ", "{"),
        filled('say: "', "\\\\"),
        filled("'", "''"),
        filled("say: hello", " "),
    ],
    ids=lambda line: line[:14],
)
def test_a_script_of_one_line_is_read_in_a_moment(read, line):
    [pieces] = read([line])
    assert "".join(text for _, text in pieces) == line


def test_keys_in_braces_end_where_the_next_one_begins(read):
    [pieces] = read(["set: {seen: true, 'a, b': yes, plan: gold}  "])
    assert [text for kind, text in pieces if kind == "variable"] == ["seen", "'a, b'", "plan"]
    assert "".join(text for _, text in pieces) == "set: {seen: true, 'a, b': yes, plan: gold}  "


def test_names_of_an_agent_with_a_model_are_its_authors_own(read_whole):
    pieces = read_whole(load_example("model_reminder"), KINDS[LLM].keys)
    kinds = {text: kind for line in pieces for kind, text in line}
    assert {kinds[name] for name in ("confirmed", "wrong_person", "new_day", "front_desk")} == {"variable"}
    assert (kinds["outcomes"], kinds["failed"]) == ("word", "word")
    assert not {"unknown", "leads"} & {kind for line in pieces for kind, _ in line}
