"""What words say about whose turn it is: that more is to come, that somebody only listens, that we are to wait. Pure.

`TurnWords` is what the conversation asks of a language; `understanding/turn_phrases.py` answers from its file.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from outdial.conversation.keypad import USUAL, Keying
from outdial.telephony.verdict import AnsweredBy


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """The answers of a closed question, in its language: of each the phrases that give it, the plainest first.
    `yes_or_no`: two of them are these."""

    language: str
    answers: tuple[tuple[str, ...], ...]
    yes_or_no: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the callee is to answer, as far as whose turn it is depends on it.

    `digits`: so many make the answer whole, spoken ones too; 0 when none are asked for.
    `is_answer`: whether words are one of the answers that are expected; None where any words are one.
    `takes_back`: whoever asks goes back to this question when the callee turns out not to have finished.
    `closed`: all its answers, where they are known, and `may_be_misheard`, of words that are none of them, whether they
    may be one all the same.
    `guessed`: told what the whole answer is should the callee say no more, while that is still waited for, and None
    when they go on.
    `gives_way`: whether whoever listens has something to say by now. Then it listens no further, unless the callee is
    speaking, and hears silence.
    `keying`: what ends an entry of keys.
    """

    question: str = ""
    digits: int = 0
    is_answer: Callable[[str], bool] | None = None
    takes_back: bool = False
    closed: Closed | None = None
    may_be_misheard: Callable[[str], bool] = lambda text: False
    guessed: Callable[[str | None], object] | None = None
    gives_way: Callable[[], bool] | None = None
    keying: Keying = USUAL

    def is_answered_by(self, text: str) -> bool:
        """Whether it is known to be an answer: also "let me see, maybe on Friday"."""
        return self.is_answer is not None and self.is_answer(text)


NOTHING = Asked()  # nothing is known of it


class TurnWords(Protocol):
    """One language's words, as a recogniser writes them: any case, with or without punctuation."""

    of_course: str     # said to who asks us to wait, and …
    still_there: str   # … when they have been away for long
    one_moment: str    # said while the agent takes its time
    sorry: str         # said when the callee's words were lost

    def is_open_ending(self, text: str, asked: Asked) -> bool:
        """Whether who said this is bound to go on: "my number is", "on, um", fewer digits than were asked for."""
        ...

    def is_backchannel(self, text: str) -> bool:
        """Whether this only tells a speaker to go on: "mhm", "okay", "hello, this is she"."""
        ...

    def wants_floor(self, text: str) -> bool:
        """Whether this is said to whoever is speaking, however short it is: "no", "wait", "sorry?", "who is this?"."""
        ...

    def is_hold_on(self, text: str) -> bool:
        """Whether we are asked to wait: "okay, hang on, I'm getting a pen"."""
        ...

    def is_back(self, text: str) -> bool:
        """Whether this tells no more than that who asked us to wait is there again: "okay, go ahead"."""
        ...

    def is_hello(self, text: str) -> bool:
        """Whether whoever picked up says no more than that it is there: "Hello?", "Jane speaking."."""
        ...

    def answering(self, text: str, *, has_greeted: bool = False) -> AnsweredBy | None:
        """Who answered, as far as words alone settle that: a voicemail (MACHINE), a screening service, a menu.
        `has_greeted`: whoever says this had said hello before and listened to us."""
        ...

    def sounds_recorded(self, text: str) -> bool:
        """Whether any of it is what recordings say; fewer words than `answering` needs."""
        ...

    def is_gate(self, text: str) -> bool:
        """Whether this is of a screening service's or a menu's work, or of an announcement, and of nobody's who says
        who they are or speaks to us as people do."""
        ...

    def asks_name(self, text: str) -> bool:
        """Whether we are asked who we are: "please say your name"."""
        ...

    def is_surely_screening(self, text: str) -> bool:
        """Whether a screening service says so itself, as nobody does who only asks who is calling, and why."""
        ...

    def said(self, text: str, phrases: Sequence[str]) -> int | None:
        """Which of these is said in it: the longest; None for none."""
        ...

    def digits(self, text: str) -> str:
        """The digits that were spoken, in their order; "" when none were."""
        ...

    def unread_between_digits(self, text: str) -> int:
        """How many words stand between its digits that are none, and nothing else that is understood there: digits that
        were misheard, perhaps. 0 where it doesn't end with a digit."""
        ...
