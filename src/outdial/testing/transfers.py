"""What an agent under test hears of a transfer that came to nothing while it had the callee."""

from outdial.conversation.verb_results import NOT_TAKEN, TransferFailed
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.transfer import TransferOutcome
from outdial.testing.callee import CARRIER_REFUSES

REFUSED = CallError(code=FailureCode.CARRIER_REFUSED, message="The carrier refused.")


def raise_unless_connected(outcome: TransferOutcome | str, *, asked_first: bool) -> None:
    """Raises TransferFailed where the carrier refuses it, and where who was asked first doesn't take the callee."""
    if outcome == CARRIER_REFUSES:
        raise TransferFailed(REFUSED)
    if asked_first and outcome != TransferOutcome.ANSWERED:
        raise TransferFailed(NOT_TAKEN, TransferOutcome(outcome))
