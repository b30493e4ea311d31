"""A step's free talk, read from YAML. See parse.py."""

from collections.abc import Mapping
from typing import Any, Protocol

from outdial.agents.llm.free_talk import FreeTalk, ModelName
from outdial.agents.llm.talk_parser import INNER_KEYS, LIMIT_KEYS, MODEL_KEYS, TalkParser, TextParser
from outdial.agents.script.model import Answer, Block, HangUp, ScriptError, ScriptWarning, Talk
from outdial.agents.script.template import parse_text
from outdial.agents.script.tree import Fields, Node, Scalar

TALK_KEYS = (
    *MODEL_KEYS, "instructions", "opening", "tools", "transfers", "facts", "limits", "exits", "model_failed"
)  # fmt: skip
_EXIT = ("about",)
PLACE = "/"  # between the step and the transfer, in what a transfer is called on its way back
ALL_KEYS = (*TALK_KEYS, *INNER_KEYS, *_EXIT)


class StepParser(TextParser, Protocol):
    """Of the script around it. `models`: of the whole script; `step`: that is being read."""

    @property
    def language(self) -> str: ...
    @property
    def defaults(self) -> Mapping[str, Any]: ...
    @property
    def models(self) -> tuple[ModelName, ...]: ...
    @property
    def step(self) -> str: ...
    @property
    def warnings(self) -> list[ScriptWarning]: ...
    def actions(self, node: Node, anywhere: tuple[Answer, ...] | None, more: tuple[str, ...]) -> Block: ...
    def jump_or_block(self, node: Node) -> Block: ...
    def own_words(self, name: str) -> str: ...


def read_talk(actions: StepParser, mapping: Fields) -> Talk:
    """Raises ScriptError."""
    nodes, line = mapping.nodes, mapping.lines["talk"]
    talk = TalkParser(actions)
    instructions, indents = talk.instructions(nodes["talk"], "talk")
    if "instructions" in nodes:
        more, more_indents = talk.instructions(nodes["instructions"])
        instructions, indents = (*instructions, parse_text(""), *more), (*indents, "", *more_indents)
    exits = {title: (node, at) for title, node, at in talk.named(nodes.get("exits"), "exits")}
    opening, failed, limits = (nodes.get(key) for key in ("opening", "model_failed", "limits"))
    found = Talk(
        talk=FreeTalk(
            language=actions.language,
            variables=actions.defaults,
            models=_models(talk, nodes, actions.models, line),
            instructions=instructions,
            indents=indents,
            tools=talk.tools(nodes.get("tools")),
            own_tools=talk.own_tools(nodes.get("tools")),
            transfers=talk.transfers(nodes.get("transfers"), nodes.get("facts")),
            facts=talk.facts(nodes.get("facts")),
            limits=talk.limits(limits, (*LIMIT_KEYS, "then")),
            exits={title: _about(talk, node) for title, (node, _) in exits.items()},
            place=f"{actions.step}{PLACE}",
        ),
        exits={title: _then(actions, node) for title, (node, _) in exits.items()},
        at_limit=_at_limit(actions, limits),
        model_failed=None if failed is None else actions.jump_or_block(failed),
        line=line,
        opening=None if opening is None else actions.text(opening, "opening"),
        opening_line=0 if opening is None else opening.line,
    )
    actions.warnings.extend(_warnings(found, exits, line))
    return found


def _models(
    talk: TalkParser, nodes: Mapping[str, Node], script: tuple[ModelName, ...], line: int
) -> tuple[ModelName, ...]:
    if "model" in nodes:
        return talk.models(nodes)
    for key in MODEL_KEYS:
        if key in nodes:
            raise ScriptError(f"'{key}' belongs to 'model', which isn't here", nodes[key].line)
    if not script:
        raise ScriptError("talk needs a model: name it here, or at the top for the whole script", line)
    return script


def _about(talk: TalkParser, node: Node) -> str:
    return talk.about(node.nodes["about"]) if isinstance(node, Fields) and "about" in node.nodes else ""


def _then(actions: StepParser, node: Node) -> Block:
    """A step's name, or what the exit means and what is done then: nothing more is what follows the talk."""
    return actions.jump_or_block(node) if isinstance(node, Scalar) else actions.actions(node, None, _EXIT)


def _at_limit(actions: StepParser, limits: Node | None) -> Block:
    then = limits.nodes.get("then") if isinstance(limits, Fields) else None
    if then is not None:
        return actions.jump_or_block(then)
    return (HangUp(goodbye=parse_text(actions.own_words("limit_goodbye")), line=0),)


def _warnings(found: Talk, exits: Mapping[str, tuple[Node, int]], line: int) -> list[ScriptWarning]:
    if not exits:
        return [ScriptWarning("this talk has no exits: the model can't end it, only its limits do", line)]
    written = " ".join(text.source for text in found.talk.instructions).casefold()
    return [
        ScriptWarning(f"nothing tells the model when to take the exit '{title}': say so in its about", at)
        for title, (_, at) in exits.items()
        if not found.talk.exits or (not found.talk.exits[title] and title.casefold() not in written)
    ]
