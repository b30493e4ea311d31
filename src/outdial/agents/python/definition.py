"""What a python agent is: what its decorator declares, and the coroutine itself where its code is at hand."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from outdial.agents.after.definition import After
from outdial.agents.script.model import DoNotCall, Machine, ScriptWarning
from outdial.agents.script.template import Text
from outdial.conversation.call_facts import HOLD_S
from outdial.conversation.opening import Greet
from outdial.speech.choice import NO_CHOICE, SpeechChoice
from outdial.speech.reading.reader import Reading

Talk = Callable[..., Coroutine[Any, Any, Any]]


class WrongVariable(ValueError):
    """What came with the call is not what the agent declares; the message names the variable, and no value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A python agent's code: `talk` is the coroutine function, `file` its path on this machine, and `arguments` makes
    what it is called with of a call's variables (raises WrongVariable)."""

    talk: Talk
    file: str
    arguments: Callable[[Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonAgent:
    """`file` and `line` are where it is written; `fingerprint` is of that file as it was, and `package` the installed
    one, with its version, that it is from. `types` are its variables' as written. `workspaces`: the ids of those that
    have it, None for all. `code` is None where only its description is at hand, as it is stored."""

    name: str
    language: str
    variables: Mapping[str, Any]
    machine: Machine
    do_not_call: DoNotCall
    file: str
    line: int
    fingerprint: str = ""
    package: str | None = None
    types: Mapping[str, str] = field(default_factory=dict)
    transfers: tuple[tuple[Text, int], ...] = ()  # the numbers that it may transfer to, and where they are written
    outcomes: tuple[str, ...] | None = None  # None: any word
    pronounce: Mapping[str, str] = field(default_factory=dict)
    greet: Greet | None = None
    hold_s: float = HOLD_S
    speech: SpeechChoice = NO_CHOICE
    warnings: tuple[ScriptWarning, ...] = field(default=(), compare=False)
    workspaces: frozenset[str] | None = None
    after: After | None = None
    code: Code | None = field(default=None, compare=False)
    source: str = field(default="", compare=False)  # its description

    @property
    def reading(self) -> Reading:
        return Reading(language=self.language, pronunciations=tuple(self.pronounce.items()))
