"""Whether a figure is an alert: raised, kept or cleared. Pure.

An alert isn't cleared by the first figure on the good side of its threshold: it takes a tenth more, so that a figure
that goes to and fro around it is one alert. With too few calls nothing is raised; what is raised stays until there are
fewer than half as many as it takes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from outdial.alerts.rule import Kind, Rule

BACK = 0.1  # of the threshold: so much better it has to be to be good again


class Verdict(StrEnum):
    QUIET = "quiet"
    RAISED = "raised"
    KEPT = "kept"
    CLEARED = "cleared"


class Because(StrEnum):
    """Why an alert was cleared."""

    RECOVERED = "recovered"          # the figure is good again, or what it was of is gone
    TOO_FEW_CALLS = "too_few_calls"  # nobody can say any more
    RULE_CHANGED = "rule_changed"    # switched off, removed, or about something else now


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """`value` in the unit of the rule's kind; `calls`: so many it is of, None where calls don't matter. `subject`: the
    id of the number or endpoint it is of, or the currency; `code`: the failure it is of. `details` are for people, and
    name nobody."""

    value: float
    subject: str = ""
    calls: int | None = None
    code: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    verdict: Verdict
    because: Because | None = None


QUIET, RAISED, KEPT = (Judged(verdict=each) for each in (Verdict.QUIET, Verdict.RAISED, Verdict.KEPT))
RECOVERED, TOO_FEW, CHANGED = (Judged(verdict=Verdict.CLEARED, because=each) for each in Because)


def judge(rule: Rule | None, figure: Figure | None, *, is_raised: bool, code: str | None = None) -> Judged:
    """Of one condition. `rule` None: there is none any more; `figure` None: nothing is wrong, or nothing is known, for
    there were no calls. `code`: what the alert that is raised is of."""
    if rule is None or not rule.setting.enabled:
        return CHANGED if is_raised else QUIET
    if is_raised and rule.kind is Kind.FAILURE_SHARE and code != rule.setting.code:
        return CHANGED
    if figure is None:
        if not is_raised:
            return QUIET
        return TOO_FEW if rule.shape.most is not None and rule.setting.least_calls is not None else RECOVERED
    least = rule.setting.least_calls or 0
    if figure.calls is not None and figure.calls < (least / 2 if is_raised else least):
        return TOO_FEW if is_raised else QUIET
    if not is_raised:
        return RAISED if _is_bad(rule, figure.value) else QUIET
    return RECOVERED if _is_good_again(rule, figure.value) else KEPT


def _is_bad(rule: Rule, value: float) -> bool:
    threshold = rule.setting.threshold
    if threshold is None:
        return True  # that there is a figure is what is bad
    return value <= threshold if rule.shape.is_below else value >= threshold


def _is_good_again(rule: Rule, value: float) -> bool:
    threshold = rule.setting.threshold
    if threshold is None:
        return False
    if rule.shape.is_below:
        return value > threshold + min(threshold * BACK, (1 - threshold) / 2)
    return value < threshold * (1 - BACK)
