"""What an agent wants to be made of its calls once they have ended: the section `after` of its YAML, parsed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from outdial.agents.llm.free_talk import Fact, ModelName


@dataclass(frozen=True, slots=True, kw_only=True)
class After:
    """`models`: the first one that answers. `summary`: what is to be in it, "" for what mostly is; None: none is
    wanted. `outcomes`: words, and what each means."""

    models: "tuple[ModelName, ...]"
    language: str
    summary: str | None = None
    facts: "tuple[Fact, ...]" = ()
    outcomes: Mapping[str, str] = field(default_factory=dict)
