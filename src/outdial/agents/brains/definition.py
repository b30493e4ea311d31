"""What an agent has whose brain is elsewhere. Not checked here: the parsers make only sound ones."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from outdial.agents.llm.free_talk import Limits, TransferTarget
from outdial.agents.script.model import DoNotCall, Machine, ScriptWarning
from outdial.agents.script.template import Text
from outdial.conversation.call_facts import HOLD_S
from outdial.conversation.opening import Greet
from outdial.speech.choice import NO_CHOICE, SpeechChoice
from outdial.speech.reading.reader import Reading

if TYPE_CHECKING:
    from outdial.agents.after.definition import After

ANSWER_S = 15.0
NO_REPLY_S = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What is sent to a brain by names of its author's: texts with variables; `values` are as they are written."""

    texts: Mapping[str, Text] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrainAgent:
    """`greeting`: said word for word while the brain is connected; None: the brain begins. `answer_s`: what it may take
    for an answer; `no_reply_s`: what the callee may. `outcomes`: the words for what can come of a call, and what each
    means; none: any word. `transfers`: to whom the brain may have the callee connected, by name."""

    name: str
    language: str  # BCP 47
    variables: Mapping[str, Any]
    machine: Machine
    do_not_call: DoNotCall
    greeting: Text | None = None
    greeting_line: int = field(default=0, compare=False)
    outcomes: Mapping[str, str] = field(default_factory=dict)
    transfers: tuple[TransferTarget, ...] = ()
    limits: Limits = field(default_factory=Limits)
    answer_s: float = ANSWER_S
    no_reply_s: float = NO_REPLY_S
    pronounce: Mapping[str, str] = field(default_factory=dict)
    greet: Greet | None = None
    hold_s: float = HOLD_S
    speech: SpeechChoice = NO_CHOICE
    after: "After | None" = None
    warnings: tuple[ScriptWarning, ...] = field(default=(), compare=False)

    @property
    def reached(self) -> tuple[str, int]:
        """Where the brain is, as a URL of http or https without what secrets fill in, and where that is written."""
        raise NotImplementedError

    @property
    def reading(self) -> Reading:
        return Reading(language=self.language, pronunciations=tuple(self.pronounce.items()))
