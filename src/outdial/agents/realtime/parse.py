"""A realtime agent's YAML, checked, as a RealtimeAgent. Every fault is a ScriptError that names the line."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

from outdial.agents.brains.parse import BrainParser
from outdial.agents.llm.free_talk import ModelName
from outdial.agents.llm.talk_parser import INNER_KEYS, MODEL_KEYS, TalkParser
from outdial.agents.realtime.definition import (
    ANSWER_S,
    BASE_URL,
    MODEL,
    NO_REPLY_S,
    SILENCE_MS,
    TRANSCRIPTION,
    VOICE,
    Eagerness,
    NoiseReduction,
    RealtimeAgent,
    TurnDetection,
)
from outdial.agents.script.expect import choice, fields, name, plain, seconds, whole
from outdial.agents.script.machine import KEYS as MACHINE_KEYS
from outdial.agents.script.model import ScriptError
from outdial.agents.script.parse import AGENT as AGENT_KEYS
from outdial.agents.script.parse import DO_NOT_CALL_KEYS
from outdial.agents.script.pronounce import pronunciations
from outdial.agents.script.speech_choice import SPEECH_KEYS
from outdial.agents.script.tree import Fields, Node, Scalar, read_tree

_REALTIME = (
    "api_key", "model", "base_url", "voice", "speed", "transcription", "turn_detection", "silence_ms", "eagerness",
    "noise_reduction", "answer_s",
)  # fmt: skip
_SECTIONS = (
    "agent", "realtime", "greeting", "instructions", "variables", "tools", "transfers", "outcomes", "facts", "limits",
    "no_reply_s", "after", "greet", "hold_s", "machine", "do_not_call", "pronounce",
)  # fmt: skip
_OF_LLM = {
    "model": "a realtime agent has its model in realtime",
    "base_url": "a realtime agent has its base_url in realtime",
    "fallback": "a realtime agent has no fallback: where its model fails, the callee is told so, and the call ends",
    "think_ahead": "a realtime agent doesn't think ahead: its model decides itself when it answers",
}
REALTIME_KEYS = tuple(
    dict.fromkeys(
        (
            *_SECTIONS, *_REALTIME, *AGENT_KEYS, *SPEECH_KEYS, *MACHINE_KEYS, *DO_NOT_CALL_KEYS,
            *(key for key in INNER_KEYS if key not in MODEL_KEYS),
        )
    )
)  # fmt: skip
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}")

W = TypeVar("W", bound=StrEnum)


def parse_realtime(source: str) -> RealtimeAgent:
    """Raises ScriptError for the first fault. Slips that may be meant are in `RealtimeAgent.warnings`."""
    return parse_realtime_tree(read_tree(source))


def parse_realtime_tree(root: Node) -> RealtimeAgent:
    return _Parser().realtime(root)


class _Parser(BrainParser):
    """The sections that scripts and llm agents have, too, are read as theirs."""

    def realtime(self, root: Node) -> RealtimeAgent:
        top = fields(root, "a realtime agent", (*_SECTIONS, *_OF_LLM))
        for key, why in _OF_LLM.items():
            if key in top.nodes:
                raise ScriptError(why, top.lines[key])
        for needed in ("realtime", "instructions"):
            if needed not in top.nodes:
                raise ScriptError(f"a realtime agent needs {needed}", root.line)
        section = top.nodes["realtime"]
        nodes = fields(section, "realtime", _REALTIME).nodes
        if "api_key" not in nodes:
            raise ScriptError('realtime needs api_key: "{secret:openai_api_key}"', section.line)
        agent = self.begin(top)
        variables = self.defaults(top.nodes.get("variables"))
        no_reply = top.nodes.get("no_reply_s")
        own = self._own(section, nodes)
        return RealtimeAgent(
            name=name(agent.nodes["name"], "name") if "name" in agent.nodes else "Agent",
            language=self.tag,
            variables=variables,
            machine=self.machine(top.nodes.get("machine")),
            do_not_call=self.do_not_call(top.nodes.get("do_not_call")),
            **self._talk(top),
            pronounce=pronunciations(top.nodes.get("pronounce")),
            greet=self.greet(top),
            hold_s=self.hold_s(top),
            speech=self.speech,
            no_reply_s=seconds(no_reply, "no_reply_s", 2, 60) if no_reply else NO_REPLY_S,
            **own,
            models=(ModelName(name=own["model"], base_url=own["base_url"], speaks=True, line=section.line),),
            warnings=(*self.language_warning(agent.nodes.get("language")), *self.unknown(variables)),
        )

    def _talk(self, top: Fields) -> dict[str, Any]:
        """What llm agents have, too."""
        greeting, talk = top.nodes.get("greeting"), TalkParser(self.actions)
        instructions, indents = talk.instructions(top.nodes["instructions"])
        return {
            "greeting": self.text(greeting, "greeting") if greeting else None,
            "greeting_line": greeting.line if greeting else 0,
            "instructions": instructions,
            "indents": indents,
            "tools": talk.tools(top.nodes.get("tools")),
            "own_tools": talk.own_tools(top.nodes.get("tools")),
            "transfers": talk.transfers(top.nodes.get("transfers"), top.nodes.get("facts")),
            "outcomes": talk.outcomes(top.nodes.get("outcomes")),
            "facts": talk.facts(top.nodes.get("facts")),
            "limits": talk.limits(top.nodes.get("limits")),
        }

    def _own(self, section: Node, nodes: Mapping[str, Node]) -> dict[str, Any]:
        """What stands in `realtime`."""
        base, noise, answer = nodes.get("base_url"), nodes.get("noise_reduction"), nodes.get("answer_s")
        url = BASE_URL if base is None else self.url(base, "base_url", ("https", "http"), BASE_URL).rstrip("/")
        if base is not None and set("?{") & set(url):
            raise ScriptError("base_url has no query and no secrets", base.line)
        detection = _word(nodes.get("turn_detection"), "turn_detection", TurnDetection, TurnDetection.SILENCE)
        self._belongs(nodes.get("silence_ms"), "silence_ms", detection, TurnDetection.SILENCE)
        self._belongs(nodes.get("eagerness"), "eagerness", detection, TurnDetection.MEANING)
        reduction = None if noise is None else _word(noise, "noise_reduction", NoiseReduction, NoiseReduction.NEAR)
        return {
            "api_key": self.secret(nodes["api_key"], "api_key"),
            "base_url": url,
            "base_url_line": section.line if base is None else base.line,
            "model": self._name(nodes.get("model"), "model", MODEL),
            "model_voice": self._name(nodes.get("voice"), "voice", VOICE),
            "speed": _speed(nodes.get("speed")),
            "transcription": self._name(nodes.get("transcription"), "transcription", TRANSCRIPTION),
            "turn_detection": detection,
            "silence_ms": whole(nodes["silence_ms"], "silence_ms", 100, 3000) if "silence_ms" in nodes else SILENCE_MS,
            "eagerness": _word(nodes.get("eagerness"), "eagerness", Eagerness, Eagerness.AUTO),
            "noise_reduction": reduction,
            "answer_s": seconds(answer, "answer_s", 4, 60) if answer else ANSWER_S,
        }

    def _name(self, node: Node | None, what: str, otherwise: str) -> str:
        if node is None:
            return otherwise
        text = plain(node, what).strip()
        if not _NAME.fullmatch(text):
            raise ScriptError(f"{what} is a name of the server's, such as {otherwise}", node.line)
        return text

    def _belongs(self, node: Node | None, what: str, detection: TurnDetection, to: TurnDetection) -> None:
        if node is not None and detection is not to:
            raise ScriptError(f"{what} is for turn_detection: {to}", node.line)


def _word(node: Node | None, what: str, words: type[W], otherwise: W) -> W:
    if node is None:
        return otherwise
    word = plain(node, what)
    if word not in list(words):
        raise ScriptError(f"{what} is {choice(words)}, not '{word[:60]}'", node.line)
    return words(word)


def _speed(node: Node | None) -> float:
    if node is None:
        return 1.0
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.25 <= value <= 1.5:
        raise ScriptError("speed is a number from 0.25 to 1.5", node.line)
    return float(value)
