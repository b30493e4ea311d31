"""The gate before every dial: dial now, not before an instant, or never, and by which rule. Pure.

Whoever asks brings the facts, read in the transaction that dials: `calls/enqueue.py` when a call is asked for, so that
a refusal is told at once, and `calls/claim.py` again before each dial. A new rule is a function of the facts in
`RULES`, its word in `Rule`, and its sentences here.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from outdial.instants import start_of_day
from outdial.policy.destination_match import destination_for, in_words, is_allowed
from outdial.refusals import Conflict, Denied, LimitReached, Refusal
from outdial.telephony.failures import CallError, FailureCode


class Rule(StrEnum):
    """What may forbid a dial. Its word is also the code of the refusal."""

    DO_NOT_CALL = "do_not_call"
    DESTINATION = "destination_not_allowed"
    DAILY_LIMIT = "daily_limit"
    SPEND_LIMIT = "spend_limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the rules look at. `to` is to be called from `from_`, both E.164.

    `listed`: the number is on the workspace's do-not-call list. `destinations`: what the workspace may call.
    `day_used_up`: it has placed all calls of today; where the call is counted already, that is nothing against it.
    `money_used_up`: its agent talks with a model, and models have cost the workspace today what they may.
    """

    to: str
    from_: str
    listed: bool
    destinations: Collection[str]
    day_used_up: bool = False
    money_used_up: bool = False


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


def out_of_reach(facts: Facts) -> Answer:
    return Dial() if is_allowed(facts.to, facts.from_, facts.destinations) else Never(rule=Rule.DESTINATION)


def too_many_today(facts: Facts) -> Answer:
    return Never(rule=Rule.DAILY_LIMIT) if facts.day_used_up else Dial()


def too_much_spent(facts: Facts) -> Answer:
    return Never(rule=Rule.SPEND_LIMIT) if facts.money_used_up else Dial()


RULES: Sequence[Gate] = (on_the_list, out_of_reach, too_many_today, too_much_spent)


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


def next_day(now: datetime) -> datetime:
    """When calls are counted anew."""
    return start_of_day("UTC", now=now) + timedelta(days=1)


ERRORS: Mapping[Rule, CallError] = {
    Rule.DO_NOT_CALL: CallError(
        code=FailureCode.DO_NOT_CALL,
        message="The number is on the workspace's do-not-call list, so it isn't dialled.",
    ),
    Rule.DESTINATION: CallError(
        code=FailureCode.DESTINATION_NOT_ALLOWED,
        message="The number is not among the workspace's allowed destinations, so it isn't dialled.",
    ),
    Rule.DAILY_LIMIT: CallError(
        code=FailureCode.DAILY_LIMIT,
        message="The workspace has placed as many calls today as it may, so the number isn't dialled.",
    ),
    Rule.SPEND_LIMIT: CallError(
        code=FailureCode.SPEND_LIMIT,
        message="Models have cost the workspace today what they may, so the number isn't dialled.",
    ),
}


def refusal(rule: Rule, to: str, from_: str, now: datetime) -> Refusal:
    """Why a call from `from_` to `to` isn't accepted, and what can be done about it."""
    match rule:
        case Rule.DO_NOT_CALL:
            return Conflict(
                rule,
                f"{to} is on this workspace's do-not-call list, so it isn't called (rule {rule}). A person can "
                f"take it off again: on the page Do not call, or with: outdial do-not-call remove {to}",
            )
        case Rule.DESTINATION:
            place = destination_for(to, from_)
            return Denied(
                rule,
                f"{to} is not among this workspace's allowed destinations ({in_words(to, from_)}), so it isn't called "
                f"(rule {rule}). An operator can allow it, an API key can't: in the settings under Destinations, or "
                f"with: outdial destinations allow {place}",
            )
        case Rule.DAILY_LIMIT:
            return LimitReached(
                rule,
                f"This workspace has placed as many calls today as its daily limit allows (rule {rule}); the next day "
                "begins at midnight UTC. An operator can change the limit, an API key can't: in the settings under "
                "Destinations, or with: outdial workspaces change --daily-limit",
                max(1, math.ceil((next_day(now) - now).total_seconds())),
            )
        case Rule.SPEND_LIMIT:
            return LimitReached(
                rule,
                f"Models have cost this workspace today what its spend limit allows (rule {rule}), and the agent of "
                "this call needs one; the next day begins at midnight UTC. An operator can change the limit, an API "
                "key can't: in the settings under Plan and lines, or with: outdial workspaces change --spend-limit",
                max(1, math.ceil((next_day(now) - now).total_seconds())),
            )
