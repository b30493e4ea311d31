"""What a callee does in one conversation, over which line, and what ought to come of it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from outdial.conversation.opening import Greet
from outdial.testing.line_audio import Line


@dataclass(frozen=True, slots=True)
class AfterTurn:
    """Waits until the agent has spoken, `heard_ms` in all, and was silent for so long."""

    silence_ms: int = 600
    heard_ms: int = 0


@dataclass(frozen=True, slots=True)
class OnSpeech:
    """Waits until the agent begins to speak."""


@dataclass(frozen=True, slots=True)
class Waits:
    ms: int


@dataclass(frozen=True, slots=True)
class Says:
    """Words, and silences in ms between them."""

    parts: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Presses:
    keys: str


@dataclass(frozen=True, slots=True)
class HangsUp:
    pass


Step = AfterTurn | OnSpeech | Waits | Says | Presses | HangsUp


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`kind` says who judges it, `row` where it is counted; `expected` is what the script should have noted in `value`
    (None: nothing)."""

    kind: str
    row: str
    script: str
    steps: tuple[Step, ...]
    voice: str
    greet: Greet = Greet.AT_ONCE  # whoever answers is spoken to before it has said a word
    line: Line = field(default_factory=Line)
    expected: str | None = None
    seed: int = 1
    variables: Mapping[str, str] = field(default_factory=dict)
    at_most_s: float = 60.0

    @property
    def texts(self) -> set[tuple[str, str]]:
        """What has to be spoken for it: voice and text."""
        said = {
            (self.voice, part)
            for step in self.steps
            if isinstance(step, Says)
            for part in step.parts
            if isinstance(part, str)
        }
        return said | ({(behind_voice(self.voice), self.line.behind)} if self.line.behind else set())


def behind_voice(voice: str) -> str:
    """Who talks behind a callee: somebody else, with a voice that every machine has."""
    return "hibari-small" if voice == "hibari-man" else "hibari-man"
