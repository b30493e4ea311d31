"""The gate before every dial: dial now, not before an instant, or never, and by which rule. Pure.

Whoever asks brings the facts, read in the transaction that dials: `calls/enqueue.py` when a call is asked for, so that
a refusal is told at once, and `calls/claim.py` again before each dial. A new rule is a function of the facts in
`RULES`, its word in `Rule`, and its sentences here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from outdial.refusals import Conflict
from outdial.telephony.failures import CallError, FailureCode


class Rule(StrEnum):
    """What may forbid a dial. Its word is also the code of the refusal."""

    DO_NOT_CALL = "do_not_call"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the rules look at. `listed`: the number is on the workspace's do-not-call list."""

    listed: bool


@dataclass(frozen=True, slots=True)
class Dial:
    """No rule is against it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotBefore:
    """The call waits until `at` (aware UTC)."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Never:
    """The call is refused for good."""

    rule: Rule


Answer = Dial | NotBefore | Never
Gate = Callable[[Facts], Answer]


def on_the_list(facts: Facts) -> Answer:
    return Never(rule=Rule.DO_NOT_CALL) if facts.listed else Dial()


RULES: Sequence[Gate] = (on_the_list,)


def decide(facts: Facts, rules: Sequence[Gate] = RULES) -> Answer:
    """The strictest answer of all rules: never, else the latest instant, else dial."""
    latest: NotBefore | None = None
    for rule in rules:
        match rule(facts):
            case Never() as never:
                return never
            case NotBefore(at=at) as later if latest is None or at > latest.at:
                latest = later
    return latest or Dial()


ERRORS: Mapping[Rule, CallError] = {
    Rule.DO_NOT_CALL: CallError(
        code=FailureCode.DO_NOT_CALL,
        message="The number is on the workspace's do-not-call list, so it isn't dialled.",
    ),
}


def refusal(rule: Rule, number: str) -> Conflict:
    """Why a call to `number` isn't accepted, and what can be done about it."""
    match rule:
        case Rule.DO_NOT_CALL:
            return Conflict(
                rule,
                f"{number} is on this workspace's do-not-call list, so it isn't called (rule {rule}). A person can "
                f"take it off again: on the page Do not call, or with: outdial do-not-call remove {number}",
            )
