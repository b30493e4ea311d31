"""What a script does, step by step: blocks of actions, questions and their answers. See parse.py."""

import re
from collections.abc import Mapping
from typing import Any

from outdial.agents.llm.free_talk import ModelName
from outdial.agents.script.expect import (
    NAME,
    choice,
    data,
    fields,
    listed,
    name,
    plain,
    pressed,
    seconds,
    whole,
    yes_or_no,
)
from outdial.agents.script.model import (
    Action,
    Answer,
    Ask,
    Block,
    Goto,
    HangUp,
    If,
    Patience,
    Retry,
    Say,
    ScriptError,
    ScriptWarning,
    SendDigits,
    SetVariables,
    Transfer,
    Understand,
)
from outdial.agents.script.talk_step import ALL_KEYS, TALK_KEYS, read_talk
from outdial.agents.script.template import Slot, TemplateError, Text, parse_text
from outdial.agents.script.tree import Fields, Items, Node, Scalar
from outdial.agents.script.warm_transfer import WARM_KEYS, read_warm
from outdial.conversation.understanding.answer_type import AnswerType, TypeName, parse_type
from outdial.conversation.understanding.language import ENGLISH, language_of

MAX_TEXT = 1000     # characters
MAX_ANSWERS = 50    # of an ask
MAX_PHRASES = 100   # of an answer
MAX_RETRIES = 5
LONG_NUMBER = 5     # digits that are read back unless the author says otherwise
BUILT_IN = ("user_number", "agent_number", "answered_by")  # variables that every call has

_VERBS = ("say", "set", "ask", "talk", "if", "send_digits", "goto", "transfer", "hang_up")
_ASK = (
    "answers", "no_reply", "no_match", "min_digits", "max_digits", "type", "read_back", "wait_s", "pause_s", "patience",
    "save_as", "understand",
)  # fmt: skip
_IF = ("equals", "one_of", "exists", "then", "else")
_ANSWER = ("name", "words", "digits")
_RETRY = ("retries", "reprompt", "then")
_TRANSFER = ("to", "failed", "warm")
KEYS = (*_VERBS, *_ASK, *_IF, *_ANSWER, *_RETRY, *_TRANSFER, *WARM_KEYS, *ALL_KEYS)
_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+){0,8}")
_NUMBER = re.compile(r"\+[1-9]\d{7,14}")


class ActionParser:
    """Reads the nodes of one script, and remembers where variables are used and set. Raises ScriptError."""

    def __init__(self, language: str = ENGLISH) -> None:
        self.language = language
        self.defaults: Mapping[str, Any] = {}
        self.models: tuple[ModelName, ...] = ()  # of the whole script
        self.step = ""                           # that is being read
        self.warnings: list[ScriptWarning] = []
        self._texts = language_of(language).texts
        self.used: list[tuple[Slot, int]] = []  # and the lines
        self.known: set[str] = set(BUILT_IN)

    def declare(self, variable: str, line: int) -> str:
        if not NAME.fullmatch(variable):
            raise ScriptError(f"'{variable[:60]}' is no name for a variable (letters, digits, _ and -)", line)
        if variable in BUILT_IN:
            raise ScriptError(f"'{variable}' is the call's own variable and can't be set", line)
        self.known.add(variable)
        return variable

    def own_words(self, name: str) -> str:
        """What Outdial says of its own accord, by its name in the language's file."""
        return self._texts[name]

    def block(self, node: Node, anywhere: tuple[Answer, ...] | None = None) -> Block:
        """Actions in the order written: a mapping, or a list of them. Without `anywhere` it can't ask."""
        parts = node.nodes if isinstance(node, Items) else [node]
        if not parts:
            raise ScriptError("nothing is done here", node.line)
        return tuple(action for part in parts for action in self.actions(part, anywhere, ()))

    def actions(self, node: Node, anywhere: tuple[Answer, ...] | None, more: tuple[str, ...]) -> Block:
        """The verbs of one mapping; `more` are keys that the caller reads."""
        mapping = fields(node, "an answer" if more else "a step", (*_VERBS, *_ASK, *_IF, *TALK_KEYS, *more))
        for verb, options in (("ask", _ASK), ("if", _IF), ("talk", TALK_KEYS)):
            for key in options:
                if key in mapping.nodes and verb not in mapping.nodes:
                    raise ScriptError(f"'{key}' belongs to '{verb}', which isn't here", mapping.lines[key])
        for verb in ("ask", "talk"):
            if verb in mapping.nodes and anywhere is None:
                raise ScriptError(f"{verb} in a step of its own, and goto that step", mapping.lines[verb])
        verbs = [key for key in mapping.nodes if key in _VERBS]
        if not verbs and not more:
            raise ScriptError(f"nothing is done here; a step has one of {choice(_VERBS)}", node.line)
        return tuple(self.action(verb, mapping, anywhere or ()) for verb in verbs)

    def action(self, verb: str, mapping: Fields, anywhere: tuple[Answer, ...]) -> Action:
        node, line = mapping.nodes[verb], mapping.lines[verb]
        match verb:
            case "say":
                return Say(text=self.text(node, verb), line=line)
            case "set":
                return SetVariables(values=self.assignments(node), line=line)
            case "send_digits":
                return SendDigits(digits=self.digits_to_send(node), line=line)
            case "goto":
                return Goto(step=plain(node, verb), line=line)
            case "transfer":
                return self.transfer(node, line)
            case "hang_up":
                if isinstance(node, Scalar) and node.value is False:
                    raise ScriptError("hang_up takes a goodbye, or nothing", line)
                silent = isinstance(node, Scalar) and (node.value is None or node.value is True)
                return HangUp(goodbye=None if silent else self.text(node, verb), line=line)
            case "if":
                return self.branch(mapping)
            case "talk":
                return read_talk(self, mapping)
        return self.ask(mapping, anywhere)

    def assignments(self, node: Node) -> tuple[tuple[str, Any], ...]:
        named = fields(node, "set")
        if not named.nodes:
            raise ScriptError("set needs a variable: set: {name: value}", node.line)
        values = []
        for variable, node in named.nodes.items():
            value = data(node)
            if isinstance(value, str) and value.strip():
                value = self.text(node, variable)
            elif isinstance(value, list | dict):
                raise ScriptError("set takes a text, a number, true or false", node.line)
            values.append((self.declare(variable, named.lines[variable]), value))
        return tuple(values)

    def digits_to_send(self, node: Node) -> Text:
        digits = self.text(node, "send_digits")
        if not all(isinstance(part, Slot) or re.fullmatch(r"[0-9*#w ]+", part) for part in digits.parts):
            raise ScriptError("send_digits takes 0-9, *, # and w (waits half a second)", node.line)
        return digits

    def transfer(self, node: Node, line: int) -> Transfer:
        """A number, or `{to: …, failed: …}`."""
        if isinstance(node, Scalar):
            return Transfer(to=self.number(node), line=line)
        nodes = fields(node, "transfer", _TRANSFER).nodes
        if "to" not in nodes:
            raise ScriptError("transfer needs a number to go to: transfer: {to: +12025550100, failed: step}", line)
        failed, warm = nodes.get("failed"), read_warm(nodes.get("warm"), self.text)
        if warm is not None and failed is None:
            raise ScriptError("a warm transfer needs the step where the call goes on: failed: step", line)
        step = None if failed is None else plain(failed, "failed")
        return Transfer(to=self.number(nodes["to"]), line=line, failed=step, warm=warm)

    def number(self, node: Node) -> Text:
        to = self.text(node, "transfer")
        match to.parts:
            case (Slot(),):
                return to
            case (str(number),) if _NUMBER.fullmatch(number):
                return to
        raise ScriptError("transfer needs a number such as +12025550100, or one {variable}", node.line)

    def branch(self, mapping: Fields) -> If:
        node = mapping.nodes["if"]
        path = plain(node, "if").strip("{}")
        if not _PATH.fullmatch(path):
            raise ScriptError("if takes the name of a variable", node.line)
        self.used.append((Slot(path), node.line))
        tests = [key for key in ("equals", "one_of", "exists") if key in mapping.nodes]
        if len(tests) != 1:
            raise ScriptError("if needs one of equals, one_of or exists", mapping.lines["if"])
        if "then" not in mapping.nodes:
            raise ScriptError("if needs a then", mapping.lines["if"])
        test = mapping.nodes[tests[0]]
        value = data(test)
        if tests[0] == "exists":
            self.known.add(path.partition(".")[0])
            if not isinstance(value, bool):
                raise ScriptError("exists is true or false", test.line)
        values = value if isinstance(value, list) else [value]
        if tests[0] == "equals" and isinstance(value, list):
            raise ScriptError("equals takes one value; one_of takes several", test.line)
        if any(isinstance(one, list | dict) or one is None for one in values):
            raise ScriptError(f"{tests[0]} takes texts, numbers, true or false", test.line)
        return If(
            variable=path,
            exists=value if tests[0] == "exists" else None,
            values=tuple(values),
            then=self.jump_or_block(mapping.nodes["then"]),
            otherwise=self.jump_or_block(mapping.nodes["else"]) if "else" in mapping.nodes else (),
            line=mapping.lines["if"],
        )

    def jump_or_block(self, node: Node) -> Block:
        """`then: step_name` is short for `then: {goto: step_name}`."""
        if isinstance(node, Scalar):
            return (Goto(step=plain(node, "the step to go to"), line=node.line),)
        return self.block(node)

    def ask(self, mapping: Fields, anywhere: tuple[Answer, ...]) -> Ask:
        nodes, line = mapping.nodes, mapping.lines["ask"]
        if "answers" not in nodes and "type" not in nodes:
            raise ScriptError("ask needs answers, or the type of its answer", line)
        question = self.text(nodes["ask"], "ask")
        answers = self.answers(nodes["answers"]) if "answers" in nodes else ()
        longest = max((len(one) for answer in (*answers, *anywhere) for one in answer.digits), default=0)
        any_digits = any(answer.any_digits for answer in answers)
        if any_digits and "max_digits" not in nodes:
            raise ScriptError("an answer of any digits needs max_digits", line)
        if "min_digits" in nodes and not any_digits:
            raise ScriptError("min_digits is for an answer of any digits", nodes["min_digits"].line)
        save_as, limit, least = nodes.get("save_as"), nodes.get("max_digits"), nodes.get("min_digits")
        of = self.answer_type(nodes["type"]) if "type" in nodes else None
        if "read_back" in nodes and of is None:
            raise ScriptError("read_back is for a question with a type", nodes["read_back"].line)
        return Ask(
            question=question,
            answers=answers,
            no_reply=self.retry(nodes.get("no_reply"), "no_reply"),
            no_match=self.retry(nodes.get("no_match"), "no_match"),
            max_digits=whole(limit, "max_digits", max(1, longest), 40) if limit else longest,
            wait_s=seconds(nodes["wait_s"], "wait_s") if "wait_s" in nodes else 6.0,
            pause_s=seconds(nodes["pause_s"], "pause_s", 0.2, 5) if "pause_s" in nodes else 0.5,
            patience=self.patience(nodes.get("patience")),
            save_as=self.declare(plain(save_as, "save_as"), save_as.line) if save_as else None,
            line=line,
            min_digits=whole(least, "min_digits", 1, 40) if least else 0,
            type=of,
            read_back=yes_or_no(nodes["read_back"], "read_back") if "read_back" in nodes else _is_read_back(of),
            understand=self.understand(nodes.get("understand"), answers),
        )

    def patience(self, node: Node | None) -> Patience:
        word = plain(node, "patience") if node else Patience.NORMAL
        if word not in list(Patience):
            raise ScriptError(f"patience is {choice(Patience)}, not '{word[:60]}'", node.line if node else None)
        return Patience(word)

    def understand(self, node: Node | None, answers: tuple[Answer, ...]) -> Understand:
        word = plain(node, "understand") if node else Understand.WORDS
        line = node.line if node else None
        if word not in list(Understand):
            raise ScriptError(f"understand is {choice(Understand)}, not '{word[:60]}'", line)
        if word == Understand.MODEL and not self.models:
            raise ScriptError("understand: model needs a model: name it at the top of the script", line)
        if word == Understand.MODEL and not any(answer.name or answer.words for answer in answers):
            raise ScriptError("understand: model needs answers with words to choose among", line)
        return Understand(word)

    def answer_type(self, node: Node) -> AnswerType:
        try:
            return parse_type(plain(node, "type"))
        except ValueError as error:
            raise ScriptError(str(error), node.line) from None

    def retry(self, node: Node | None, key: str) -> Retry:
        goodbye = parse_text(self._texts[f"{key}_goodbye"])
        hang_up: Block = (HangUp(goodbye=goodbye, line=0),)  # our words, written nowhere
        if node is None:
            return Retry(retries=1, reprompt=None, then=hang_up)
        if isinstance(node, Scalar):
            return Retry(retries=1, reprompt=None, then=self.jump_or_block(node))
        section = fields(node, key, _RETRY)
        nodes = section.nodes
        return Retry(
            retries=whole(nodes["retries"], "retries", 0, MAX_RETRIES) if "retries" in nodes else 1,
            reprompt=self.text(nodes["reprompt"], "reprompt") if "reprompt" in nodes else None,
            then=self.jump_or_block(nodes["then"]) if "then" in nodes else hang_up,
            line=nodes["reprompt"].line if "reprompt" in nodes else 0,
        )

    def answers(self, node: Node) -> tuple[Answer, ...]:
        if not isinstance(node, Items) or not node.nodes:
            raise ScriptError("answers are a list, each with words or digits: - words: [yes]", node.line)
        if len(node.nodes) > MAX_ANSWERS:
            raise ScriptError(f"more than {MAX_ANSWERS} answers", node.line)
        taken: dict[tuple[str, str], int] = {}
        return tuple(self.answer(one, taken) for one in node.nodes)

    def answer(self, node: Node, taken: dict[tuple[str, str], int]) -> Answer:
        then = self.actions(node, None, _ANSWER)
        mapping = fields(node, "an answer")
        words, digits, title = (mapping.nodes.get(key) for key in ("words", "digits", "name"))
        if words is None and digits is None:
            raise ScriptError("an answer needs words or digits", node.line)
        for kind, given in (("words", words), ("digits", digits)):
            for one in listed(given, kind) if given else ():
                key = (kind, plain(one, kind).casefold())
                if key in taken:
                    raise ScriptError(f"'{key[1][:60]}' is already an answer on line {taken[key]}", one.line)
                taken[key] = one.line
        any_words, any_digits = (isinstance(one, Scalar) and one.text == "any" for one in (words, digits))
        return Answer(
            name=name(title, "name") if title else None,
            words=self.phrases(words) if words and not any_words else (),
            digits=pressed(digits) if digits and not any_digits else (),
            any_words=any_words,
            any_digits=any_digits,
            then=then,
            line=node.line,
        )

    def phrases(self, node: Node) -> tuple[Text, ...]:
        found = listed(node, "words")
        if not found or len(found) > MAX_PHRASES:
            raise ScriptError(f"words are a list of 1 to {MAX_PHRASES} phrases", node.line)
        texts = tuple(self.text(one, "words") for one in found)
        for text, one in zip(texts, found, strict=True):
            if not text.slots and not any(c.isalnum() for c in one.text):
                raise ScriptError("a phrase needs a word in it", one.line)
        return texts

    def text(self, node: Node, what: str) -> Text:
        source = plain(node, what)
        if len(source) > MAX_TEXT:
            raise ScriptError(f"{what} is longer than {MAX_TEXT} characters", node.line)
        try:
            text = parse_text(source)
        except TemplateError as error:
            raise ScriptError(str(error), node.line) from None
        self.used.extend((slot, node.line) for slot in text.slots)
        return text


def _is_read_back(of: AnswerType | None) -> bool:
    """What is easily misheard and hard to put right later is said to the callee again."""
    if of is None:
        return False
    if of.name is TypeName.DIGITS:
        return of.most is None or of.most >= LONG_NUMBER
    return of.name in (TypeName.PHONE, TypeName.EMAIL, TypeName.DATE, TypeName.AMOUNT)
