"""What was asked, and what a reply to it means. Values only."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from outdial.conversation.understanding.answer_type import AnswerType, Value

CLEAR, FAIR, DOUBTFUL = 1.0, 0.7, 0.3  # margins
CONFIRM_BELOW = 0.5


class Kind(StrEnum):
    YES = "yes"
    NO = "no"
    OPTION = "option"              # one of the answers the author wrote
    VALUE = "value"                # of the type that was asked for
    WAIT = "wait"                  # "hold on"
    REPEAT = "repeat"              # "what was that?", "you're breaking up"
    QUESTION = "question"          # something is asked of us
    GREETING = "greeting"          # nothing but "hello?"
    DO_NOT_CALL = "do_not_call"
    DECEASED = "deceased"          # who was to be reached has died
    WRONG_NUMBER = "wrong_number"
    NOT_HERE = "not_here"          # somebody else answered
    RECORDING = "recording"        # a voicemail or a screening service speaks
    UNCLEAR = "unclear"


SOMEBODY_ELSE = frozenset({Kind.DECEASED, Kind.WRONG_NUMBER, Kind.NOT_HERE})
# Words of an answer that stand for everything people say for them.
KEYWORDS = SOMEBODY_ELSE | {Kind.YES, Kind.NO}


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One answer: phrases as text (KEYWORDS stand for all their forms), and digits; with `any_digits` so many of
    them, None: any number."""

    words: Sequence[str] = ()
    digits: Sequence[str] = ()
    any_words: bool = False
    any_digits: bool = False
    least_digits: int | None = None
    most_digits: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """`today`: of the callee, for "next Friday". `country`: of the callee, as in "US", for phone numbers."""

    text: str = ""
    options: Sequence[Option] = ()
    type: AnswerType | None = None
    do_not_call: Sequence[str] = ()  # phrases besides the language's
    today: date = field(default_factory=date.today)
    country: str = "US"


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """`option` is the place of the answer that was given, `words` what it rests on, as they were understood.
    `margin`: 1 when nothing else can be meant; below CONFIRM_BELOW it is better to ask once more."""

    kind: Kind
    option: int | None = None
    value: Value | None = None
    margin: float = CLEAR
    words: str = ""

    @property
    def is_doubtful(self) -> bool:
        return self.margin < CONFIRM_BELOW
