"""Telnyx's words and ours: hangup causes, detection results, client state, dates.

Sources: developers.telnyx.com, docs/voice/programmable-voice/{receiving-webhooks, answering-machine-detection}.
"""

import logging
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from outdial.telephony import sip
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.price import Price
from outdial.telephony.state import CallState, EndedBy, EndReason, Progress
from outdial.telephony.verdict import AnsweredBy, Verdict

logger = logging.getLogger(__name__)

# Telnyx has no event for ringing.
EVENTS: dict[str, CallState] = {
    "call.initiated": CallState.DIALING,
    "call.answered": CallState.IN_PROGRESS,
    "call.hangup": CallState.ENDED,
}

# What a cause means by itself. Those left out depend on the SIP code, or on whether somebody had answered.
CAUSES: dict[str, EndReason] = {
    "user_busy": EndReason.BUSY,
    "timeout": EndReason.NO_ANSWER,    # our own ring time ran out
    "no_answer": EndReason.NO_ANSWER,
    "originator_cancel": EndReason.CANCELED,
    "time_limit": EndReason.COMPLETED,
}

# Whether the other party hung up, by `hangup_source`; of a call to us it is the "caller", which can't be told here.
BY_CALLEE = {"callee": True, "caller": False}

DETECTED: dict[str, AnsweredBy] = {
    "human": AnsweredBy.HUMAN,
    "human_residence": AnsweredBy.HUMAN,
    "human_business": AnsweredBy.HUMAN,
    "machine": AnsweredBy.MACHINE,
    "fax_detected": AnsweredBy.FAX,
    "silence": AnsweredBy.SILENCE,
    "not_sure": AnsweredBy.UNKNOWN,
}
# However the greeting's end shows (or no beep within the time Telnyx waits for one), a message can be left now.
GREETING_ENDED = frozenset({"ended", "beep_detected", "no_beep_detected", "not_sure"})
EVIDENCE = {
    "human": "a person",
    "human_residence": "a person at home",
    "human_business": "a person at work",
    "machine": "a machine",
    "fax_detected": "a fax machine",
    "silence": "silence",
    "not_sure": "nothing certain",
    "greeting_ended": "a machine, and the end of its greeting",
    "greeting_beep_detected": "a machine, and its beep",
    "greeting_no_beep_detected": "a machine without a beep",
    "greeting_not_sure": "a machine, and perhaps the end of its greeting",
}

FAILURES: dict[str, tuple[FailureCode, str]] = {
    "not_found": (FailureCode.NUMBER_NOT_IN_SERVICE, "This number does not exist or is not in service."),
}
REFUSED_BY_TELNYX = "403"  # its own code for why is not in the callback
REFUSED = CallError(
    code=FailureCode.CARRIER_REFUSED,
    message="Telnyx refused the call: the destination or the caller ID is not allowed, or a limit is reached.",
    carrier_code=f"sip_{REFUSED_BY_TELNYX}",
)


def progress(event_type: str, *, at: datetime, carrier_call: CarrierCall | None) -> Progress:
    """How far `call.initiated` and `call.answered` say that a call has come."""
    return Progress(state=EVENTS[event_type], at=at, carrier_call=carrier_call)


def hangup(
    cause: str, *, sip_code: str, at: datetime, carrier_call: CarrierCall | None, answered: bool | None = None
) -> Progress:
    """The end of a call. `answered`: whether somebody had picked up, when that is known."""
    reason, error = _end(cause, sip_code, answered)
    return Progress(
        state=CallState.ENDED,
        at=at,
        carrier_call=carrier_call,
        end_reason=reason,
        error=error,
        ended_by=EndedBy.LIMIT if cause == "time_limit" else None,
    )


def nobody_came(cause: str, *, sip_code: str) -> bool:
    """Whether a leg ended because nobody answered it, for whatever reason; not because it was given up."""
    reason, _ = _end(cause, sip_code, None)
    return reason not in (EndReason.COMPLETED, EndReason.CANCELED)


def _end(cause: str, sip_code: str, answered: bool | None) -> tuple[EndReason, CallError | None]:
    if cause == "call_rejected":  # by the callee (603), or by Telnyx itself
        if sip_code == REFUSED_BY_TELNYX:
            return EndReason.FAILED, REFUSED
        return sip.end(sip_code, "Telnyx", cause)
    if cause in FAILURES:
        word, sentence = FAILURES[cause]
        return EndReason.FAILED, CallError(code=word, message=sentence, carrier_code=cause)
    known = CAUSES.get(cause)
    if known is not None:
        return known, None
    if cause not in ("normal_clearing", "unspecified"):
        logger.warning("Telnyx hangup cause unknown", extra={"word": cause[:40]})
    if answered is None:  # an answered call ends with 200; one that came in has no code at all
        answered = sip_code == "200" or (cause == "normal_clearing" and not _is_refusal(sip_code))
    if answered:
        return EndReason.COMPLETED, None
    return sip.end(sip_code if _is_refusal(sip_code) else "", "Telnyx", cause)


def _is_refusal(sip_code: str) -> bool:
    return len(sip_code) == 3 and sip_code.isascii() and sip_code.isdecimal() and sip_code >= "300"


def detection(result: str, *, at: datetime, carrier_call: CarrierCall) -> Verdict | None:
    """What detection found, plain or premium; None for a word we don't know."""
    answered_by = DETECTED.get(result)
    if answered_by is None:
        logger.warning("Telnyx detection result unknown", extra={"word": result[:40]})
        return None
    return Verdict(answered_by=answered_by, at=at, evidence=(f"telnyx:{result}",), carrier_call=carrier_call)


def greeting_ended(result: str, *, at: datetime, carrier_call: CarrierCall) -> Verdict | None:
    """A machine's greeting is over; None for a word we don't know."""
    if result not in GREETING_ENDED:
        logger.warning("Telnyx greeting result unknown", extra={"word": result[:40]})
        return None
    return Verdict(
        answered_by=AnsweredBy.MACHINE,
        at=at,
        evidence=(f"telnyx:greeting_{result}",),
        message_end=True,
        beeped=result == "beep_detected",
        carrier_call=carrier_call,
    )


def client_state(text: str) -> str:
    """Text that Telnyx returns with every callback of a call."""
    return b64encode(text.encode()).decode()


def read_client_state(value: object) -> str:
    """The text of a client state; empty for what is none of ours."""
    if not isinstance(value, str):
        return ""
    try:
        return b64decode(value, validate=True).decode()
    except ValueError:
        return ""


def instant(text: object) -> datetime | None:
    """An ISO 8601 instant as aware UTC; None when there is none to read."""
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def price(amount: object, currency: object) -> Price | None:
    if not isinstance(amount, str) or not amount.isascii():
        return None
    try:
        cost = Decimal(amount)
    except InvalidOperation:
        return None
    word = currency if isinstance(currency, str) and len(currency) == 3 and currency.isascii() else "USD"
    return Price(amount=str(abs(cost)), currency=word) if cost.is_finite() else None
