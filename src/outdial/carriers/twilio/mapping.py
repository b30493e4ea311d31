"""Twilio's words and ours: call statuses, detection results, dates.

Sources: twilio.com/docs/voice/api/call-resource and voice/answering-machine-detection.
"""

import logging
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime

from outdial.telephony import sip
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.price import Price
from outdial.telephony.state import CallState, EndReason, Progress, transfer_result
from outdial.telephony.transfer import TransferResult
from outdial.telephony.verdict import AnsweredBy, Verdict

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
EVIDENCE = {
    "human": "a person",
    "machine_start": "a machine",
    "machine_end_beep": "a machine, and its beep",
    "machine_end_silence": "a machine, and silence after its greeting",
    "machine_end_other": "a machine, and the end of its greeting",
    "fax": "a fax machine",
    "unknown": "nothing certain",
}


def progress(
    status: str,
    *,
    at: datetime,
    carrier_call: CarrierCall | None,
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
        logger.warning("Twilio call status unknown", extra={"word": status[:40], "final": final})
        if not final:
            return None
        known = CallState.ENDED, EndReason.FAILED
    state, end_reason = known
    # Twilio has no status for "declined": such calls are busy or no-answer, depending on the network. Where
    # the network's own code came through, it tells them apart.
    if end_reason in (EndReason.BUSY, EndReason.NO_ANSWER) and sip_code == sip.DECLINED:
        end_reason = EndReason.DECLINED
    error = None
    if end_reason is EndReason.FAILED:
        end_reason, error = sip.end(sip_code, "Twilio")
    return Progress(
        state=state,
        at=at,
        carrier_call=carrier_call,
        end_reason=end_reason,
        error=error,
        duration_s=duration_s if state is CallState.ENDED else None,
    )


def dialled(
    status: str, *, at: datetime, leg: CarrierCall | None, duration_s: float | None, of: CarrierCall
) -> TransferResult:
    """How a transfer ended, by its DialCallStatus. Twilio has "answered" for a leg that others go on with."""
    ended = progress(
        "completed" if status == "answered" else status, at=at, carrier_call=leg, final=True, duration_s=duration_s
    )
    assert ended is not None
    return transfer_result(ended, of=of)


def verdict(
    answered_by: str, *, at: datetime, carrier_call: CarrierCall, detection_ms: int | None = None
) -> Verdict | None:
    """What a detection result means; None for a word we don't know."""
    known = ANSWERED_BY.get(answered_by)
    if known is None:
        logger.warning("Twilio detection result unknown", extra={"word": answered_by[:40]})
        return None
    category, message_end = known
    return Verdict(
        answered_by=category,
        at=at,
        evidence=(f"twilio:{answered_by}",),
        detection_ms=detection_ms,
        message_end=message_end,
        beeped=answered_by == "machine_end_beep",
        carrier_call=carrier_call,
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


def price(text: object, currency: object) -> Price | None:
    """What a call cost. Twilio writes it as a negative amount ("-0.01400"): money leaving the account."""
    if not isinstance(text, str) or not isinstance(currency, str) or not currency:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    return Price(amount=str(abs(amount)), currency=currency) if amount.is_finite() else None
