"""Telnyx's REST errors, turned into the four kinds that say what may be done next. Decided by code, never by text.

The same code can come with two HTTP statuses and mean two things (10011: too many requests, or no encryption for
telephone calls), so the status has a say, too. Source: developers.telnyx.com, docs/overview/errors.
"""

from typing import Any

import httpx

from outdial.carriers.errors import CarrierError, CarrierRefused, CarrierThrottled
from outdial.carriers.http import MAX_RETRY_AFTER_S, refuses, retry_after_s, trouble, word_for
from outdial.telephony.failures import FailureCode

NOT_KNOWN = frozenset({"90015", "10005"})  # unknown call, no such resource
HAS_ENDED = "90018"
CALL_IS_OVER = NOT_KNOWN | {HAS_ENDED}
NOT_ANSWERED_YET = "90034"
KEY_MAY_NOT = "10010"
TOO_MANY_REQUESTS = "10011"
THROTTLED = frozenset({"90041", "90042", "90043", "90103"})

# Our word, and what a user is told. No numbers, no names: it may be shown to anybody.
REFUSALS: dict[str, tuple[FailureCode, str]] = {
    "10004": (FailureCode.CARRIER_REFUSED, "Telnyx misses something in the request."),
    "10005": (FailureCode.NOT_KNOWN_THERE, "Telnyx does not know this call, number or application."),
    "10009": (FailureCode.BAD_CREDENTIALS, "Telnyx did not accept the API key."),
    "10010": (
        FailureCode.NOT_PERMITTED,
        "The API key may not do this. Give it the permission in the Telnyx portal, or use another one.",
    ),
    "10011": (FailureCode.THROTTLED, "Telnyx received too many requests at once."),
    "10015": (
        FailureCode.ACCOUNT_NOT_SET_UP,
        "Telnyx did not accept a value: the Call Control application may be gone or have no valid webhook URL.",
    ),
    "10016": (FailureCode.NUMBER_INVALID, "One of the two phone numbers is not valid."),
    "10038": (FailureCode.NOT_PERMITTED, "This Telnyx account may not use this feature."),
    "10039": (FailureCode.ACCOUNT_RESTRICTED, "This feature is limited for this Telnyx account."),
    "20012": (FailureCode.ACCOUNT_INACTIVE, "The Telnyx account is not active. It may be out of funds."),
    "20013": (FailureCode.ACCOUNT_INACTIVE, "The Telnyx account is blocked. Ask Telnyx's support."),
    "20014": (
        FailureCode.ACCOUNT_RESTRICTED,
        "The Telnyx account's verification level is too low for this. Verify it in the portal.",
    ),
    "20016": (
        FailureCode.ACCOUNT_RESTRICTED,
        "The Telnyx account's verification level is too low for this. Verify it in the portal.",
    ),
    "20017": (
        FailureCode.ACCOUNT_RESTRICTED,
        "The Telnyx account's verification level is too low for this. Verify it in the portal.",
    ),
    "90015": (FailureCode.NOT_KNOWN_THERE, "Telnyx does not know this call."),
    "90018": (FailureCode.WRONG_CALL_STATE, "The call has ended."),
    "90034": (FailureCode.WRONG_CALL_STATE, "The call was not answered yet."),
    "90041": (FailureCode.ACCOUNT_LIMIT, "The Telnyx account has reached its limit of concurrent calls."),
    "90042": (FailureCode.ACCOUNT_LIMIT, "The outbound voice profile has reached its limit of concurrent calls."),
    "90043": (FailureCode.ACCOUNT_LIMIT, "The Call Control application has reached its limit of concurrent calls."),
    "90103": (FailureCode.THROTTLED, "Telnyx received too many new calls at once."),
}

_PUBLIC_URL = (
    FailureCode.PUBLIC_URL_NOT_REACHABLE,
    "Telnyx can't use this server's public URL. Check that it is reachable from the internet.",
)
BY_POINTER: dict[str, tuple[FailureCode, str]] = {
    "/to": (FailureCode.NUMBER_INVALID, "The number to call is not a valid phone number."),
    "/from": (
        FailureCode.CALLER_ID_NOT_ALLOWED,
        "The calling number is not a valid phone number, or not one of the Telnyx account.",
    ),
    "/connection_id": (
        FailureCode.ACCOUNT_NOT_SET_UP,
        "Telnyx does not know the Call Control application, or its webhook URL is not valid.",
    ),
    "/webhook_url": _PUBLIC_URL,
    "/stream_url": _PUBLIC_URL,
}


def from_reply(response: httpx.Response, repeatable: bool) -> CarrierError:
    """The error that a reply other than 2xx means. `repeatable`: doing the request again does no harm."""
    error = _first_error(response)
    code = error.get("code")
    code = code if isinstance(code, str) and code.isascii() and code.isdecimal() and len(code) < 10 else ""
    carrier_code = code or f"http_{response.status_code}"
    if response.status_code == 429 or (code in THROTTLED and refuses(response)):
        word, sentence = REFUSALS.get(code, REFUSALS[TOO_MANY_REQUESTS])
        return CarrierThrottled(word, sentence, _retry_after_s(response), carrier_code=carrier_code)
    if not refuses(response):
        return trouble("Telnyx", carrier_code, repeatable=repeatable)
    word, sentence = _why(code, error, response.status_code)
    return CarrierRefused(word, sentence, carrier_code=carrier_code)


def _why(code: str, error: dict[str, Any], status: int) -> tuple[FailureCode, str]:
    source = error.get("source")
    pointer = source.get("pointer") if isinstance(source, dict) else None
    if isinstance(pointer, str) and pointer in BY_POINTER:
        return BY_POINTER[pointer]
    if code == TOO_MANY_REQUESTS:  # not with 429, which was seen to before
        return FailureCode.NOT_PERMITTED, "Telnyx can't do this on calls to telephone numbers."
    if code in REFUSALS:
        return REFUSALS[code]
    if not code:
        return word_for(status), f"Telnyx refused the request (HTTP status {status})."
    return word_for(status), f"Telnyx refused the request. See https://developers.telnyx.com/docs/overview/errors/{code}"


def _retry_after_s(response: httpx.Response) -> float:
    """Telnyx says in a header of its own when the window ends."""
    reset = response.headers.get("x-ratelimit-reset", "")
    if reset.isascii() and reset.isdecimal():
        return min(max(float(reset[:9]), 1.0), MAX_RETRY_AFTER_S)
    return retry_after_s(response)


def _first_error(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except (ValueError, RecursionError):
        return {}
    found = body.get("errors") if isinstance(body, dict) else None
    first = found[0] if isinstance(found, list) and found else None
    return first if isinstance(first, dict) else {}
