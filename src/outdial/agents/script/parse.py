"""A script's YAML, checked, as a Script. Every fault is a ScriptError that names the line."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from outdial.agents.llm.talk_parser import MODEL_KEYS, TalkParser
from outdial.agents.script.actions import KEYS, ActionParser
from outdial.agents.script.checks import check_flow, check_transfers, unused_models
from outdial.agents.script.expect import NAME, choice, data, fields, name, plain, seconds, suggestion
from outdial.agents.script.machine import KEYS as MACHINE
from outdial.agents.script.machine import MachineParser
from outdial.agents.script.model import (
    Answer,
    DoNotCall,
    Machine,
    Script,
    ScriptError,
    ScriptWarning,
    Step,
)
from outdial.agents.script.pronounce import pronunciations
from outdial.agents.script.speech_choice import RECOGNITION, SPEECH_KEYS, VOICE, speech_choice
from outdial.agents.script.template import Text, parse_text
from outdial.agents.script.tree import Fields, Node, read_tree
from outdial.conversation.call_facts import HOLD_S
from outdial.conversation.opening import Greet
from outdial.conversation.understanding.language import ENGLISH, is_known, known_languages, language_of
from outdial.speech.choice import NO_CHOICE, SpeechChoice
from outdial.speech.reading.reader import has_rules

__all__ = ["ScriptError", "parse_script", "parse_tree"]

MAX_STEPS = 200

_SECTIONS = (
    "agent", *MODEL_KEYS, "variables", "greet", "hold_s", "machine", "do_not_call", "pronounce", "after", "anywhere",
    "start", "steps",
)  # fmt: skip
AGENT = ("name", "language", VOICE, RECOGNITION)
DO_NOT_CALL_KEYS = ("say", "words")
# Every key that a script may have, but for the names it gives itself.
SCRIPT_KEYS = tuple(dict.fromkeys((*_SECTIONS, *AGENT, *SPEECH_KEYS, *MACHINE, *DO_NOT_CALL_KEYS, *KEYS)))
DEFAULT_LANGUAGE = "en-US"
LANGUAGE = r"^[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*$"  # a tag of BCP 47


def parse_script(source: str) -> Script:
    """Raises ScriptError for the first fault. Slips that may be meant are in `Script.warnings`."""
    return parse_tree(read_tree(source))


def parse_tree(root: Node) -> Script:
    """What `parse_script` does, of a text that was read. Raises ScriptError."""
    return Parser().script(root)


class Parser:
    """Walks the tree once, section by section. Other kinds of agents have some of the sections, too."""

    def __init__(self) -> None:
        self._language = ENGLISH
        self.speech: SpeechChoice = NO_CHOICE
        self.actions = ActionParser()

    def script(self, root: Node) -> Script:
        top = fields(root, "a script", _SECTIONS)
        if "steps" not in top.nodes:
            raise ScriptError("a script needs steps", root.line)
        agent = self.begin(top)
        variables = self.defaults(top.nodes.get("variables"))
        models = self.actions.models = TalkParser(self.actions).models(top.nodes) if "model" in top.nodes else ()
        anywhere = self.anywhere(top.nodes["anywhere"]) if "anywhere" in top.nodes else ()
        steps = self.steps(top.nodes["steps"], anywhere)
        machine = self.machine(top.nodes.get("machine"))
        do_not_call = self.do_not_call(top.nodes.get("do_not_call"))
        start = top.nodes.get("start")
        script = Script(
            name=name(agent.nodes["name"], "name") if "name" in agent.nodes else "Agent",
            language=self._language,
            variables=variables,
            machine=machine,
            do_not_call=do_not_call,
            anywhere=anywhere,
            start=plain(start, "start") if start else next(iter(steps)),
            steps=steps,
            pronounce=pronunciations(top.nodes.get("pronounce")),
            models=models,
            greet=self.greet(top),
            hold_s=self.hold_s(top),
            speech=self.speech,
            warnings=(
                *self.language_warning(agent.nodes.get("language")), *self.unknown(variables), *self.actions.warnings
            ),
        )
        check_flow(script, start.line if start else root.line)
        check_transfers(script)
        return replace(script, warnings=(*script.warnings, *unused_models(script)))

    def begin(self, top: Fields) -> Fields:
        """The section `agent`, and with it the language that the others are read in, and whose speech is chosen."""
        agent = fields(top.nodes.get("agent", Fields(top.line)), "agent", AGENT)
        self._language = self.language(agent.nodes.get("language"))
        self.speech = speech_choice(agent)
        self.actions = ActionParser(self._language)
        return agent

    def hold_s(self, top: Fields) -> float:
        return seconds(top.nodes["hold_s"], "hold_s", 1, 300) if "hold_s" in top.nodes else HOLD_S

    def greet(self, top: Fields) -> Greet | None:
        return _greet(top.nodes.get("greet"))

    @property
    def tag(self) -> str:
        """The language."""
        return self._language

    def text(self, node: Node, what: str) -> Text:
        return self.actions.text(node, what)

    def language(self, node: Node | None) -> str:
        language = plain(node, "language") if node else DEFAULT_LANGUAGE
        if not re.fullmatch(LANGUAGE, language):
            raise ScriptError("language is a tag such as en-US", node.line if node else None)
        return language

    def language_warning(self, node: Node | None) -> Iterable[ScriptWarning]:
        if node and not self._language.lower().startswith("en"):
            if not is_known(self._language):
                known = choice(known_languages())
                reason = f"what yes, no and do_not_call understand is English here ({known} are known): add words"
                yield ScriptWarning(reason, node.line)
            if offline := _offline(self.speech):
                yield ScriptWarning(f"the offline {offline} English: this language needs a vendor's", node.line)
        if node and not has_rules(self._language):
            reason = "numbers, dates and abbreviations are read by rules in English alone; here the voice decides"
            yield ScriptWarning(reason, node.line)

    def unknown(self, variables: Mapping[str, Any]) -> Iterable[ScriptWarning]:
        """Variables that nothing in the script gives a value: perhaps the call does, perhaps it is a slip."""
        seen: set[str] = set()
        for slot, line in self.actions.used:
            root = slot.path.partition(".")[0]
            if slot.fallback is None and root not in self.actions.known and slot.path not in seen:
                seen.add(slot.path)
                hint = suggestion(root, [*variables, *self.actions.known])
                yield ScriptWarning(f"{{{slot.path}}} has no fallback and no default{hint}", line)

    def defaults(self, node: Node | None) -> dict[str, Any]:
        if node is None:
            return {}
        named = fields(node, "variables")
        defaults = {self.actions.declare(key, named.lines[key]): data(value) for key, value in named.nodes.items()}
        self.actions.defaults = defaults
        return defaults

    def machine(self, node: Node | None) -> Machine:
        if node is None:
            return Machine()
        return MachineParser(self.actions).machine(node)

    def do_not_call(self, node: Node | None) -> DoNotCall:
        section = fields(node, "do_not_call", DO_NOT_CALL_KEYS) if node else Fields(0)
        say, words = section.nodes.get("say"), section.nodes.get("words")
        return DoNotCall(
            say=self.actions.text(say, "say") if say else parse_text(language_of(self._language).texts["do_not_call"]),
            words=self.actions.phrases(words) if words else (),
            line=say.line if say else 0,
        )

    def anywhere(self, node: Node) -> tuple[Answer, ...]:
        answers = self.actions.answers(node)
        for answer in answers:
            if answer.any_words or answer.any_digits:
                raise ScriptError("'any' here would take every answer away from the questions", answer.line)
        return answers

    def steps(self, node: Node, anywhere: tuple[Answer, ...]) -> dict[str, Step]:
        named = fields(node, "steps")
        if not named.nodes:
            raise ScriptError("a script needs at least one step", node.line)
        if len(named.nodes) > MAX_STEPS:
            raise ScriptError(f"more than {MAX_STEPS} steps", node.line)
        steps = {}
        for title, body in named.nodes.items():
            line = named.lines[title]
            if not NAME.fullmatch(title):
                raise ScriptError(f"'{title[:60]}' is no name for a step (letters, digits, _ and -)", line)
            self.actions.step = title
            steps[title] = Step(name=title, block=self.actions.block(body, anywhere), line=line)
        return steps


def _offline(speech: SpeechChoice) -> str:
    """What isn't a vendor's, and a verb; "" where all is."""
    if speech.voice is None:
        return "voice and recogniser are" if speech.recognition is None else "voice is"
    return "recogniser is" if speech.recognition is None else ""


def _greet(node: Node | None) -> Greet | None:
    if node is None:
        return None
    word = plain(node, "greet")
    if word not in list(Greet):
        raise ScriptError(f"greet is {choice(Greet)}, not '{word[:60]}'", node.line)
    return Greet(word)
