"""One question, asked until it is answered: what is an answer, what is said next, when it is given up. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

from outdial.agents.script.model import Ask, Block, Retry
from outdial.agents.script.replies import Reply
from outdial.agents.script.template import Text
from outdial.conversation.understanding.meaning import Kind

MAX_REPEATED = 2  # times a question is said again because the callee asked for it
MAX_HELD = 3      # times we wait because the callee asked for it


@dataclass(frozen=True, slots=True)
class AskAgain:
    prompt: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """`missed` is why: no_reply or no_match."""

    then: Block
    missed: str


class Accept:
    """The reply is the answer."""


ACCEPT = Accept()
Next = AskAgain | GiveUp | Accept


class Attempts:
    """`question` is as it is said, `words` are Outdial's own by their names, `text` fills variables in."""

    def __init__(self, ask: Ask, question: str, words: Callable[[str], str], text: Callable[[Text], str]) -> None:
        self._ask = ask
        self._question = question
        self._words = words
        self._text = text
        self._misses = {"no_reply": 0, "no_match": 0}
        self._noises = self._greetings = self._repeated = 0
        self._made_sure = False
        self._missed_last = ""

    def silent(self, *, interrupted: bool) -> Next:
        """Nothing was heard; a noise that cut the question off has it said again."""
        if interrupted and not self._noises:
            self._noises += 1
            return AskAgain(self._question)
        return self._missed("no_reply", self._ask.no_reply, self._question)

    def after(self, reply: Reply) -> Next:
        self._missed_last = ""
        if reply.away or reply.back:
            return AskAgain(self._together("still_there") if reply.away else self._question)
        if reply.kind is Kind.GREETING and not self._greetings:
            self._greetings += 1
            return AskAgain(self._question)
        if reply.answer is not None or reply.kind is Kind.VALUE:
            if not reply.is_doubtful:
                return ACCEPT
            if not self._made_sure:
                self._made_sure = True
                return AskAgain(self._together("to_be_sure"))
        if reply.kind in (Kind.REPEAT, Kind.RECORDING) and self._repeated < MAX_REPEATED:
            self._repeated += 1
            return AskAgain(self._question)
        asks_us = reply.kind is Kind.QUESTION
        return self._missed("no_match", self._ask.no_match, self._together("no_questions" if asks_us else "sorry"))

    def taken_back(self) -> None:
        """The callee went on with the reply that was missed: it counts with all of it."""
        if self._missed_last:
            self._misses[self._missed_last] -= 1
            self._missed_last = ""

    def wrong_value(self) -> Next:
        """What was read back isn't what was meant."""
        return self._missed("no_match", self._ask.no_match, self._words("say_again"))

    def _missed(self, kind: str, retry: Retry, prompt: str) -> Next:
        self._misses[kind] += 1
        self._missed_last = kind
        if self._misses[kind] > retry.retries:
            return GiveUp(retry.then, kind)
        return AskAgain(prompt if retry.reprompt is None else self._text(retry.reprompt))

    def _together(self, name: str) -> str:
        return f"{self._words(name)} {self._question}".strip()
