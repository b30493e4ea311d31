"""The section `after` of an agent's YAML, whatever its kind. Every fault is a ScriptError that names the line.

    after:
      summary: true            # or what is to be in it
      facts: true              # those that the agent declares, or facts of its own, written as there
      outcome: true            # one of the outcomes that the agent declares, or of its own, written as there
      model: gpt-4o-mini       # an llm agent's own, where none is written
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from outdial.agents.after.definition import After
from outdial.agents.llm.free_talk import Fact, ModelName
from outdial.agents.llm.talk_parser import TalkParser
from outdial.agents.script.actions import ActionParser
from outdial.agents.script.expect import fields, plain
from outdial.agents.script.model import ScriptError
from outdial.agents.script.tree import Fields, Node, Scalar
from outdial.telephony.outcome import Outcome

SECTION = "after"
AFTER_KEYS = (SECTION, "summary", "facts", "outcome", "model", "base_url", "fallback")
MAX_SUMMARY = 1000  # characters of what is to be in it

A = TypeVar("A", bound=Any)


def with_after(parse: Callable[[Node], A]) -> Callable[[Node], A]:
    """`parse`, which reads the other sections, and what `after` asks for beside it."""

    def parsed(root: Node) -> A:
        if not isinstance(root, Fields) or SECTION not in root.nodes:
            return parse(root)
        rest = Fields(root.line, {key: node for key, node in root.nodes.items() if key != SECTION}, root.lines)
        agent = parse(rest)
        after = _after(root.nodes[SECTION], root.lines[SECTION], agent)
        whole: A = replace(agent, after=after)
        return whole

    return parsed


def _after(node: Node, line: int, agent: Any) -> After:
    """`agent`: whose it is; kinds with models, facts and outcomes have these to begin with."""
    nodes = fields(node, SECTION, AFTER_KEYS[1:]).nodes
    after = After(
        models=_models(nodes, line, getattr(agent, "models", ())),
        language=agent.language,
        summary=_summary(nodes.get("summary")),
        facts=_facts(nodes.get("facts"), getattr(agent, "facts", ())),
        outcomes=_outcomes(nodes.get("outcome"), getattr(agent, "outcomes", {})),
    )
    if after.summary is None and not after.facts and not after.outcomes:
        raise ScriptError("after asks for a summary, facts or outcome", line)
    return after


def _models(nodes: Mapping[str, Node], line: int, own: tuple[ModelName, ...]) -> tuple[ModelName, ...]:
    if "model" in nodes:
        return _talk().models(nodes)
    for key in ("base_url", "fallback"):
        if key in nodes:
            raise ScriptError(f"{key} is written beside a model", nodes[key].line)
    if not own:
        raise ScriptError("after needs a model", line)
    return own


def _summary(node: Node | None) -> str | None:
    if node is None or (wanted := _flag(node)) is False:
        return None
    if wanted:
        return ""
    text = " ".join(plain(node, "summary").split())
    if len(text) > MAX_SUMMARY:
        raise ScriptError(f"what is to be in the summary is longer than {MAX_SUMMARY:,} characters", node.line)
    return text


def _facts(node: Node | None, declared: tuple[Fact, ...]) -> tuple[Fact, ...]:
    if node is None or (wanted := _flag(node)) is False:
        return ()
    if wanted:
        if not declared:
            raise ScriptError("facts: true is for an agent that declares facts; write them here", node.line)
        return declared
    return _talk().facts(node)


def _outcomes(node: Node | None, declared: Mapping[str, str]) -> Mapping[str, str]:
    if node is None or (wanted := _flag(node)) is False:
        return {}
    if wanted:
        if not declared:
            raise ScriptError("outcome: true is for an agent that declares outcomes; write them here", node.line)
        return {word: about for word, about in declared.items() if word not in set(Outcome)}
    found = _talk().outcomes(node)
    if (ours := next((word for word in found if word in set(Outcome)), None)) is not None:
        raise ScriptError(f"'{ours}' is Outdial's own outcome: a rule decides it, and no model", node.line)
    return found


def _talk() -> TalkParser:
    """Of its own: what `after` names is no variable of the agent's texts."""
    return TalkParser(ActionParser())


def _flag(node: Node) -> bool | None:
    """true or false; None for what is neither."""
    value = node.value if isinstance(node, Scalar) else None
    return value if isinstance(value, bool) else None
