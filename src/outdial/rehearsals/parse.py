"""Rehearsals' YAML, read as strictly as a script's. Every fault is a ScriptError that names the line."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from outdial.agents.kinds import KINDS
from outdial.agents.llm.tools import EXIT
from outdial.agents.script.expect import choice, data, fields, name, plain
from outdial.agents.script.model import ScriptError
from outdial.agents.script.tree import MAX_SOURCE, Fields, Items, Node, Scalar, read_tree
from outdial.rehearsals.brain_answers import brain_answers
from outdial.rehearsals.model import NOISES, Expectation, Expected, Rehearsal, Rehearsals
from outdial.telephony.outcome import MAX_WORD_CHARS
from outdial.telephony.state import EndedBy
from outdial.telephony.transfer import TransferOutcome
from outdial.testing.callee import (
    CARRIER_REFUSES,
    CalleeLine,
    HangsUp,
    Hears,
    Interrupts,
    Presses,
    Says,
    Silent,
    TransferEnds,
    Waits,
)
from outdial.testing.written_model import Fails, Part, calls, means
from outdial.testing.written_tools import Breaks, Refuses

MAX_REHEARSALS = 100
MAX_LINES = 100      # of one callee
MAX_WORDS = 500      # characters of what is heard or said
MAX_PATH = 200
MAX_WAIT_S = 600

MAX_PAUSE_S = 30     # inside of what is said
QUIETEST_DB = 60
QUIET = "none"

SECONDS = re.compile(r"(\d{1,4}(?:\.\d{1,3})?) ?s")
KEYS_PRESSED = re.compile(r"[0-9*#]{1,40}")

_TOP = ("script", "variables", "noise", "rehearsals")
_REHEARSAL = ("name", "variables", "noise", "model", "brain", "tools", "call", "expect")
_ANSWER = ("says", "calls", "with", "exits", "means", "fails")
_EXPECT = ("outcome", "ended_by", "noted", "variables", "path")
_ALONE: Mapping[str, CalleeLine] = {"silent": Silent(), "hangs_up": HangsUp()}
_INTERRUPTS = ("after", "says", "presses")
_LINES = ("hears", "says", "presses", "interrupts", "waits", "transfer", *_ALONE)
_ENDS = (*TransferOutcome, CARRIER_REFUSES)
_WHOSE = (EndedBy.AGENT, EndedBy.CALLEE)


def parse_rehearsals(source: str) -> Rehearsals:
    """Raises ScriptError for the first fault."""
    if len(source) > MAX_SOURCE:
        raise ScriptError(f"the rehearsals are longer than {MAX_SOURCE:,} characters")
    if not source.strip():
        raise ScriptError("there are no rehearsals here")
    root = read_tree(source)
    for kind in KINDS.values():
        if isinstance(root, Fields) and kind.mark in root.nodes:
            reason = f"this is {kind.title}; its rehearsals are a file of their own"
            raise ScriptError(reason, root.lines[kind.mark])
    top = fields(root, "a file of rehearsals", _TOP)
    listed = top.nodes.get("rehearsals")
    if not isinstance(listed, Items) or not listed.nodes:
        raise ScriptError("rehearsals are a list, each with a name and a call", listed.line if listed else root.line)
    if len(listed.nodes) > MAX_REHEARSALS:
        raise ScriptError(f"more than {MAX_REHEARSALS} rehearsals", listed.nodes[MAX_REHEARSALS].line)
    script, variables = top.nodes.get("script"), _values(top.nodes.get("variables"), "variables")
    noise = _noise(top.nodes.get("noise"), None)
    found: dict[str, Rehearsal] = {}
    for node in listed.nodes:
        one = _rehearsal(node, variables, noise)
        if one.name in found:
            raise ScriptError(f"'{one.name[:60]}' is rehearsed on line {found[one.name].line} already", one.line)
        found[one.name] = one
    return Rehearsals(
        script=plain(script, "script") if script else None,
        script_line=script.line if script else None,
        rehearsals=tuple(found.values()),
    )


def parse_callee(node: Node | None) -> tuple[tuple[CalleeLine, int], ...]:
    """What the callee does, and where that is written. Raises ScriptError."""
    if node is None or (isinstance(node, Scalar) and node.value is None):
        return ()
    if not isinstance(node, Items):
        raise ScriptError("call is a list of what the callee does: - says: Yes.", node.line)
    if len(node.nodes) > MAX_LINES:
        raise ScriptError(f"more than {MAX_LINES} lines in one call", node.nodes[MAX_LINES].line)
    return tuple((_callee_line(one), one.line) for one in node.nodes)


def _rehearsal(node: Node, variables: Mapping[str, Any], noise: float | str | None) -> Rehearsal:
    parts = fields(node, "a rehearsal", _REHEARSAL)
    if "name" not in parts.nodes:
        raise ScriptError("a rehearsal needs a name", node.line)
    if "call" not in parts.nodes and "expect" not in parts.nodes:
        raise ScriptError("a rehearsal needs a call, or what to expect of one", node.line)
    return Rehearsal(
        name=name(parts.nodes["name"], "name"),
        line=parts.lines["name"],
        variables={**variables, **_values(parts.nodes.get("variables"), "variables")},
        callee=parse_callee(parts.nodes.get("call")),
        model=_answers(parts.nodes.get("model")),
        brain=brain_answers(parts.nodes.get("brain")),
        tools=_tool_answers(parts.nodes.get("tools")),
        expect=_expectation(parts.nodes["expect"]) if "expect" in parts.nodes else Expectation(),
        noise=_noise(parts.nodes.get("noise"), noise),
    )


def _answers(node: Node | None) -> tuple[tuple[Part, ...], ...]:
    """Of the agent's model, one for each time that it is asked."""
    if node is None:
        return ()
    if not isinstance(node, Items):
        raise ScriptError("model is a list of what the model answers, one after the other", node.line)
    if len(node.nodes) > MAX_LINES:
        raise ScriptError(f"more than {MAX_LINES} answers of the model", node.nodes[MAX_LINES].line)
    return tuple(map(_answer, node.nodes))


def _answer(node: Node) -> tuple[Part, ...]:
    """A text, or `{says: …, calls: tool, with: {its arguments}, exits: by name}`, or `{means: answer}`, or
    `{fails: word}`."""
    if isinstance(node, Scalar):
        return (plain(node, "an answer of the model"),)
    parts = fields(node, "an answer of the model", _ANSWER).nodes
    if not parts or ("with" in parts and "calls" not in parts):
        raise ScriptError("an answer of the model says something, or calls a tool, or fails", node.line)
    found: list[Part] = []
    if "says" in parts:
        found.append(plain(parts["says"], "says"))
    if "calls" in parts:
        found.append(calls(plain(parts["calls"], "calls"), **_values(parts.get("with"), "with")))
    if "exits" in parts:
        found.append(calls(EXIT, to=plain(parts["exits"], "exits")))
    if "means" in parts:
        if len(parts) > 1:
            raise ScriptError("means stands alone: it is which answer a reply means", parts["means"].line)
        nothing = isinstance(parts["means"], Scalar) and parts["means"].value is None
        found.append(means(None if nothing else plain(parts["means"], "means")))
    if "fails" in parts:
        found.append(Fails(plain(parts["fails"], "fails")))
    return tuple(found)


def _tool_answers(node: Node | None) -> Mapping[str, tuple[Any, ...]]:
    """Of each tool, by the name that the model knows: data, or `{refuses: data}`, or `{fails: word}`; or a list of
    these, one for each time that it is asked."""
    named = fields(node, "tools") if node else Fields(0)
    return {
        title: tuple(map(_tool_answer, one.nodes)) if isinstance(one, Items) else (_tool_answer(one),)
        for title, one in named.nodes.items()
    }


def _tool_answer(node: Node) -> Any:
    if isinstance(node, Fields) and len(node.nodes) == 1:
        ((word, value),) = node.nodes.items()
        if word == "refuses":
            return Refuses(data(value))
        if word == "fails":
            return Breaks(plain(value, "fails"))
    return data(node)


def _callee_line(node: Node) -> CalleeLine:
    if isinstance(node, Scalar):
        if node.text not in _ALONE:
            raise ScriptError(f"'{node.text[:60]}' is nothing that a callee does; it {choice(_LINES)}", node.line)
        return _ALONE[node.text]
    parts = fields(node, "a line of a call", _LINES)
    if len(parts.nodes) != 1:
        raise ScriptError("a line of a call is one thing that the callee does", node.line)
    ((verb, value),) = parts.nodes.items()
    if verb in _ALONE:
        if not isinstance(value, Scalar) or value.value is not None:
            raise ScriptError(f"{verb} stands alone", value.line)
        return _ALONE[verb]
    return _READ[verb](value)


def _interruption(node: Node) -> Interrupts:
    parts = fields(node, "interrupts", _INTERRUPTS).nodes
    if "after" not in parts:
        raise ScriptError("interrupts needs the words after which, or 1.5 s: {after: words, says: words}", node.line)
    if "says" in parts and "presses" in parts:
        raise ScriptError("interrupts has one of says and presses, or neither: a cough", node.line)
    return Interrupts(
        after=_seconds(parts["after"], MAX_WAIT_S) or _words(parts["after"], "after"),
        says=_words(parts["says"], "says") if "says" in parts else "",
        presses=_keys(parts["presses"]) if "presses" in parts else "",
    )


def _speech(node: Node) -> Says:
    """Words, or a list of words and pauses."""
    if not isinstance(node, Items):
        return Says(_words(node, "says"))
    parts = tuple(_seconds(one, MAX_PAUSE_S) or _words(one, "says") for one in node.nodes)
    said = Says(parts)
    if not said.text or not said.pauses_s:
        raise ScriptError("says is one text, not a list, or words with pauses: [I think, 0.8 s, Friday]", node.line)
    if len(said.text) > MAX_WORDS:
        raise ScriptError(f"says is longer than {MAX_WORDS} characters", node.line)
    return said


def _seconds(node: Node, at_most: float) -> float | None:
    """Of 1.5 s; None for anything else, "1.5 s" in quotes too. Raises ScriptError for too many."""
    if not isinstance(node, Scalar) or node.quoted or not (found := SECONDS.fullmatch(node.text.strip())):
        return None
    seconds = float(found[1])
    if not 0 < seconds <= at_most:
        raise ScriptError(f"'{node.text[:60]}' is not between 0 and {at_most:g} s", node.line)
    return seconds


def _noise(node: Node | None, otherwise: float | str | None) -> float | str | None:
    """`otherwise`: where nothing is written."""
    if node is None:
        return otherwise
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= QUIETEST_DB:
        return float(value)
    if value == QUIET:
        return None
    if isinstance(value, str) and value in NOISES:
        return value
    kinds = choice((*NOISES, QUIET))
    raise ScriptError(f"noise is so many dB below the callee's voice, 0 to {QUIETEST_DB}, or {kinds}", node.line)


def _words(node: Node, what: str) -> str:
    text = " ".join(plain(node, what).split())
    if len(text) > MAX_WORDS:
        raise ScriptError(f"{what} is longer than {MAX_WORDS} characters", node.line)
    if not any(character.isalnum() for character in text):
        raise ScriptError(f"{what} has no word in it", node.line)
    return text


def _keys(node: Node) -> str:
    keys = plain(node, "presses")
    if not KEYS_PRESSED.fullmatch(keys):
        raise ScriptError(f"'{keys[:60]}' can't be pressed: keys are 0-9, * and #", node.line)
    return keys


def _wait(node: Node) -> Waits:
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MAX_WAIT_S:
        raise ScriptError(f"waits is a number of seconds up to {MAX_WAIT_S}", node.line)
    return Waits(float(value))


def _transfer(node: Node) -> TransferEnds:
    word = plain(node, "transfer")
    if word not in _ENDS:
        raise ScriptError(f"a transfer is {choice(_ENDS)}, not '{word[:60]}'", node.line)
    return TransferEnds(word if word == CARRIER_REFUSES else TransferOutcome(word))


_READ: Mapping[str, Callable[[Node], CalleeLine]] = {
    "hears": lambda node: Hears(_words(node, "hears")),
    "says": _speech,
    "presses": lambda node: Presses(_keys(node)),
    "interrupts": _interruption,
    "waits": _wait,
    "transfer": _transfer,
}


def _expectation(node: Node) -> Expectation:
    parts = fields(node, "expect", _EXPECT).nodes
    if not parts:
        raise ScriptError(f"expect needs one of {choice(_EXPECT)}", node.line)
    return Expectation(
        outcome=_one(parts["outcome"], "outcome", None) if "outcome" in parts else None,
        ended_by=_one(parts["ended_by"], "ended_by", _WHOSE) if "ended_by" in parts else None,
        path=_path(parts["path"]) if "path" in parts else None,
        noted=_each(parts.get("noted"), "noted"),
        variables=_each(parts.get("variables"), "variables"),
    )


def _one(node: Node, what: str, words: tuple[str, ...] | None) -> Expected:
    if words is None and isinstance(node, Scalar) and node.value is None:
        return Expected(value=None, line=node.line)
    word = plain(node, what)
    if words is not None and word not in words:
        raise ScriptError(f"{what} is {choice(words)}, not '{word[:60]}'", node.line)
    if len(word) > MAX_WORD_CHARS:
        raise ScriptError(f"{what} is longer than {MAX_WORD_CHARS} characters", node.line)
    return Expected(value=word, line=node.line)


def _path(node: Node) -> Expected:
    if not isinstance(node, Items) or not node.nodes or len(node.nodes) > MAX_PATH:
        raise ScriptError(f"path is a list of 1 to {MAX_PATH} steps, in their order: [greeting, thanks]", node.line)
    return Expected(value=tuple(plain(one, "a step of the path") for one in node.nodes), line=node.line)


def _each(node: Node | None, what: str) -> dict[str, Expected]:
    named = fields(node, what) if node else Fields(0)
    return {key: Expected(value=data(value), line=named.lines[key]) for key, value in named.nodes.items()}


def _values(node: Node | None, what: str) -> dict[str, Any]:
    return {key: one.value for key, one in _each(node, what).items()}
