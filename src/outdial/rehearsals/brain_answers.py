"""What a rehearsal says that an agent's brain answers: that of a relay or voiceflow agent."""

from outdial.agents.script.expect import data, fields, plain, yes_or_no
from outdial.agents.script.model import ScriptError
from outdial.agents.script.tree import Items, Node, Scalar
from outdial.testing.written_brain import Answer

MOST = 100
_ANSWER = ("says", "presses", "hands_over", "ends", "connects", "fails")


def brain_answers(node: Node | None) -> tuple[Answer, ...]:
    """One for each time that it is asked. Raises ScriptError."""
    if node is None:
        return ()
    if not isinstance(node, Items):
        raise ScriptError("brain is a list of what the agent's brain answers, one after the other", node.line)
    if len(node.nodes) > MOST:
        raise ScriptError(f"more than {MOST} answers of the brain", node.nodes[MOST].line)
    return tuple(map(_answer, node.nodes))


def _answer(node: Node) -> Answer:
    """A text, or `{says: …, presses: keys, ends: true, hands_over: data, connects: number, fails: word}`."""
    if isinstance(node, Scalar):
        return Answer(says=plain(node, "an answer of the brain"))
    parts = fields(node, "an answer of the brain", _ANSWER).nodes
    if not parts:
        raise ScriptError("an answer of the brain says something, or does something, or fails", node.line)
    texts = {key: plain(parts[key], key) for key in ("says", "presses", "connects", "fails") if key in parts}
    return Answer(
        **texts,
        ends="ends" in parts and yes_or_no(parts["ends"], "ends"),
        hands_over=data(parts["hands_over"]) if "hands_over" in parts else None,
    )
