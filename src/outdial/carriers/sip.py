"""Why a call failed, by the telephone network's own code: what every carrier passes on.

Sources: RFC 3261 section 21, RFC 8197 (607), RFC 8688 (608).
"""

from outdial.calls.state import CallError

DECLINED = "603"

SENTENCES: dict[str, str] = {
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


def failure(code: str, carrier: str) -> CallError:
    """The error of a call that failed with this SIP code; `carrier` is to blame when there is none to read."""
    if not (code.isascii() and code.isdecimal() and len(code) <= 12):
        return CallError(code="failed", message=f"The call could not be connected; {carrier} gave no reason.")
    sentence = SENTENCES.get(
        code, f"The call could not be connected; the telephone network answered with SIP code {code}."
    )
    return CallError(code=f"sip_{code}", message=sentence)
