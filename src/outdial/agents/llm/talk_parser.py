"""What a model may talk about and do, read from YAML: the sections of whoever lets a model talk.

Every fault is a ScriptError that names the line.
"""

import re
from collections.abc import Mapping
from typing import Protocol

from outdial.agents.llm.free_talk import MOST_TURNS, Fact, Limits, ModelName, TransferTarget
from outdial.agents.llm.tools import BUILT_IN, OPTIONAL
from outdial.agents.script.expect import NAME, choice, fields, listed, name, plain, suggestion, whole
from outdial.agents.script.model import ScriptError
from outdial.agents.script.template import Slot, TemplateError, Text, parse_text
from outdial.agents.script.tree import Fields, Items, Node, Scalar
from outdial.agents.script.warm_transfer import read_warm
from outdial.agents.tools.definition import OwnTools
from outdial.agents.tools.parse import TOOL_KEYS, ToolParser
from outdial.telephony.outcome import CALL_BACK, MAX_WORD_CHARS, NAMED, WISH

MAX_INSTRUCTIONS = 20_000  # characters
MAX_NAMES = 50             # outcomes, facts, transfers
MAX_ABOUT = 500            # characters of what one of them means

MODEL_KEYS = ("model", "base_url", "fallback")
LIMIT_KEYS = ("turns", "seconds", "tokens", "dollars")
_MODEL = ("model", "base_url")
_FACT = ("type", "about", "one_of")
_TYPES = ("string", "integer", "number", "boolean")
_TRANSFER = ("to", "about", "say", "failed", "warm")
# Every key inside these sections, but for the names that their author gives.
INNER_KEYS = (*MODEL_KEYS, *LIMIT_KEYS, *_FACT, *_TRANSFER, *OPTIONAL, *TOOL_KEYS)
_OUTCOME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_URL = re.compile(r"https?://[^\s/?#@]+(?:/[^\s?#]*)?")


class TextParser(Protocol):
    """Reads the texts of whoever lets a model talk, and remembers where variables are used and set."""

    @property
    def used(self) -> list[tuple[Slot, int]]: ...
    def declare(self, variable: str, line: int) -> str: ...
    def number(self, node: Node) -> Text: ...
    def text(self, node: Node, what: str) -> Text: ...


class TalkParser:
    """`texts` reads the texts, and remembers their variables."""

    def __init__(self, texts: TextParser) -> None:
        self._texts = texts

    def models(self, nodes: Mapping[str, Node]) -> tuple[ModelName, ...]:
        first = self.model(nodes["model"], nodes.get("base_url"))
        fallback = nodes.get("fallback")
        if fallback is None:
            return (first,)
        if isinstance(fallback, Scalar):
            return (first, self.model(fallback, None))
        parts = fields(fallback, "fallback", _MODEL).nodes
        if "model" not in parts:
            raise ScriptError("fallback needs a model", fallback.line)
        return (first, self.model(parts["model"], parts.get("base_url")))

    def model(self, node: Node, url: Node | None) -> ModelName:
        title = name(node, "model")
        address = None if url is None else plain(url, "base_url").strip()
        if url is not None and address is not None and not _URL.fullmatch(address):
            raise ScriptError("base_url is the address of a server, such as http://127.0.0.1:11434/v1", url.line)
        return ModelName(name=title, base_url=None if address is None else address.rstrip("/"), line=node.line)

    def instructions(self, node: Node, what: str = "instructions") -> tuple[tuple[Text, ...], tuple[str, ...]]:
        source = plain(node, what)
        if len(source) > MAX_INSTRUCTIONS:
            raise ScriptError(f"{what} is longer than {MAX_INSTRUCTIONS:,} characters", node.line)
        texts, indents = [], []
        for line in source.strip("\n").splitlines():
            try:
                text = parse_text(line)
            except TemplateError as error:
                raise ScriptError(str(error), node.line) from None
            self._texts.used.extend((slot, node.line) for slot in text.slots)
            texts.append(text)
            indents.append(line[: len(line) - len(line.lstrip())])
        return tuple(texts), tuple(indents)

    def tools(self, node: Node | None) -> frozenset[str]:
        """Outdial's, by their names."""
        words = [word for one in _items(node) if not isinstance(one, Fields) for word in listed(one, "tools")]
        for one in words:
            if one.text not in OPTIONAL:
                hint = suggestion(one.text, OPTIONAL)
                raise ScriptError(f"'{one.text[:60]}' is no tool; there are {choice(OPTIONAL)}{hint}", one.line)
        return frozenset(one.text for one in words)

    def own_tools(self, node: Node | None) -> OwnTools:
        """The author's: what stands in `tools` and isn't a name."""
        parser = ToolParser(self._texts.text, self._uses, BUILT_IN)
        return parser.tools([one for one in _items(node) if isinstance(one, Fields)])

    def transfers(self, node: Node | None, facts: Node | None) -> tuple[TransferTarget, ...]:
        targets = tuple(self.target(title, one, line) for title, one, line in self.named(node, "transfers"))
        told = {title for title, _, _ in self.named(facts, "facts")}
        for target in targets:
            if fact := next((slot.path for slot in target.to.slots if slot.path.partition(".")[0] in told), None):
                reason = f"a transfer goes to no number that the callee told: {{{fact}}} is a fact"
                raise ScriptError(reason, target.line)
        return targets

    def target(self, title: str, node: Node, line: int) -> TransferTarget:
        """A number, or `{to: …, about: …, say: …, failed: …, warm: …}`."""
        if isinstance(node, Scalar):
            return TransferTarget(name=title, to=self._texts.number(node), about="", line=line)
        nodes = fields(node, "a transfer", _TRANSFER).nodes
        if "to" not in nodes:
            raise ScriptError("a transfer needs a number to go to: {to: +12025550100}", line)
        say, failed = nodes.get("say"), nodes.get("failed")
        return TransferTarget(
            name=title,
            to=self._texts.number(nodes["to"]),
            about=self.about(nodes["about"]) if "about" in nodes else "",
            line=line,
            say=self._texts.text(say, "say") if say else None,
            failed=self._texts.text(failed, "failed") if failed else None,
            warm=read_warm(nodes.get("warm"), self._texts.text, by_model=True),
        )

    def outcomes(self, node: Node | None) -> Mapping[str, str]:
        """Words, or words and what they mean."""
        if isinstance(node, Items):
            found = {one.text: ("", one.line) for one in listed(node, "outcomes")}
        else:
            found = {word: (self.about(one), line) for word, one, line in self.named(node, "outcomes")}
        for word, (_, line) in found.items():
            if not _OUTCOME.fullmatch(word) or len(word) > MAX_WORD_CHARS:
                raise ScriptError(f"'{word[:60]}' is no outcome: one word of letters, digits, _ and -", line)
        return {word: about for word, (about, _) in found.items()}

    def facts(self, node: Node | None) -> tuple[Fact, ...]:
        return tuple(self.fact(title, one, line) for title, one, line in self.named(node, "facts"))

    def fact(self, title: str, node: Node, line: int) -> Fact:
        """What it is, or `{about: …, type: …, one_of: […]}`."""
        if title in (NAMED, WISH, CALL_BACK):
            section = {NAMED: "outcomes", WISH: "do_not_call"}.get(title, "tools")
            raise ScriptError(f"'{title}' is noted by Outdial itself: see {section}", line)
        self._texts.declare(title, line)
        if isinstance(node, Scalar):
            return Fact(name=title, about=self.about(node))
        nodes = fields(node, "a fact", _FACT).nodes
        kind = plain(nodes["type"], "type") if "type" in nodes else "string"
        if kind not in _TYPES:
            raise ScriptError(f"type is {choice(_TYPES)}, not '{kind[:60]}'", nodes["type"].line)
        choices = tuple(one.text for one in listed(nodes["one_of"], "one_of")) if "one_of" in nodes else ()
        if choices and kind != "string":
            raise ScriptError("one_of is for a fact of type string", nodes["one_of"].line)
        about = self.about(nodes["about"]) if "about" in nodes else ""
        return Fact(name=title, about=about, type=kind, choices=choices)

    def limits(self, node: Node | None, known: tuple[str, ...] = LIMIT_KEYS) -> Limits:
        """`known`: what else may stand there."""
        if node is None:
            return Limits()
        nodes = fields(node, "limits", known).nodes
        return Limits(
            turns=whole(nodes["turns"], "turns", 1, 500) if "turns" in nodes else MOST_TURNS,
            seconds=whole(nodes["seconds"], "seconds", 10, 14_400) if "seconds" in nodes else None,
            tokens=whole(nodes["tokens"], "tokens", 100, 100_000_000) if "tokens" in nodes else None,
            dollars=_dollars(nodes["dollars"]) if "dollars" in nodes else None,
        )

    def named(self, node: Node | None, what: str) -> list[tuple[str, Node, int]]:
        if node is None:
            return []
        section = fields(node, what)
        if len(section.nodes) > MAX_NAMES:
            raise ScriptError(f"more than {MAX_NAMES} {what}", node.line)
        for title, line in section.lines.items():
            if not NAME.fullmatch(title):
                raise ScriptError(f"'{title[:60]}' is no name (letters, digits, _ and -)", line)
        return [(title, one, section.lines[title]) for title, one in section.nodes.items()]

    def about(self, node: Node) -> str:
        about = " ".join(plain(node, "what it means").split())
        if len(about) > MAX_ABOUT:
            raise ScriptError(f"what it means is longer than {MAX_ABOUT} characters", node.line)
        return about

    def _uses(self, text: Text, line: int) -> None:
        self._texts.used.extend((slot, line) for slot in text.slots)


def _items(node: Node | None) -> list[Node]:
    if node is None:
        return []
    return node.nodes if isinstance(node, Items) else [node]


def _dollars(node: Node) -> float:
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1000:
        raise ScriptError("dollars is a number above 0, such as 0.50", node.line)
    return float(value)
