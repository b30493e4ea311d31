"""What to do next about a call that came to nothing: for each failure code, and for each way a call can end.

One table for the dashboard, the API reference, docs/carriers.md and the command line. Pure.
"""

from collections.abc import Mapping

from outdial.telephony.failures import FailureCode
from outdial.telephony.outcome import Outcome
from outdial.telephony.state import EndReason

AFTER_FAILURE: Mapping[FailureCode, str] = {
    FailureCode.NUMBER_INVALID: "Correct the number where it comes from; it starts with + and the country code.",
    FailureCode.NUMBER_NOT_IN_SERVICE: "Ask for another number; calling this one again comes to the same.",
    FailureCode.UNREACHABLE: "Call again later; a request with retry on failed does so by itself.",
    FailureCode.NO_ROUTE: "Check the number; if it is right, ask the carrier, or call from another number.",
    FailureCode.BLOCKED: "Register your number as a business caller at the carrier, and call less often from it.",
    FailureCode.REFUSED_BY_NETWORK: "Call again later; if it stays so, show the carrier its code and the call's id.",
    FailureCode.NETWORK_TIMEOUT: "Call again later.",
    FailureCode.NETWORK_ERROR: "Call again later; if it stays so, look at the carrier's status page.",
    FailureCode.NOT_CONNECTED: "Call again; if it stays so, look the call up at the carrier by the carrier's id.",
    FailureCode.DESTINATION_NOT_ALLOWED: (
        "Allow the country or prefix in Settings, Destinations, and in the carrier's geographic permissions."
    ),
    FailureCode.CALLER_ID_NOT_ALLOWED: "Look at the carrier whether the number still belongs to the account.",
    FailureCode.NOT_PERMITTED: "Look at what the account and its API key may do, at the carrier.",
    FailureCode.BAD_CREDENTIALS: "Replace the credentials in Settings, Carriers.",
    FailureCode.NO_FUNDS: "Top up the account at the carrier.",
    FailureCode.ACCOUNT_INACTIVE: "Look at the account's state and balance at the carrier.",
    FailureCode.ACCOUNT_RESTRICTED: "Upgrade the account at the carrier, or verify the numbers you call there.",
    FailureCode.ACCOUNT_NOT_SET_UP: "Disconnect the number and connect it again.",
    FailureCode.ACCOUNT_LIMIT: "Ask the carrier for more calls at once, or lower the lines in Settings, Plan.",
    FailureCode.THROTTLED: "Call again in a moment; if it stays so, ask the carrier for more requests a second.",
    FailureCode.CARRIER_UNREACHABLE: "Look at this server's way to the internet, then call again; nobody was dialled.",
    FailureCode.CARRIER_NO_REPLY: "Look the call up at the carrier before you call again: the phone may have rung.",
    FailureCode.CARRIER_ERROR: "Call again later; if it stays so, look at the carrier's status page.",
    FailureCode.CARRIER_REFUSED: "Look the carrier's code up in its documentation.",
    FailureCode.PUBLIC_URL_NOT_REACHABLE: "Set OUTDIAL_PUBLIC_URL to the https address of this server.",
    FailureCode.NOT_KNOWN_THERE: "Look at the carrier whether the number is still there, and connect it again.",
    FailureCode.WRONG_CALL_STATE: "Nothing: it was asked of a call that had ended, or was not answered yet.",
    FailureCode.BAD_DIGITS: "Correct what is to be sent: 0-9, A-D, *, # and w.",
    FailureCode.DO_NOT_CALL: "Leave it; people take a number off the list on the page Do not call.",
    FailureCode.DAILY_LIMIT: "Wait until tomorrow, or have an operator raise the limit in Settings, Destinations.",
    FailureCode.SPEND_LIMIT: "Wait until tomorrow, or have an operator raise the limit in Settings, Plan and lines.",
    FailureCode.NO_MEDIA: "Run outdial doctor: the carrier opens a websocket to OUTDIAL_PUBLIC_URL.",
    FailureCode.AUDIO_LOST: "Call again; if it stays so, look at the network between the carrier and this server.",
    FailureCode.AGENT_FAILED: "Look in the server's log for this call's id, and correct the agent.",
    FailureCode.SPEECH_FAILED: "Run outdial doctor, which tries the speech engines.",
    FailureCode.INTERRUPTED: "Call again; give the server longer to stop with OUTDIAL_DRAIN_S.",
    FailureCode.INTERNAL_ERROR: "Look in the server's log for this call's id, and report what it says.",
    FailureCode.NOT_PREPARED: "Look in the server's log for this call's id.",
    FailureCode.TOO_LATE: "Call again; if it stays so, look at what keeps the server and its database busy.",
    FailureCode.NEVER_PLACED: "Call again; nobody was dialled.",
    FailureCode.OUTCOME_UNKNOWN: "Look the call up at the carrier before you call again: the phone may have rung.",
    FailureCode.POOL_FULL: "Have more lines in Settings, Plan, or reserve some of them for inbound calls.",
    FailureCode.NO_SEAT: "Start another worker with the role media, or give this one more seats with OUTDIAL_SEATS.",
    FailureCode.DRAINING: "Call back; stop the server at a quiet hour.",
    FailureCode.NUMBER_HAS_NO_AGENT: "Give the number an agent on the page Phone numbers, then call back.",
    FailureCode.AGENT_NOT_PUBLISHED: "Publish the agent on its page, then call back.",
    FailureCode.ACCOUNT_REMOVED: "Connect the number again.",
    FailureCode.NUMBER_NOT_OWNED: "Use the credentials of the account that has the number, or get the number there.",
    FailureCode.NUMBER_ONLY_VERIFIED: "Get a number of the carrier's; one that is only verified can't be connected.",
    FailureCode.NUMBER_WITHOUT_VOICE: "Get a number that can be called; the carrier says of each what it can do.",
    FailureCode.NUMBER_IN_USE: "Free the number at the carrier, then connect it again.",
}
# Of calls without an error. One that was completed has come to its end: nothing is left to do.
AFTER_END: Mapping[EndReason, str] = {
    EndReason.BUSY: "Call again later; a request with retry on busy does so by itself.",
    EndReason.NO_ANSWER: "Call again at another hour; a request with retry on no_answer does so by itself.",
    EndReason.DECLINED: "Ask whether calls are welcome before you call again.",
    EndReason.FAILED: "Look at the call's timeline and what the carrier told of it.",
    EndReason.CANCELED: "Nothing; call again if it was canceled by mistake.",
    EndReason.MACHINE: "Call again at another hour, or leave a message: amd with on_machine leave_message.",
    EndReason.EXPIRED: "Call again with a later expires_at; if calls wait too long, have more lines in Settings, Plan.",
}

_ALL: Mapping[str | None, str] = dict([*AFTER_END.items(), *AFTER_FAILURE.items()])  # no word is both


def advice(end_reason: str | None, code: str | None, outcome: str | None) -> str | None:
    """What to do about a call that ended so, for people; None where nothing is to be done. `code`: its error's. All
    may be words of another version. Whoever asked for no more calls isn't called again, however the call ended."""
    told = _ALL.get(code, _ALL.get(end_reason))
    return AFTER_FAILURE[FailureCode.DO_NOT_CALL] if told and outcome == Outcome.DO_NOT_CALL else told
