"""Vonage's words and ours: statuses, details, numbers, dates.

Sources: developer.vonage.com/en/voice/voice-api/webhook-reference and concepts/advanced-machine-detection.
"""

import logging
import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from outdial.telephony import sip
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.price import Price
from outdial.telephony.state import CallState, EndReason, Progress
from outdial.telephony.verdict import AnsweredBy, Verdict

logger = logging.getLogger(__name__)

CURRENCY = "EUR"  # of every price, whatever the account's

STATUSES: dict[str, tuple[CallState, EndReason | None]] = {
    "started": (CallState.DIALING, None),
    "ringing": (CallState.RINGING, None),
    "answered": (CallState.IN_PROGRESS, None),
    "human": (CallState.IN_PROGRESS, None),  # a look-up shows detection's result in the place of "answered"
    "machine": (CallState.IN_PROGRESS, None),
    "completed": (CallState.ENDED, EndReason.COMPLETED),  # was answered, by whomever or whatever
    "busy": (CallState.ENDED, EndReason.BUSY),
    "timeout": (CallState.ENDED, EndReason.NO_ANSWER),     # our own ring time ran out
    "unanswered": (CallState.ENDED, EndReason.NO_ANSWER),  # the callee's network gave up
    "rejected": (CallState.ENDED, EndReason.FAILED),
    "failed": (CallState.ENDED, EndReason.FAILED),
    "cancelled": (CallState.ENDED, EndReason.CANCELED),
}
NO_STATES = frozenset({"disconnected", "transfer"})  # of a leg or a conversation, not of a call
NOBODY_CAME = frozenset({"busy", "timeout", "unanswered", "rejected", "failed", "cancelled"})

BY_CALLEE = {"user": True, "platform": False}  # whether the other party hung up, by `disconnected_by`

ANSWERED_BY = {"human": AnsweredBy.HUMAN, "machine": AnsweredBy.MACHINE}
MESSAGE_END = frozenset({"beep_start", "beep_timeout"})  # no beep came in time: the greeting has ended all the same
EVIDENCE = {
    "human": "a person",
    "machine": "a machine",
    "beep_start": "a machine's beep",
    "beep_timeout": "a machine without a beep",
}

DECLINED = "declined"
DETAILS: dict[str, tuple[FailureCode, str]] = {
    "invalid_number": (FailureCode.NUMBER_INVALID, "The number to call is not a valid phone number."),
    "restricted": (
        FailureCode.DESTINATION_NOT_ALLOWED,
        "Vonage does not let this account call this number: its country or kind is restricted.",
    ),
    "cannot_route": (FailureCode.NO_ROUTE, "Vonage has no route to this number."),
    "number_out_of_service": (FailureCode.NUMBER_NOT_IN_SERVICE, "This number does not exist or is not in service."),
    "internal_error": (FailureCode.CARRIER_ERROR, "Vonage had an internal error while it placed the call."),
    "unavailable": (
        FailureCode.UNREACHABLE,
        "The phone can't be reached right now: it may be switched off or without coverage.",
    ),
}

_DIGITS = re.compile(r"[1-9][0-9]{6,14}")


def progress(
    status: str,
    *,
    at: datetime,
    carrier_call: CarrierCall | None,
    final: bool,
    detail: str = "",
    sip_code: str = "",
    duration_s: float | None = None,
) -> Progress | None:
    """What a status means; None for one that is not about the call's progress, or that we don't know.

    `final` is whether Vonage otherwise shows that the call is over: then an unknown word ends it as failed,
    for a call that is never seen to end would hold its line forever.
    """
    if status in NO_STATES:
        return None
    known = STATUSES.get(status)
    if known is None:
        logger.warning("Vonage call status unknown", extra={"word": status[:40], "final": final})
        if not final:
            return None
        known = CallState.ENDED, EndReason.FAILED
    state, end_reason = known
    error = None
    if end_reason is EndReason.FAILED:
        end_reason, error = _end(detail, sip_code)
    return Progress(
        state=state,
        at=at,
        carrier_call=carrier_call,
        end_reason=end_reason,
        error=error,
        duration_s=duration_s if state is CallState.ENDED else None,
    )


def verdict(status: str, *, sub_state: str = "", at: datetime, carrier_call: CarrierCall) -> Verdict:
    """What detection says: `status` is human or machine, `sub_state` may add the end of the greeting."""
    return Verdict(
        answered_by=ANSWERED_BY[status],
        at=at,
        evidence=(f"vonage:{sub_state if sub_state in MESSAGE_END else status}",),
        message_end=status == "machine" and sub_state in MESSAGE_END,
        beeped=status == "machine" and sub_state == "beep_start",
        carrier_call=carrier_call,
    )


def to_vonage(number: str) -> str:
    """A number as Vonage wants it: E.164 without the plus sign."""
    return number.removeprefix("+")


def from_vonage(number: object) -> str:
    """A number as everybody else writes it. What isn't one (a SIP URI, "unknown") stays as it is."""
    text = number if isinstance(number, str) else ""
    return f"+{text}" if _DIGITS.fullmatch(text) else text


def instant(text: object) -> datetime | None:
    """A point in time as aware UTC: ISO 8601, or "2026-01-01 12:00:08" which is UTC, too. None if unreadable."""
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def seconds(value: object) -> float | None:
    """A duration: Vonage writes whole seconds in a string."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 12:
        return float(value)
    return None


def price(value: object) -> Price | None:
    """What a call cost, detection and recording not included."""
    if not isinstance(value, str) or not value.isascii():
        return None
    try:
        amount = Decimal(value)
    except InvalidOperation:
        return None
    return Price(amount=str(abs(amount)), currency=CURRENCY) if amount.is_finite() else None


def _end(detail: str, sip_code: str) -> tuple[EndReason, CallError | None]:
    """What is behind `rejected` and `failed`: Vonage's own detail, else the network's code."""
    if detail == DECLINED:
        return EndReason.DECLINED, None
    known = DETAILS.get(detail)
    if known is None:
        return sip.end(sip_code, "Vonage", detail)
    word, sentence = known
    return EndReason.FAILED, CallError(code=word, message=sentence, carrier_code=detail)
