"""An alert in words: what it found, and what to do next, where. Pure. No phone number and nothing said is in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from outdial.alerts.rule import SHAPES, Kind, Unit
from outdial.alerts.verdict import Because
from outdial.telephony.advice import AFTER_FAILURE
from outdial.telephony.failures import FailureCode

NAMES: Mapping[Kind, str] = {
    Kind.ANSWER_RATE: "Answer rate",
    Kind.FAILURE_SHARE: "Failed calls",
    Kind.REPLY_LATENCY: "Reply latency",
    Kind.DO_NOT_CALL_SHARE: "Do-not-call wishes, share",
    Kind.DO_NOT_CALL_COUNT: "Do-not-call wishes",
    Kind.NUMBER_HEALTH: "Number health",
    Kind.WEBHOOK_FAILING: "Webhook failing",
    Kind.SPEND_SHARE: "Spend limit",
    Kind.SPEND_DAY: "Spend of a day",
    Kind.CHARGES_DAY: "Charges of a day",
}
WATCHED: Mapping[Kind, str] = {
    Kind.ANSWER_RATE: "Of the outbound calls that ended, the share that was answered",
    Kind.FAILURE_SHARE: "Of the outbound calls that ended, the share that failed",
    Kind.REPLY_LATENCY: "How long 95 of 100 replies of agents took at most",
    Kind.DO_NOT_CALL_SHARE: "Of the answered calls, the share whose callee asked not to be called again",
    Kind.DO_NOT_CALL_COUNT: "How many callees asked not to be called again",
    Kind.NUMBER_HEALTH: "The last calls from a number all failed for a reason that comes again with every call",
    Kind.WEBHOOK_FAILING: "An endpoint accepts nothing, or was switched off",
    Kind.SPEND_SHARE: "What models have cost today, of the workspace's spend limit",
    Kind.SPEND_DAY: "What models have cost today",
    Kind.CHARGES_DAY: "What carriers have charged today, in any one currency",
}
CLEARED: Mapping[Because, str] = {
    Because.RECOVERED: "It is good again.",
    Because.TOO_FEW_CALLS: "There are too few calls now to tell.",
    Because.RULE_CHANGED: "Its rule was changed, switched off or removed.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What an alert has found: its row, without the states it was in since."""

    id: str
    workspace_id: str
    rule_id: str
    kind: Kind
    subject: str
    code: str | None
    figure: float
    threshold: float | None
    window_min: int | None
    calls: int | None
    details: Mapping[str, Any]
    raised_at: datetime


def shown(value: float, unit: Unit) -> str:
    """A figure with its unit."""
    match unit:
        case Unit.SHARE:
            return f"{value * 100:.1f}".removesuffix(".0") + " %"
        case Unit.MS:
            return f"{value:,.0f} ms"
        case Unit.MINUTES:
            return duration(round(value))
        case Unit.DOLLARS:
            return f"${value:,.2f}"
        case Unit.AMOUNT:
            return f"{value:,.2f}"
    return f"{value:,.0f}"


def duration(minutes: int) -> str:
    if minutes >= 60 and minutes % 60 == 0:
        hours = minutes // 60
        return "1 hour" if hours == 1 else f"{hours} hours"
    return f"{minutes} minutes"


def message(found: Found) -> str:
    """A sentence or two: figure, threshold, window."""
    figure, details = shown(found.figure, SHAPES[found.kind].unit), found.details
    limit = "" if found.threshold is None else shown(found.threshold, SHAPES[found.kind].unit)
    within = "" if found.window_min is None else f"in the last {duration(found.window_min).removeprefix('1 ')}"
    match found.kind:
        case Kind.ANSWER_RATE:
            return f"{figure} of {found.calls:,} calls {within} were answered; the rule's threshold is {limit}."
        case Kind.FAILURE_SHARE:
            what = "failed" if found.code is None else f"failed with {found.code}"
            return f"{figure} of {found.calls:,} calls {within} {what}; the threshold is {limit}.{_codes(found)}"
        case Kind.REPLY_LATENCY:
            took = f"95 of 100 replies {within} took up to {figure}, in {found.calls:,} calls"
            return f"{took}; the threshold is {limit}."
        case Kind.DO_NOT_CALL_SHARE:
            asked = f"{figure} of {found.calls:,} callees who answered {within} asked not to be called again"
            return f"{asked}; the threshold is {limit}."
        case Kind.DO_NOT_CALL_COUNT:
            return f"{figure} callees {within} asked not to be called again; the threshold is {limit}."
        case Kind.NUMBER_HEALTH:
            name = details.get("name") or found.subject
            last = "The last call" if found.calls == 1 else f"The last {found.calls} calls"
            return f"{last} from the number {name} failed with {found.code}, which comes again with every call."
        case Kind.WEBHOOK_FAILING:
            return _of_webhook(found, figure)
        case Kind.SPEND_SHARE:
            used = f"Models have used {figure} of today's spend limit (${details['dollars']:,.2f})"
            return f"{used}; the threshold is {limit}."
        case Kind.SPEND_DAY:
            return f"Models have cost {figure} today (UTC); the threshold is {limit}."
        case Kind.CHARGES_DAY:
            charged = f"Carriers have charged {figure} {found.subject} today (UTC)"
            return f"{charged}; the threshold is {limit}."


def advice(found: Found) -> str:
    """What to do next."""
    match found.kind:
        case Kind.ANSWER_RATE:
            return "Look at who answers, at which hours: the numbers may be labelled as spam, or the list may be old."
        case Kind.FAILURE_SHARE | Kind.NUMBER_HEALTH:
            return _of_code(found.code or next(iter(found.details.get("codes", {})), None))
        case Kind.REPLY_LATENCY:
            return "Look at a slow call's turns: they say whether recognition, the model or a tool took so long."
        case Kind.DO_NOT_CALL_SHARE | Kind.DO_NOT_CALL_COUNT:
            return "Listen to some of these calls before more are placed: look at the list and the first words."
        case Kind.WEBHOOK_FAILING:
            if found.code is not None:
                return "Mend the receiver, then resume the endpoint; what waited for three days at most is sent then."
            return "Look at what the receiver answers, in the endpoint's log."
        case Kind.SPEND_SHARE | Kind.SPEND_DAY:
            return "Look at which agents' calls cost so much; at the limit no call of an agent with a model is dialled."
        case Kind.CHARGES_DAY:
            return "Look at where the calls go and how long they take: each has its price. Pausing stops new ones."


def path(found: Found) -> str:
    """Where to look, on this server."""
    match found.kind:
        case Kind.FAILURE_SHARE:
            return "/calls?end_reason=failed"
        case Kind.REPLY_LATENCY | Kind.ANSWER_RATE | Kind.CHARGES_DAY:
            return "/"
        case Kind.DO_NOT_CALL_SHARE | Kind.DO_NOT_CALL_COUNT:
            return "/do-not-call?source=callee"
        case Kind.NUMBER_HEALTH:
            return "/phone-numbers"
        case Kind.WEBHOOK_FAILING:
            return f"/settings/webhooks/{found.subject}"
        case Kind.SPEND_SHARE | Kind.SPEND_DAY:
            return "/settings"


def _codes(found: Found) -> str:
    codes = found.details.get("codes") or {}
    if found.code is not None or not codes:
        return ""
    return f" Most often: {', '.join(f'{code} ({many:,})' for code, many in codes.items())}."


def _of_webhook(found: Found, figure: str) -> str:
    host = found.details.get("host", found.subject)
    if found.code == "gone":
        return f"The webhook endpoint at {host} has answered that it is gone, and was switched off."
    if found.code is not None:
        return f"The webhook endpoint at {host} has accepted nothing for days, and was switched off."
    return f"The webhook endpoint at {host} has accepted nothing for {figure}."


def _of_code(code: str | None) -> str:
    if code is None or code not in list(FailureCode):
        return "Look at some of these calls, and at what the carrier told."
    return AFTER_FAILURE[FailureCode(code)]
