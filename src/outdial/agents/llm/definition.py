"""What an llm agent is once parsed. Not checked here: parse.py makes only sound ones."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from outdial.agents.llm.free_talk import FreeTalk
from outdial.agents.script.model import DoNotCall, Machine, ScriptWarning
from outdial.agents.script.template import Text
from outdial.conversation.call_facts import HOLD_S
from outdial.conversation.opening import Greet
from outdial.speech.choice import NO_CHOICE, SpeechChoice
from outdial.speech.reading.reader import Reading

if TYPE_CHECKING:
    from outdial.agents.after.definition import After

@dataclass(frozen=True, slots=True, kw_only=True)
class LlmAgent(FreeTalk):
    """One free talk from the greeting to the end of the call."""

    name: str
    machine: Machine
    do_not_call: DoNotCall
    greeting: Text | None          # None: the model begins
    greeting_line: int = field(default=0, compare=False)
    pronounce: Mapping[str, str] = field(default_factory=dict)
    greet: Greet | None = None
    hold_s: float = HOLD_S
    speech: SpeechChoice = NO_CHOICE
    after: "After | None" = None
    warnings: tuple[ScriptWarning, ...] = field(default=(), compare=False)

    @property
    def reading(self) -> Reading:
        return Reading(language=self.language, pronunciations=tuple(self.pronounce.items()))
