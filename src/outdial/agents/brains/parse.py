"""The sections that agents have whose brain is elsewhere. Every fault is a ScriptError that names the line."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import httpx

from outdial.agents.brains.definition import ANSWER_S, NO_REPLY_S, Sent
from outdial.agents.llm.talk_parser import TalkParser
from outdial.agents.script.expect import NAME, fields, name, plain, seconds
from outdial.agents.script.machine import KEYS as MACHINE
from outdial.agents.script.model import ScriptError
from outdial.agents.script.parse import AGENT, DO_NOT_CALL_KEYS, Parser
from outdial.agents.script.pronounce import pronunciations
from outdial.agents.script.speech_choice import SPEECH_KEYS
from outdial.agents.script.template import Text
from outdial.agents.script.tree import Fields, Node, Scalar
from outdial.net.urls import MAX_URL_CHARS
from outdial.secrets.placeholders import NAME as SECRET_NAME
from outdial.secrets.placeholders import PlaceholderError, names_in

MAX_SENT = 50
LIMITS = ("turns", "seconds")
SECTIONS = (
    "agent", "greeting", "variables", "transfers", "outcomes", "limits", "no_reply_s", "after", "greet", "hold_s",
    "machine", "do_not_call", "pronounce",
)  # fmt: skip
_TRANSFER = ("to", "about", "say", "failed", "warm")
KEYS = (*SECTIONS, *AGENT, *SPEECH_KEYS, *MACHINE, *DO_NOT_CALL_KEYS, *LIMITS, *_TRANSFER)
_SECRET = re.compile(rf"\{{secret:({SECRET_NAME.pattern})\}}")
_URL = re.compile(r"[a-z]+://[^/?#{}@%\\\s]+(?:[/?][^#\s]*)?")  # nothing is filled into its host


class BrainParser(Parser):
    """The sections that scripts and llm agents have, too, are read as theirs."""

    def common(self, top: Fields, brain: Mapping[str, Node]) -> dict[str, Any]:
        """What every BrainAgent has, by its fields; `brain`: the section that the kind has of its own. `warnings` come
        last: see `finished`."""
        agent = self.begin(top)
        variables = self.defaults(top.nodes.get("variables"))
        talk, greeting, limits = TalkParser(self.actions), top.nodes.get("greeting"), top.nodes.get("limits")
        transfers = talk.transfers(top.nodes.get("transfers"), None)
        if limits is not None:
            fields(limits, "limits", LIMITS)
        answer, no_reply = brain.get("answer_s"), top.nodes.get("no_reply_s")
        return {
            "name": name(agent.nodes["name"], "name") if "name" in agent.nodes else "Agent",
            "language": self.tag,
            "variables": variables,
            "machine": self.machine(top.nodes.get("machine")),
            "do_not_call": self.do_not_call(top.nodes.get("do_not_call")),
            "greeting": self.text(greeting, "greeting") if greeting else None,
            "greeting_line": greeting.line if greeting else 0,
            "outcomes": talk.outcomes(top.nodes.get("outcomes")),
            "transfers": transfers,
            "limits": replace(talk.limits(limits), tokens=None, dollars=None),
            "answer_s": seconds(answer, "answer_s", 2, 60) if answer else ANSWER_S,
            "no_reply_s": seconds(no_reply, "no_reply_s", 2, 60) if no_reply else NO_REPLY_S,
            "pronounce": pronunciations(top.nodes.get("pronounce")),
            "greet": self.greet(top),
            "hold_s": self.hold_s(top),
            "speech": self.speech,
            "warnings": self.language_warning(agent.nodes.get("language")),
        }

    def finished(self, agent: dict[str, Any]) -> dict[str, Any]:
        """With what may be a slip, once all texts are read."""
        return {**agent, "warnings": (*agent["warnings"], *self.unknown(agent["variables"]))}

    def sent(self, node: Node | None, what: str) -> Sent:
        """Names and values; texts may have {variables}."""
        if node is None:
            return Sent()
        named = fields(node, what)
        if len(named.nodes) > MAX_SENT:
            raise ScriptError(f"more than {MAX_SENT} {what}", node.line)
        texts: dict[str, Text] = {}
        values: dict[str, Any] = {}
        for title, one in named.nodes.items():
            if not NAME.fullmatch(title):
                raise ScriptError(f"'{title[:60]}' is no name (letters, digits, _ and -)", named.lines[title])
            if not isinstance(one, Scalar):
                raise ScriptError(f"{title} is one value, not several", one.line)
            if isinstance(one.value, str) and one.value.strip():
                texts[title] = self.text(one, title)
            else:
                values[title] = one.value
        return Sent(texts=texts, values=values)

    def secret(self, node: Node, what: str) -> str:
        """The name of a secret: `"{secret:name}"`."""
        written = plain(node, what).strip()
        if (found := _SECRET.fullmatch(written)) is None:
            raise ScriptError(f'{what} is a secret of the workspace: "{{secret:name}}"', node.line)
        return found[1]

    def url(self, node: Node, what: str, schemes: tuple[str, ...], example: str) -> str:
        """A whole URL; behind its host it may name secrets."""
        text = plain(node, what).strip()
        try:
            names_in(text)
        except PlaceholderError as error:
            raise ScriptError(str(error), node.line) from None
        rest = _SECRET.sub("", text)
        is_whole = _URL.fullmatch(text) and rest.startswith(tuple(f"{one}://" for one in schemes))
        if is_whole and len(text) <= MAX_URL_CHARS and not set("{}") & set(rest):
            with suppress(httpx.InvalidURL, ValueError):
                if httpx.URL(rest).host:
                    return text
        raise ScriptError(f"{what} is the address of a server, such as {example}", node.line)
