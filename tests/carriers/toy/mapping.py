"""The toy's words and ours: statuses, why a call is over, who answered."""

import logging
from datetime import UTC, datetime

from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.state import CallState, EndReason, Progress
from outdial.telephony.verdict import AnsweredBy, Verdict

logger = logging.getLogger(__name__)

STATUSES: dict[str, tuple[CallState, EndReason | None]] = {
    "asked": (CallState.DIALING, None),
    "rings": (CallState.RINGING, None),
    "talks": (CallState.IN_PROGRESS, None),
    "done": (CallState.ENDED, EndReason.COMPLETED),
    "busy": (CallState.ENDED, EndReason.BUSY),
    "unheard": (CallState.ENDED, EndReason.NO_ANSWER),
    "dropped": (CallState.ENDED, EndReason.CANCELED),
    "broken": (CallState.ENDED, EndReason.FAILED),
}
ANSWERED_BY = {"somebody": AnsweredBy.HUMAN, "something": AnsweredBy.MACHINE}
EVIDENCE = {"somebody": "a person", "something": "a machine"}

BROKEN = CallError(code=FailureCode.NOT_CONNECTED, message="The call was not connected.", carrier_code="broken")


def progress(status: str, *, at: datetime, carrier_call: CarrierCall | None) -> Progress | None:
    """None for a word we don't know."""
    known = STATUSES.get(status)
    if known is None:
        logger.warning("Unknown toy call status", extra={"word": status[:40]})
        return None
    state, reason = known
    error = BROKEN if reason is EndReason.FAILED else None
    return Progress(state=state, at=at, carrier_call=carrier_call, end_reason=reason, error=error)


def verdict(word: str, *, at: datetime, carrier_call: CarrierCall) -> Verdict | None:
    known = ANSWERED_BY.get(word)
    if known is None:
        logger.warning("Unknown toy detection result", extra={"word": word[:40]})
        return None
    return Verdict(answered_by=known, at=at, evidence=(f"toy:{word}",), carrier_call=carrier_call)


def instant(text: object) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return None
