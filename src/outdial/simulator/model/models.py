"""A simulated model as data: what it says and calls, when. Rules are tried in order, and the first that fits answers.

Texts are templates: `{name}` is a group of that name in what the rule matched, a variable of the model, `heard` (what
the user said last), `result` (of the tool that was called last; `{result.slots.0}` where it is JSON), or the name of a
tool that was called. `{name|words}` says the words where nothing is known; without them the rule doesn't fit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PREFIX = "simulated-"  # of every model's name: nobody shall take one of these for another


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """What must be so for a rule; "" is no condition. All are regular expressions whatever the case of letters, and
    templates: `{name}` in one is what is known by it, literally; also a group of those before it, and `user` is last.

    `user` is searched in what the user said last, and fits only where nothing came after it; `tool` is the whole name
    of a tool whose result came last, and `result` is searched in it. `system` is searched in the instructions, `said`
    in what the model said last, `asked` in the last of that with a question mark. `called`, `not_called` and `declared`
    are whole names of tools: called so far, or there to be called.
    """

    user: str = ""
    system: str = ""
    said: str = ""
    asked: str = ""
    tool: str = ""
    result: str = ""
    called: str = ""
    not_called: str = ""
    declared: str = ""
    turns: tuple[int, int] | None = None  # from, to: how many times the user has spoken

    @property
    def patterns(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in PATTERNS if getattr(self, name)}


PATTERNS = ("user", "system", "said", "asked", "tool", "result", "called", "not_called", "declared")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """`tool` is the name of one that is declared in the request, or an expression for it: "hang_up|end_call".

    Where there is none, or none that takes any of its arguments, an `optional` call is left out; else the rule doesn't
    fit.

    Strings among the arguments are templates; one that is nothing but `{name}` takes the value as it is. A list where
    the tool wants one value is a choice: the first that the tool's schema allows. What is required and missing is made
    up.
    """

    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`say` comes before what is called.

    `data` is the answer where JSON is wanted, and the rule fits only there; other rules' JSON is made up of the schema.
    `finish` is the reason told instead of the true one; `reasoning` is thought before anything is said.
    """

    name: str = ""
    when: When = field(default_factory=When)
    say: str = ""
    calls: tuple[Call, ...] = ()
    data: Any = None
    reasoning: str = ""
    refusal: str = ""
    finish: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """Found by the first group of `pattern`: in the instructions, or in what the user said, last words first."""

    pattern: str
    source: str = "system"  # or "user"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedModel:
    """`first_token_s` passes before the first token and `token_s` before each of the others, at every answer alike."""

    name: str
    rules: tuple[Rule, ...]
    variables: Mapping[str, Variable] = field(default_factory=dict)
    first_token_s: float = 0.0
    token_s: float = 0.0
    context_tokens: int = 128_000

    def __post_init__(self) -> None:
        if not self.name.startswith(PREFIX):
            raise ValueError(f"a simulated model's name begins with {PREFIX}")
