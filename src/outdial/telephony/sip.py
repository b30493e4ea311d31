"""Why a call failed, by the telephone network's own code: what every carrier passes on.

Sources: RFC 3261 section 21, RFC 8197 (607), RFC 8688 (608).
"""

import re

from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.state import EndReason

DECLINED = "603"

# What is no failure, even where a carrier calls it one.
OUTCOMES: dict[str, EndReason] = {
    "486": EndReason.BUSY,
    "600": EndReason.BUSY,
    DECLINED: EndReason.DECLINED,
}

FAILURES: dict[str, tuple[FailureCode, str]] = {
    "403": (FailureCode.REFUSED_BY_NETWORK, "The telephone network refused the call."),
    "404": (FailureCode.NUMBER_NOT_IN_SERVICE, "This number does not exist or is not in service."),
    "408": (FailureCode.NETWORK_TIMEOUT, "The callee's network did not answer in time."),
    "410": (FailureCode.NUMBER_NOT_IN_SERVICE, "This number is no longer in service."),
    "480": (
        FailureCode.UNREACHABLE,
        "The phone can't be reached right now: it may be switched off or without coverage.",
    ),
    "484": (FailureCode.NUMBER_INVALID, "The number is incomplete."),
    "487": (FailureCode.NOT_CONNECTED, "The call was ended before it was answered."),
    "488": (FailureCode.REFUSED_BY_NETWORK, "The callee's network can't take this kind of call."),
    "500": (FailureCode.NETWORK_ERROR, "The callee's network had a fault."),
    "502": (FailureCode.NETWORK_ERROR, "The callee's network had a fault."),
    "503": (FailureCode.NETWORK_ERROR, "The callee's network is out of service or overloaded."),
    "504": (FailureCode.NETWORK_TIMEOUT, "The callee's network did not answer in time."),
    "604": (FailureCode.NUMBER_NOT_IN_SERVICE, "This number does not exist."),
    "607": (FailureCode.BLOCKED, "The callee's network blocked the call as unwanted."),
    "608": (FailureCode.BLOCKED, "The callee's network blocked the call as likely spam."),
}

_WORD = re.compile(r"[a-z0-9_-]{1,40}")


def end(code: str, carrier: str, said: str = "") -> tuple[EndReason, CallError | None]:
    """What a call that was never answered came to, by its SIP code.

    `carrier` is to blame when there is none to read; `said` is its own word then.
    """
    outcome = OUTCOMES.get(code)
    return (outcome, None) if outcome else (EndReason.FAILED, failure(code, carrier, said))


def failure(code: str, carrier: str, said: str = "") -> CallError:
    if not (code.isascii() and code.isdecimal() and len(code) <= 12):
        return CallError(
            code=FailureCode.NOT_CONNECTED,
            message=f"The call could not be connected; {carrier} gave no reason.",
            carrier_code=said if _WORD.fullmatch(said) else None,
        )
    unknown = f"The call could not be connected; the telephone network answered with SIP code {code}."
    word, sentence = FAILURES.get(code, (FailureCode.NOT_CONNECTED, unknown))
    return CallError(code=word, message=sentence, carrier_code=f"sip_{code}")
