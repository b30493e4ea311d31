"""What a question tells turn-taking, and the way back to it when the callee had not finished its answer."""

from collections import Counter
from collections.abc import MutableMapping
from copy import copy
from functools import lru_cache
from typing import Any

from outdial.agents.script.model import Ask, Patience
from outdial.agents.script.replies import Replies
from outdial.conversation import endpointing
from outdial.conversation.turn_words import Asked
from outdial.conversation.understanding.answer_type import TypeName
from outdial.conversation.understanding.closed_answers import closed, may_be_misheard
from outdial.conversation.understanding.meaning import Kind
from outdial.conversation.verb_results import Heard

MANY_DIGITS = 4  # spoken digits of fewer are a number like any other: one is whole, whatever `max_digits` allows

PATIENCE = {
    Patience.LOW: endpointing.Patience(open_ms=800, digits_ms=1500),
    Patience.NORMAL: endpointing.Patience(),
    Patience.HIGH: endpointing.Patience(open_ms=3000, digits_ms=5000),
}

MAX_RETURNS = 2  # to one question: who talks on and on isn't answering it

_ABSENT = object()


def asked(ask: Ask, question: str, replies: Replies, *, takes_back: bool) -> Asked:
    @lru_cache(maxsize=16)
    def is_answer(text: str) -> bool:
        reply = replies.reply(Heard(text=text), ask)
        is_phrase = reply.answer is not None and not reply.answer.any_words
        return (is_phrase or reply.kind is Kind.VALUE) and not reply.is_doubtful

    def misheard(text: str) -> bool:
        return may_be_misheard(text, replies.reply(Heard(text=text), ask).meaning, replies.language)

    whole = is_answer if ask.type is not None or any(answer.words for answer in ask.answers) else None
    return Asked(
        question=question, digits=_digits(ask), is_answer=whole, takes_back=takes_back,
        closed=closed(replies.question(ask), replies.language), may_be_misheard=misheard,
    )  # fmt: skip


def _digits(ask: Ask) -> int:
    """How many spoken digits are a whole answer, where they are many."""
    if ask.type is not None:
        fewest = ask.type.least if ask.type.name is TypeName.DIGITS else None
        return fewest or 0
    digits = ask.max_digits if any(answer.any_digits for answer in ask.answers) else 0
    return digits if digits >= MANY_DIGITS else 0


class WayBack:
    """To the question that was answered last: where it stands, and what was noted before it was."""

    def __init__(self, noted: MutableMapping[str, Any]) -> None:
        self._noted = noted
        self._place: tuple[str, int] | None = None
        self._before: dict[str, Any] = {}
        self._returns: Counter[tuple[str, int]] = Counter()

    def may_return(self, step: str, place: int) -> bool:
        """Whether the script would go back to this question once more."""
        return self._returns[step, place] < MAX_RETURNS

    def answered(self, step: str, place: int) -> None:
        """The question at this place of a step's block was, perhaps."""
        self._place = step, place
        self._before.clear()

    def sets(self, name: str) -> None:
        """The script is about to note something under this name."""
        self._before.setdefault(name, copy(self._noted.get(name, _ABSENT)))

    def go(self) -> tuple[str, int] | None:
        """Where the script goes on; what it has noted since is forgotten. None: nothing was answered."""
        for name, value in self._before.items():
            if value is _ABSENT:
                self._noted.pop(name, None)
            else:
                self._noted[name] = value
        self._before.clear()
        if self._place is not None:
            self._returns[self._place] += 1
        return self._place
