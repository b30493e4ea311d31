"""Twilio's words and ours: call statuses, detection results, SIP codes, dates.

Sources: twilio.com/docs/voice/api/call-resource and voice/answering-machine-detection;
for the SIP codes RFC 3261 section 21, RFC 8197 (607), RFC 8688 (608).
"""

import logging
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime

from outdial.calls.state import AnsweredBy, CallError, CallState, EndReason, Progress, Verdict

logger = logging.getLogger(__name__)

STATUSES: dict[str, tuple[CallState, EndReason | None]] = {
    "queued": (CallState.DIALING, None),  # waits in Twilio's own queue; ours is left behind
    "initiated": (CallState.DIALING, None),
    "ringing": (CallState.RINGING, None),
    "in-progress": (CallState.IN_PROGRESS, None),
    "completed": (CallState.ENDED, EndReason.COMPLETED),  # was answered, by whomever or whatever
    "busy": (CallState.ENDED, EndReason.BUSY),
    "no-answer": (CallState.ENDED, EndReason.NO_ANSWER),
    "failed": (CallState.ENDED, EndReason.FAILED),
    "canceled": (CallState.ENDED, EndReason.CANCELED),
}

ANSWERED_BY: dict[str, tuple[AnsweredBy, bool]] = {  # and: can a message be left now?
    "human": (AnsweredBy.HUMAN, False),
    "machine_start": (AnsweredBy.MACHINE, False),
    "machine_end_beep": (AnsweredBy.MACHINE, True),
    "machine_end_silence": (AnsweredBy.MACHINE, True),
    "machine_end_other": (AnsweredBy.MACHINE, True),
    "fax": (AnsweredBy.FAX, False),
    "unknown": (AnsweredBy.UNKNOWN, False),
}

SIP_DECLINED = "603"

SIP_FAILURES: dict[str, str] = {
    "403": "The telephone network refused the call.",
    "404": "This number does not exist or is not in service.",
    "408": "The callee's network did not answer in time.",
    "410": "This number is no longer in service.",
    "480": "The phone can't be reached right now: it may be switched off or without coverage.",
    "484": "The number is incomplete.",
    "486": "The line was busy.",
    "487": "The call was ended before it was answered.",
    "488": "The callee's network can't take this kind of call.",
    "500": "The callee's network had a fault.",
    "502": "The callee's network had a fault.",
    "503": "The callee's network is out of service or overloaded.",
    "504": "The callee's network did not answer in time.",
    "600": "The line was busy.",
    "603": "The callee declined the call.",
    "604": "This number does not exist.",
    "607": "The callee's network blocked the call as unwanted.",
    "608": "The callee's network blocked the call as likely spam.",
}


def progress(
    status: str,
    *,
    at: datetime,
    carrier_call_id: str,
    final: bool,
    sip_code: str = "",
    duration_s: float | None = None,
) -> Progress | None:
    """What a call status means; None for a word we don't know.

    `final` is whether Twilio otherwise shows that the call is over: then an unknown word ends it as failed,
    for a call that is never seen to end would hold its line forever.
    """
    known = STATUSES.get(status)
    if known is None:
        logger.warning("Unknown Twilio call status", extra={"word": status[:40], "final": final})
        if not final:
            return None
        known = CallState.ENDED, EndReason.FAILED
    state, end_reason = known
    # Twilio has no status for "declined": such calls are busy or no-answer, depending on the network. Where
    # the network's own code came through, it tells them apart.
    if end_reason in (EndReason.BUSY, EndReason.NO_ANSWER) and sip_code == SIP_DECLINED:
        end_reason = EndReason.DECLINED
    return Progress(
        state=state,
        at=at,
        carrier_call_id=carrier_call_id,
        end_reason=end_reason,
        error=_failure(sip_code) if end_reason is EndReason.FAILED else None,
        duration_s=duration_s if state is CallState.ENDED else None,
    )


def verdict(
    answered_by: str, *, at: datetime, carrier_call_id: str, detection_ms: int | None = None
) -> Verdict | None:
    """What a detection result means; None for a word we don't know."""
    known = ANSWERED_BY.get(answered_by)
    if known is None:
        logger.warning("Unknown Twilio detection result", extra={"word": answered_by[:40]})
        return None
    category, message_end = known
    return Verdict(
        answered_by=category,
        at=at,
        evidence=(f"twilio:{answered_by}",),
        detection_ms=detection_ms,
        message_end=message_end,
        carrier_call_id=carrier_call_id,
    )


def instant(text: object) -> datetime | None:
    """An RFC 2822 date ("Thu, 01 Jan 2026 12:00:00 +0000") as aware UTC; None when there is none to read."""
    if not isinstance(text, str) or not text:
        return None
    try:
        parsed = parsedate_to_datetime(text)
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def whole(text: object) -> int | None:
    """A number as Twilio writes it (decimal digits in a string); None when there is none to read."""
    if isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) <= 12:
        return int(text)
    return None


def price(text: object) -> str | None:
    """What a call cost. Twilio writes it as a negative amount ("-0.01400"): money leaving the account."""
    if not isinstance(text, str):
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    return str(abs(amount)) if amount.is_finite() else None


def _failure(sip_code: str) -> CallError:
    if whole(sip_code) is None:
        return CallError(code="failed", message="The call could not be connected; Twilio gave no reason.")
    sentence = SIP_FAILURES.get(
        sip_code, f"The call could not be connected; the telephone network answered with SIP code {sip_code}."
    )
    return CallError(code=f"sip_{sip_code}", message=sentence)
