"""What a script is once parsed: steps made of actions. Not checked here: parse.py makes only sound ones."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from outdial.agents.llm.free_talk import FreeTalk, ModelName
from outdial.agents.script.template import Text
from outdial.agents.script.warm_texts import WarmTexts
from outdial.conversation.call_facts import HOLD_S
from outdial.conversation.opening import Greet
from outdial.conversation.understanding.answer_type import AnswerType
from outdial.speech.choice import NO_CHOICE, SpeechChoice
from outdial.speech.reading.reader import Reading

if TYPE_CHECKING:
    from outdial.agents.after.definition import After


class ScriptError(ValueError):
    """The script can't be used; `reason` says why in words for its author, `line` (1-based) where."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason if line is None else f"line {line}: {reason}")
        self.reason = reason
        self.line = line


@dataclass(frozen=True, slots=True)
class ScriptWarning:
    """Something that is allowed and may still be a slip."""

    reason: str
    line: int


class MachineAction(StrEnum):
    HANG_UP = "hang_up"
    LEAVE_MESSAGE = "leave_message"
    CONTINUE = "continue"  # talk to it as if it were a person


class AtScreening(StrEnum):
    SAY = "say"  # the reason; without one, what a callee hears
    HANG_UP = "hang_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What to do when a machine answers, or a service that stands before the callee. Not run_script's business: a
    call's request may override the action and the message. `press`: of a menu's words the keys that are pressed."""

    action: MachineAction = MachineAction.HANG_UP
    message: str | None = None  # with {variables}; run.speakable() fills them in
    line: int = field(default=0, compare=False)  # of the message
    screening: AtScreening = AtScreening.SAY
    reason: str | None = None  # with {variables}, too
    reason_line: int = field(default=0, compare=False)
    press: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    text: Text
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetVariables:
    values: tuple[tuple[str, Any], ...]  # a Text is filled in when it is set
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SendDigits:
    digits: Text
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Goto:
    step: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    to: Text  # a number, or a single variable that holds one
    line: int
    failed: str | None = None  # the step at which the call goes on when nobody takes it
    warm: WarmTexts | None = None  # somebody is asked first


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUp:
    goodbye: Text | None
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One thing the callee may say or press, and what is done then."""

    name: str | None
    words: tuple[Text, ...]   # phrases; "yes", "no" and other KEYWORDS stand for everything people say for them
    digits: tuple[str, ...]
    any_words: bool
    any_digits: bool
    then: "Block"
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """For no reply, or none that is expected: say `reprompt` up to `retries` times, then do `then`."""

    retries: int
    reprompt: Text | None  # None: Outdial's own words
    then: "Block"
    line: int = field(default=0, compare=False)  # of the reprompt


class Patience(StrEnum):
    """With a callee who hasn't finished: "my number is", fewer digits than asked for."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class Understand(StrEnum):
    """How a reply is understood that is none of the answers, word for word."""

    WORDS = "words"  # by rules alone
    MODEL = "model"  # by a model, which chooses among the answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    question: Text
    answers: tuple[Answer, ...]
    no_reply: Retry
    no_match: Retry
    max_digits: int  # of the longest digits that are an answer here; 0 when none are
    wait_s: float
    save_as: str | None
    line: int
    pause_s: float = 0.5  # of silence after an answer of which the words don't say whether it is whole
    patience: Patience = Patience.NORMAL
    min_digits: int = 0  # of an answer of any digits
    type: AnswerType | None = None  # of a value that is an answer besides `answers`
    read_back: bool = False  # a value that was said is said to the callee, who may correct it
    understand: Understand = Understand.WORDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """A free conversation by a model. `exits`: what is done then, by the names of the free talk's. `opening`: said word
    for word, and answered by the callee; None: the model begins."""

    talk: FreeTalk
    exits: Mapping[str, "Block"]
    at_limit: "Block"
    model_failed: "Block | None"  # None: an apology, and the call ends as failed
    line: int
    opening: Text | None = None
    opening_line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class If:
    """`exists` or, when that is None, "the variable is one of `values`"."""

    variable: str
    exists: bool | None
    values: tuple[Any, ...]
    then: "Block"
    otherwise: "Block"
    line: int


Action = Say | SetVariables | SendDigits | Ask | Talk | If | Goto | Transfer | HangUp
Block = tuple[Action, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    name: str
    block: Block
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DoNotCall:
    """What is said to somebody who wants no more calls, before hanging up; `words` add to the usual ones."""

    say: Text
    words: tuple[Text, ...] = ()
    line: int = field(default=0, compare=False)  # of what is said; 0: Outdial's own words


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    name: str
    language: str  # BCP 47
    variables: Mapping[str, Any]  # defaults; None: declared, comes with the call
    machine: Machine
    do_not_call: DoNotCall
    anywhere: tuple[Answer, ...]
    start: str
    steps: Mapping[str, Step]
    pronounce: Mapping[str, str] = field(default_factory=dict)  # a word, and how it is said
    greet: Greet | None = None  # who speaks first; None: what its version was made with
    models: tuple[ModelName, ...] = ()  # of its questions; its talks have their own
    hold_s: float = HOLD_S      # of silence, for a callee who asked for a moment
    speech: SpeechChoice = NO_CHOICE
    after: "After | None" = None
    warnings: tuple[ScriptWarning, ...] = field(default=(), compare=False)

    @property
    def reading(self) -> Reading:
        return Reading(language=self.language, pronunciations=tuple(self.pronounce.items()))
