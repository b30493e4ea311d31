"""Twilio's REST errors, turned into the four kinds that say what may be done next. Decided by code, never
by text: Twilio's own sentences hold phone numbers.

Source: twilio.com/docs/api/errors.
"""

import httpx

from outdial.carriers.errors import CarrierError, CarrierRefused, CarrierThrottled
from outdial.carriers.http import refuses, retry_after_s, trouble, word_for
from outdial.telephony.failures import FailureCode

NOT_KNOWN, HAS_ENDED = "20404", "21220"  # no such resource; not in the state for it
NOT_ACTIVE = 20005
TOO_MANY_REQUESTS = 20429

THROTTLED = frozenset({10004, TOO_MANY_REQUESTS})

# Our word, and what a user is told. No numbers, no names: it may be shown to anybody.
REFUSALS: dict[int, tuple[FailureCode, str]] = {
    10001: (
        FailureCode.ACCOUNT_INACTIVE,
        "The Twilio account is suspended. Look for the reason in the Twilio console.",
    ),
    10002: (FailureCode.ACCOUNT_RESTRICTED, "Trial accounts of Twilio can't do this. Upgrade the account."),
    10004: (FailureCode.ACCOUNT_LIMIT, "The Twilio account has reached its limit of concurrent calls."),
    20003: (FailureCode.BAD_CREDENTIALS, "Twilio did not accept the credentials. Check account SID and auth token."),
    20005: (FailureCode.ACCOUNT_INACTIVE, "The Twilio account is not active. It may be suspended or out of funds."),
    20008: (FailureCode.NOT_PERMITTED, "Twilio's test credentials can't do this."),
    20404: (FailureCode.NOT_KNOWN_THERE, "Twilio does not know this call, number or account."),
    20429: (FailureCode.THROTTLED, "Twilio received too many requests at once."),
    21201: (FailureCode.NUMBER_INVALID, "No number to call was given."),
    21202: (FailureCode.DESTINATION_NOT_ALLOWED, "Twilio does not call premium rate numbers."),
    21203: (
        FailureCode.DESTINATION_NOT_ALLOWED,
        "The Twilio account may not call this country yet: allow it in the console's geo permissions.",
    ),
    21205: (
        FailureCode.PUBLIC_URL_NOT_REACHABLE,
        "Twilio can't use this server's public URL. Check that it is reachable from the internet.",
    ),
    21206: (FailureCode.BAD_DIGITS, "The digits to send are not valid."),
    21208: (FailureCode.CARRIER_REFUSED, "The ring timeout is not valid."),
    21210: (
        FailureCode.CALLER_ID_NOT_ALLOWED,
        "The calling number is neither owned by nor verified for the Twilio account.",
    ),
    21211: (FailureCode.NUMBER_INVALID, "The number to call is not a valid phone number."),
    21212: (FailureCode.CALLER_ID_NOT_ALLOWED, "The calling number is not a valid phone number."),
    21213: (FailureCode.CALLER_ID_NOT_ALLOWED, "No calling number was given."),
    21214: (FailureCode.NO_ROUTE, "The number can't be reached."),
    21215: (
        FailureCode.DESTINATION_NOT_ALLOWED,
        "The Twilio account may not call this country yet: allow it in the console's geo permissions.",
    ),
    21216: (
        FailureCode.DESTINATION_NOT_ALLOWED,
        "Twilio does not let this account call this number: it is on a block list.",
    ),
    21217: (FailureCode.NUMBER_INVALID, "The number to call is not a valid phone number."),
    21219: (
        FailureCode.ACCOUNT_RESTRICTED,
        "A Twilio trial account can only call numbers that were verified. Verify the number, or upgrade.",
    ),
    21220: (
        FailureCode.WRONG_CALL_STATE,
        "The call is not in a state in which this can be done: it has ended, or was not answered yet.",
    ),
}


def from_reply(response: httpx.Response, repeatable: bool) -> CarrierError:
    """The error that a reply other than 2xx means. `repeatable`: doing the request again does no harm."""
    code = _code(response)
    carrier_code = str(code) if code is not None else f"http_{response.status_code}"
    if code in THROTTLED or response.status_code == 429:
        word, sentence = REFUSALS[code if code in REFUSALS else TOO_MANY_REQUESTS]
        return CarrierThrottled(word, sentence, retry_after_s(response), carrier_code=carrier_code)
    if not refuses(response):
        return trouble("Twilio", carrier_code, repeatable=repeatable)
    if code in REFUSALS:
        return refusal(code)
    return CarrierRefused(
        word_for(response.status_code), _unknown(code, response.status_code), carrier_code=carrier_code
    )


def refusal(code: int) -> CarrierRefused:
    word, sentence = REFUSALS[code]
    return CarrierRefused(word, sentence, carrier_code=str(code))


def _code(response: httpx.Response) -> int | None:
    try:
        body = response.json()
    except (ValueError, RecursionError):
        return None
    code = body.get("code") if isinstance(body, dict) else None
    return code if type(code) is int else None


def _unknown(code: int | None, status: int) -> str:
    if code is None:
        return f"Twilio refused the request (HTTP status {status})."
    return f"Twilio refused the request. See https://www.twilio.com/docs/errors/{code}"
