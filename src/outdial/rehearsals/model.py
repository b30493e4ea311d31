"""What rehearsals are once they are read. See parse.py."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from outdial.testing.callee import CalleeLine
from outdial.testing.written_brain import Answer
from outdial.testing.written_model import Part

TELEVISION = "television"  # somebody talks behind the callee, without a pause
NOISES = (TELEVISION,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """One thing that a call is to come to; `value` None: that there is none. `line`: where it is written."""

    value: Any
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a call is to come to; None, or nothing, for what doesn't matter. `noted` is what the agent wrote down,
    `variables` that and what was sent, by name."""

    outcome: Expected | None = None
    ended_by: Expected | None = None
    path: Expected | None = None  # a tuple of steps
    noted: Mapping[str, Expected] = field(default_factory=dict)
    variables: Mapping[str, Expected] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """One call. `callee` has with each line where it is written; `model` is what the model of an llm agent answers,
    `brain` what the program answers that leads a relay or voiceflow agent, `tools` what its tools do
    (testing/written_brain.py, written_tools.py).
    `noise`, with audio: so many dB below the callee's voice, or one of NOISES; None for a quiet line."""

    name: str
    line: int
    variables: Mapping[str, Any] = field(default_factory=dict)
    callee: tuple[tuple[CalleeLine, int], ...] = ()
    model: tuple[tuple[Part, ...], ...] = ()
    brain: tuple[Answer, ...] = ()
    tools: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    expect: Expectation = Expectation()
    noise: float | str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsals:
    """`script`: where the script is, as a path from the rehearsals' own folder; None where that is said elsewhere."""

    script: str | None
    script_line: int | None
    rehearsals: tuple[Rehearsal, ...]
