"""What becomes of a transfer: was the other party reached, in words that are the same for every carrier. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.failures import CallError


class TransferOutcome(StrEnum):
    ANSWERED = "answered"
    BUSY = "busy"
    NO_ANSWER = "no_answer"  # nobody answered in time, or the callee hung up while it rang
    DECLINED = "declined"    # where the carrier can tell it from busy
    VOICEMAIL = "voicemail"  # of a warm transfer: somebody, or a machine, picked up and never took it
    FAILED = "failed"        # error says why


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferResult:
    """Somebody (a carrier, or our own code) says how far a transfer has come.

    `outcome` is None while the other phone rings. `is_over`: the other party has left again, or was never reached;
    `duration_s`: how long they talked, where the carrier says it. `leg`: what the carrier calls the other party's
    call, `to` its number, `carrier_call` the call that was transferred, each where it is told.
    """

    at: datetime
    outcome: TransferOutcome | None = None
    is_over: bool = False
    duration_s: float | None = None
    error: CallError | None = None
    leg: str | None = None
    to: str | None = None
    carrier_call: CarrierCall | None = None

    @property
    def has_failed(self) -> bool:
        """Nobody was reached: the callee is on the line alone."""
        return self.outcome not in (None, TransferOutcome.ANSWERED)


def settled(known: TransferOutcome | None, told: TransferOutcome) -> TransferOutcome:
    """What a transfer has come to, now that `told` was said of it.

    The first word stays (carriers repeat theirs, in any order), but for three: whoever has answered has; "declined" is
    more exact than "busy" or "no answer"; and "failed" may be our own word for not having heard.
    """
    if known is None or known is TransferOutcome.FAILED or told is TransferOutcome.ANSWERED:
        return told
    if told is TransferOutcome.DECLINED and known is not TransferOutcome.ANSWERED:
        return told
    return known
