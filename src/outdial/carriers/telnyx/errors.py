"""Telnyx's REST errors, turned into the four kinds that say what may be done next. Decided by code, never by text.

The same code can come with two HTTP statuses and mean two things (10011: too many requests, or no encryption for
telephone calls), so the status has a say, too. Source: developers.telnyx.com, docs/overview/errors.
"""

from typing import Any

import httpx

from outdial.carriers.base import CarrierError, CarrierRefused, CarrierThrottled
from outdial.carriers.http import MAX_RETRY_AFTER_S, refuses, retry_after_s, trouble

CALL_IS_OVER = frozenset({"90015", "90018", "10005"})  # unknown call, ended call, no such resource
NOT_ANSWERED_YET = "90034"
THROTTLED = frozenset({"90041", "90042", "90043", "90103"})

# What a user is told. No numbers, no names: it may be shown to anybody.
SENTENCES: dict[str, str] = {
    "10004": "Telnyx misses something in the request.",
    "10005": "Telnyx does not know this call, number or application.",
    "10009": "Telnyx did not accept the API key.",
    "10010": "The API key may not do this. Give it the permission in the Telnyx portal, or use another one.",
    "10011": "Telnyx received too many requests at once.",
    "10015": "Telnyx did not accept a value: the Call Control application may be gone or have no valid webhook URL.",
    "10016": "One of the two phone numbers is not valid.",
    "10038": "This Telnyx account may not use this feature.",
    "10039": "This feature is limited for this Telnyx account.",
    "20012": "The Telnyx account is not active. It may be out of funds.",
    "20013": "The Telnyx account is blocked. Ask Telnyx's support.",
    "20014": "The Telnyx account's verification level is too low for this. Verify it in the portal.",
    "20016": "The Telnyx account's verification level is too low for this. Verify it in the portal.",
    "20017": "The Telnyx account's verification level is too low for this. Verify it in the portal.",
    "90015": "Telnyx does not know this call.",
    "90018": "The call has ended.",
    "90034": "The call was not answered yet.",
    "90041": "The Telnyx account has reached its limit of concurrent calls.",
    "90042": "The outbound voice profile has reached its limit of concurrent calls.",
    "90043": "The Call Control application has reached its limit of concurrent calls.",
    "90103": "Telnyx received too many new calls at once.",
}
BY_POINTER = {
    "/to": "The number to call is not a valid phone number.",
    "/from": "The calling number is not a valid phone number, or not one of the Telnyx account.",
    "/connection_id": "Telnyx does not know the Call Control application, or its webhook URL is not valid.",
    "/webhook_url": "Telnyx can't use this server's public URL. Check that it is reachable from the internet.",
    "/stream_url": "Telnyx can't use this server's public URL. Check that it is reachable from the internet.",
}


def from_reply(response: httpx.Response, repeatable: bool) -> CarrierError:
    """The error that a reply other than 2xx means. `repeatable`: doing the request again does no harm."""
    error = _first_error(response)
    code = error.get("code")
    code = code if isinstance(code, str) and code.isascii() and code.isdecimal() and len(code) < 10 else ""
    word = code or f"http_{response.status_code}"
    if response.status_code == 429 or (code in THROTTLED and refuses(response)):
        sentence = SENTENCES.get(code, SENTENCES["10011"])
        return CarrierThrottled(word, sentence, retry_after_s=_retry_after_s(response))
    if refuses(response):
        return CarrierRefused(word, _sentence(code, error, response.status_code))
    return trouble("Telnyx", word, repeatable=repeatable)


def _sentence(code: str, error: dict[str, Any], status: int) -> str:
    source = error.get("source")
    pointer = source.get("pointer") if isinstance(source, dict) else None
    if isinstance(pointer, str) and pointer in BY_POINTER:
        return BY_POINTER[pointer]
    if code == "10011":  # not 429, which was seen to before
        return "Telnyx can't do this on calls to telephone numbers."
    if code in SENTENCES:
        return SENTENCES[code]
    if not code:
        return f"Telnyx refused the request (HTTP status {status})."
    return f"Telnyx refused the request. See https://developers.telnyx.com/docs/overview/errors/{code}"


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
