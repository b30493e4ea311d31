"""A relay agent's YAML, checked, as a RelayAgent. Every fault is a ScriptError that names the line."""

import re

from outdial.agents.brains.parse import KEYS, SECTIONS, BrainParser
from outdial.agents.relay.definition import RECONNECTS, RelayAgent
from outdial.agents.script.expect import fields, whole, yes_or_no
from outdial.agents.script.model import ScriptError, ScriptWarning
from outdial.agents.script.parse import LANGUAGE
from outdial.agents.script.speech_choice import RECOGNITION, VOICE, speech_choice
from outdial.agents.script.tree import Node, read_tree
from outdial.agents.speech_languages import misplaced
from outdial.speech.choice import SpeechChoice

_RELAY = (
    "url", "signing_secret", "parameters", "dtmf", "partial_prompts", "interruptible", "preemptible", "languages",
    "answer_s", "reconnects",
)  # fmt: skip
RELAY_KEYS = tuple(dict.fromkeys(("relay", *_RELAY, *KEYS)))
MOST_LANGUAGES = 20
EXAMPLE = "wss://app.example.com/conversation"


def parse_relay(source: str) -> RelayAgent:
    """Raises ScriptError for the first fault."""
    return parse_relay_tree(read_tree(source))


def parse_relay_tree(root: Node) -> RelayAgent:
    return _Parser().relay(root)


class _Parser(BrainParser):
    def relay(self, root: Node) -> RelayAgent:
        top = fields(root, "a relay agent", ("relay", *SECTIONS))
        if "relay" not in top.nodes:
            raise ScriptError("a relay agent needs relay, with the url of its server", root.line)
        relay = fields(top.nodes["relay"], "relay", _RELAY)
        if "url" not in relay.nodes:
            raise ScriptError(f"relay needs a url: {EXAMPLE}", relay.line)
        url, secret = relay.nodes["url"], relay.nodes.get("signing_secret")
        common = self.common(top, relay.nodes)
        parameters = self.sent(relay.nodes.get("parameters"), "parameters")
        if secret is None:
            reason = "without a signing_secret nothing proves to the server that it is Outdial who connects"
            common["warnings"] = (*common["warnings"], ScriptWarning(reason, relay.line))
        again = relay.nodes.get("reconnects")
        languages = self.languages(relay.nodes.get("languages"))
        for tag, chosen in languages.items():
            common["warnings"] = (*common["warnings"], *misplaced(chosen, tag))

        def flag(key: str, otherwise: bool) -> bool:
            return yes_or_no(relay.nodes[key], key) if key in relay.nodes else otherwise

        return RelayAgent(
            **self.finished(common),
            url=self.url(url, "url", ("wss", "ws"), EXAMPLE),
            url_line=url.line,
            signing_secret=None if secret is None else self.secret(secret, "signing_secret"),
            parameters=parameters,
            dtmf=flag("dtmf", False),
            partial_prompts=flag("partial_prompts", False),
            interruptible=flag("interruptible", True),
            preemptible=flag("preemptible", False),
            reconnects=RECONNECTS if again is None else whole(again, "reconnects", 0, 5),
            languages=languages,
        )

    def languages(self, node: Node | None) -> dict[str, SpeechChoice]:
        """What is spoken and listened with in other languages than the agent's, by their tags."""
        if node is None:
            return {}
        named = fields(node, "languages")
        if len(named.nodes) > MOST_LANGUAGES:
            raise ScriptError(f"more than {MOST_LANGUAGES} languages", node.line)
        for tag, line in named.lines.items():
            if not re.fullmatch(LANGUAGE, tag):
                raise ScriptError(f"'{tag[:60]}' is no tag of a language, such as es-ES", line)
            if tag.lower() == self.tag.lower():
                raise ScriptError(f"{tag} is the agent's own language: say it in the section agent", line)
        return {tag: speech_choice(fields(one, tag, (VOICE, RECOGNITION))) for tag, one in named.nodes.items()}
