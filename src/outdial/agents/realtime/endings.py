"""What a stretch of a realtime model's talk ends with: something is to be done that it doesn't do itself. Pure."""

from dataclasses import dataclass

from outdial.agents.llm.chat import ToolCall


@dataclass(frozen=True, slots=True)
class Wanted:
    """Somebody from outside has the word."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Tools that the model called; `said`: it spoke along with them, `interrupted`: the callee into that."""

    calls: tuple[ToolCall, ...]
    said: bool
    interrupted: bool


@dataclass(frozen=True, slots=True)
class Silence:
    """The callee says nothing."""


@dataclass(frozen=True, slots=True)
class Slow:
    """The callee has heard nothing for as long as it may."""


@dataclass(frozen=True, slots=True)
class NoMoreCalls:
    """The callee wants none."""


@dataclass(frozen=True, slots=True)
class AtLimit:
    limit: str


@dataclass(frozen=True, slots=True)
class Gone:
    """The model can't go on; `word` says why."""

    word: str


Ending = Wanted | Calls | Silence | Slow | NoMoreCalls | AtLimit | Gone
