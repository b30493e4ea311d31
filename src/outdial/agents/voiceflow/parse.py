"""A voiceflow agent's YAML, checked, as a VoiceflowAgent. Every fault is a ScriptError that names the line."""

import re

from outdial.agents.brains.parse import KEYS, SECTIONS, BrainParser
from outdial.agents.script.expect import choice, fields, plain, yes_or_no
from outdial.agents.script.model import ScriptError
from outdial.agents.script.tree import Node, read_tree
from outdial.agents.voiceflow.definition import BASE_URL, ENVIRONMENT, User, VoiceflowAgent

_VOICEFLOW = (
    "project", "api_key", "environment", "base_url", "user", "remembers", "send", "streams", "transfer_failed",
    "answer_s",
)  # fmt: skip
VOICEFLOW_KEYS = tuple(dict.fromkeys(("voiceflow", *_VOICEFLOW, *KEYS)))
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ALIAS = re.compile(r"[A-Za-z0-9 ._-]{1,64}")


def parse_voiceflow(source: str) -> VoiceflowAgent:
    """Raises ScriptError for the first fault."""
    return parse_voiceflow_tree(read_tree(source))


def parse_voiceflow_tree(root: Node) -> VoiceflowAgent:
    return _Parser().voiceflow(root)


class _Parser(BrainParser):
    def voiceflow(self, root: Node) -> VoiceflowAgent:
        top = fields(root, "a voiceflow agent", ("voiceflow", *SECTIONS))
        if "voiceflow" not in top.nodes:
            raise ScriptError("a voiceflow agent needs voiceflow, with its project and api_key", root.line)
        nodes = fields(top.nodes["voiceflow"], "voiceflow", _VOICEFLOW).nodes
        for needed in ("project", "api_key"):
            if needed not in nodes:
                raise ScriptError(f"voiceflow needs {needed}", top.nodes["voiceflow"].line)
        common = self.common(top, nodes)
        sent, base, event = self.sent(nodes.get("send"), "send"), nodes.get("base_url"), nodes.get("transfer_failed")
        return VoiceflowAgent(
            **self.finished(common),
            project=self._matching(nodes["project"], "project", _ID, "the id in the project's settings"),
            api_key=self.secret(nodes["api_key"], "api_key"),
            environment=self._matching(nodes["environment"], "environment", _ALIAS, "an alias or an id")
            if "environment" in nodes
            else ENVIRONMENT,
            base_url=BASE_URL if base is None else self.url(base, "base_url", ("https", "http"), BASE_URL).rstrip("/"),
            base_url_line=nodes["project"].line if base is None else base.line,
            user=self._user(nodes.get("user")),
            remembers="remembers" in nodes and yes_or_no(nodes["remembers"], "remembers"),
            sent=sent,
            streams="streams" not in nodes or yes_or_no(nodes["streams"], "streams"),
            transfer_failed=None
            if event is None
            else self._matching(event, "transfer_failed", _ALIAS, "the name of an event of the flow"),
        )

    def _matching(self, node: Node, what: str, pattern: re.Pattern[str], is_: str) -> str:
        text = plain(node, what).strip()
        if not pattern.fullmatch(text):
            raise ScriptError(f"{what} is {is_}", node.line)
        return text

    def _user(self, node: Node | None) -> User:
        if node is None:
            return User.CALLEE
        word = plain(node, "user")
        if word not in list(User):
            raise ScriptError(f"user is {choice(User)}, not '{word[:60]}'", node.line)
        return User(word)
