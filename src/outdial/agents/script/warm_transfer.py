"""`warm` in the source of a transfer: a brief, or `{brief: …, wait_s: …, hold: …, if_not_possible: stay}`."""

from collections.abc import Callable

from outdial.agents.script.expect import choice, fields, plain, seconds, yes_or_no
from outdial.agents.script.model import ScriptError
from outdial.agents.script.template import Text
from outdial.agents.script.tree import Node, Scalar
from outdial.agents.script.warm_texts import WarmTexts
from outdial.conversation.warm import WAIT_S, IfNotPossible

WARM_KEYS = ("brief", "wait_s", "hold", "if_not_possible")

ReadText = Callable[[Node, str], Text]


def read_warm(node: Node | None, text: ReadText, *, by_model: bool = False) -> WarmTexts | None:
    """None: the transfer isn't warm. `by_model`: a model may word the brief, and `true` says that it does."""
    if node is None:
        return None
    if isinstance(node, Scalar):
        if isinstance(node.value, bool):
            return _by_model(node) if by_model else _no_brief(node.line)
        return WarmTexts(line=node.line, brief=text(node, "warm"))
    found = fields(node, "warm", WARM_KEYS)
    nodes = found.nodes
    if "brief" not in nodes and not by_model:
        return _no_brief(node.line)
    hold, word = nodes.get("hold"), nodes.get("if_not_possible")
    return WarmTexts(
        line=node.line,
        brief=text(nodes["brief"], "brief") if "brief" in nodes else None,
        hold=None if hold is None else text(hold, "hold"),
        wait_s=seconds(nodes["wait_s"], "wait_s", *WAIT_S) if "wait_s" in nodes else 15.0,
        if_not_possible=IfNotPossible.STAY if word is None else _possible(word),
    )


def _by_model(node: Node) -> WarmTexts | None:
    return WarmTexts(line=node.line) if yes_or_no(node, "warm") else None


def _no_brief(line: int) -> WarmTexts:
    raise ScriptError("a warm transfer needs a brief, said to who is asked: warm: {brief: A caller for you}", line)


def _possible(node: Node) -> IfNotPossible:
    word = plain(node, "if_not_possible")
    if word not in tuple(IfNotPossible):
        raise ScriptError(f"if_not_possible is {choice(tuple(IfNotPossible))}, not '{word[:60]}'", node.line)
    return IfNotPossible(word)
