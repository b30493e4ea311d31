"""What a model may talk about and do until its part is over. Not checked here: parse.py makes only sound ones."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from outdial.agents.script.template import Text
from outdial.agents.script.warm_texts import WarmTexts
from outdial.agents.tools.definition import OwnTools

MOST_TURNS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelName:
    """`name` as the vendor has it, or `vendor:name`. `base_url`: of an OpenAI-compatible server; None: the vendor's.
    `speaks`: it is one of speech, which talks on calls alone and is reached with a key of the workspace's."""

    name: str
    base_url: str | None = None
    speaks: bool = False
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something the model may note. `type`: string, integer, number or boolean; `choices`: what alone it can be."""

    name: str
    about: str
    type: str = "string"
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferTarget:
    """`say`: said before, word for word; `failed`: said when nobody takes it, before the conversation goes on. `warm`:
    somebody is asked first, and briefed by the model where the author has written no brief."""

    name: str
    to: Text
    about: str
    line: int
    say: Text | None = None
    failed: Text | None = None
    warm: WarmTexts | None = None

    @property
    def wants_brief(self) -> bool:
        """Whether the model says what who is asked is told."""
        return self.warm is not None and self.warm.brief is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of one conversation; None: no limit but the call's own. `dollars` counts where the model's price is known."""

    turns: int = MOST_TURNS
    seconds: float | None = None
    tokens: int | None = None
    dollars: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeTalk:
    """`variables`: the defaults of those that its texts name. `exits`: what each means by which the model ends its
    part, and the call goes on; None: its part is the whole call, which it ends by hanging up. `place`: what the names
    of its transfers begin with, so that a call that comes back finds its way here."""

    language: str  # BCP 47
    variables: Mapping[str, Any]
    models: tuple[ModelName, ...]  # the first one that answers
    instructions: tuple[Text, ...]  # a line each
    indents: tuple[str, ...]
    tools: frozenset[str] = frozenset()  # of tools.OPTIONAL
    own_tools: OwnTools = field(default_factory=OwnTools)
    transfers: tuple[TransferTarget, ...] = ()
    outcomes: Mapping[str, str] = field(default_factory=dict)  # what each means
    facts: tuple[Fact, ...] = ()
    limits: Limits = Limits()
    exits: Mapping[str, str] | None = None
    place: str = ""
    think_ahead: bool = False  # the model is asked before it is sure that the callee has finished
