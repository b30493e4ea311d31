"""Where a script's steps lead, also of one that isn't sound yet: for those who write it.

It reads the tree, not the parsed script: a step that nothing leads to, or a `goto` to none, is what its author looks
for.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from outdial.agents.script.tree import Fields, Items, Node, Scalar

MAX_LABEL = 40  # characters


class Does(StrEnum):
    GOTO = "goto"
    TRANSFER = "transfer"
    HANG_UP = "hang_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way out of a step. `on`: what it takes, from the outside to the inside: ("yes", "if plan"); `step`: where
    `goto` leads, as it is written."""

    on: tuple[str, ...]
    does: Does
    line: int
    step: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlinedStep:
    name: str
    line: int
    ways: tuple[Way, ...]
    reached: bool  # from the start of the call, or from anywhere in it


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """`start`: the step the call begins with, None where there is none. `anywhere`: ways out of every question."""

    start: str | None = None
    anywhere: tuple[Way, ...] = ()
    steps: tuple[OutlinedStep, ...] = ()


def outline_of(root: Node) -> Outline:
    """As far as it can be made out; what is no script at all has no steps."""
    top = root.nodes if isinstance(root, Fields) else {}
    steps, start = top.get("steps"), top.get("start")
    if not isinstance(steps, Fields):
        return Outline()
    anywhere = _Walk().answers(top.get("anywhere"))
    ways = {name: _Walk().block(body) for name, body in steps.nodes.items()}
    first = start.text if isinstance(start, Scalar) else next(iter(ways), None)
    reached = _reached(ways, first, anywhere)
    return Outline(
        start=first if first in ways else None,
        anywhere=anywhere,
        steps=tuple(
            OutlinedStep(name=name, line=steps.lines[name], ways=found, reached=name in reached)
            for name, found in ways.items()
        ),
    )


def _reached(ways: dict[str, tuple[Way, ...]], first: str | None, anywhere: tuple[Way, ...]) -> set[str]:
    reached: set[str] = set()
    ahead = deque([first, *(way.step for way in anywhere)])
    while ahead:
        name = ahead.popleft()
        if name in ways and name not in reached:
            reached.add(name)
            ahead.extend(way.step for way in ways[name])
    return reached


class _Walk:
    """Collects the ways out of one block; what stands behind one that is always taken is no way out."""

    def __init__(self) -> None:
        self._ways: list[Way] = []

    def block(self, body: Node) -> tuple[Way, ...]:
        self._block(body, ())
        return tuple(self._ways)

    def answers(self, node: Node | None) -> tuple[Way, ...]:
        self._answers(node, ())
        return tuple(self._ways)

    def _block(self, node: Node, on: tuple[str, ...]) -> bool:
        """Whether the script can go on behind `node`."""
        if isinstance(node, Items):
            return all(self._block(one, on) for one in node.nodes)
        if isinstance(node, Scalar):
            return True
        return all(self._verb(key, node, on) for key in node.nodes)

    def _verb(self, key: str, mapping: Fields, on: tuple[str, ...]) -> bool:
        node, line = mapping.nodes[key], mapping.lines[key]
        match key:
            case "goto":
                self._goto(node, on)
                return False
            case "hang_up":
                self._ways.append(Way(on=on, does=Does.HANG_UP, line=line))
                return False
            case "transfer":
                self._ways.append(Way(on=on, does=Does.TRANSFER, line=line))
                if isinstance(node, Fields) and "failed" in node.nodes:
                    self._goto(node.nodes["failed"], (*on, "nobody reached"))
                return False
            case "if":
                then = self._then(mapping.nodes.get("then"), (*on, _label(f"if {_text(node)}")))
                return self._then(mapping.nodes.get("else"), (*on, "else")) or then
            case "ask":
                return self._ask(mapping, on)
            case "talk":
                return self._talk(mapping, on)
        return True

    def _ask(self, mapping: Fields, on: tuple[str, ...]) -> bool:
        goes_on = self._answers(mapping.nodes.get("answers"), on)
        goes_on |= "type" in mapping.nodes  # a value goes on with what follows the question
        for key, label in (("no_reply", "no reply"), ("no_match", "not understood")):
            section = mapping.nodes.get(key)
            then = section.nodes.get("then") if isinstance(section, Fields) else section
            if then is not None:  # else: our own goodbye
                goes_on |= self._then(then, (*on, label))
        return goes_on

    def _talk(self, mapping: Fields, on: tuple[str, ...]) -> bool:
        goes_on = False
        exits, transfers, limits = (mapping.nodes.get(key) for key in ("exits", "transfers", "limits"))
        if isinstance(exits, Fields):
            for name, node in exits.nodes.items():
                goes_on |= self._then(node, (*on, _label(name)))
        if isinstance(transfers, Fields):
            for name in transfers.nodes:
                self._ways.append(Way(on=(*on, _label(name)), does=Does.TRANSFER, line=transfers.lines[name]))
        then = limits.nodes.get("then") if isinstance(limits, Fields) else None
        for ahead, label in ((then, "at its limit"), (mapping.nodes.get("model_failed"), "model failed")):
            if ahead is not None:  # else: our own goodbye
                goes_on |= self._then(ahead, (*on, label))
        return goes_on

    def _answers(self, node: Node | None, on: tuple[str, ...]) -> bool:
        goes_on = False
        for answer in node.nodes if isinstance(node, Items) else ():
            goes_on |= self._block(answer, (*on, _heard(answer)))
        return goes_on

    def _then(self, node: Node | None, on: tuple[str, ...]) -> bool:
        """A step's name, or things to do."""
        if node is None:
            return True
        if isinstance(node, Scalar):
            self._goto(node, on)
            return False
        return self._block(node, on)

    def _goto(self, node: Node, on: tuple[str, ...]) -> None:
        self._ways.append(Way(on=on, does=Does.GOTO, line=node.line, step=_text(node)))


def _heard(answer: Node) -> str:
    """An answer as its author would call it: its name, else what is said or pressed for it."""
    nodes = answer.nodes if isinstance(answer, Fields) else {}
    if "name" in nodes:
        return _label(_text(nodes["name"]))
    said = [word for key in ("words", "digits") if key in nodes for word in _first(nodes[key])]
    return _label(", ".join(said))


def _first(node: Node) -> Iterator[str]:
    """The first of several texts."""
    nodes = node.nodes if isinstance(node, Items) else [node]
    yield from (_text(one) for one in nodes[:1])


def _text(node: Node) -> str:
    return " ".join(node.text.split()) if isinstance(node, Scalar) else ""


def _label(text: str) -> str:
    return text if len(text) <= MAX_LABEL else f"{text[: MAX_LABEL - 1]}…"
