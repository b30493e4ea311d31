"""Twilio's REST errors, turned into the four kinds that say what may be done next. Decided by code, never
by text: Twilio's own sentences hold phone numbers.

Source: twilio.com/docs/api/errors.
"""

import httpx

from outdial.carriers.base import CarrierError, CarrierRefused, CarrierThrottled
from outdial.carriers.http import refuses, retry_after_s, trouble

NO_SUCH_RESOURCE = 20404
WRONG_CALL_STATE = 21220

THROTTLED = frozenset({10004, 20429})

# What a user is told. No numbers, no names: it may be shown to anybody.
SENTENCES: dict[int, str] = {
    10001: "The Twilio account is suspended. Look for the reason in the Twilio console.",
    10002: "Trial accounts of Twilio can't do this. Upgrade the account.",
    10004: "The Twilio account has reached its limit of concurrent calls.",
    20003: "Twilio did not accept the credentials. Check account SID and auth token.",
    20005: "The Twilio account is not active. It may be suspended or out of funds.",
    20008: "Twilio's test credentials can't do this.",
    20404: "Twilio does not know this call, number or account.",
    20429: "Twilio received too many requests at once.",
    21201: "No number to call was given.",
    21202: "Twilio does not call premium rate numbers.",
    21203: "The Twilio account may not call this country yet: allow it in the console's geo permissions.",
    21205: "Twilio can't use this server's public URL. Check that it is reachable from the internet.",
    21206: "The digits to send are not valid.",
    21208: "The ring timeout is not valid.",
    21210: "The calling number is neither owned by nor verified for the Twilio account.",
    21211: "The number to call is not a valid phone number.",
    21212: "The calling number is not a valid phone number.",
    21213: "No calling number was given.",
    21214: "The number can't be reached.",
    21215: "The Twilio account may not call this country yet: allow it in the console's geo permissions.",
    21216: "Twilio does not let this account call this number: it is on a block list.",
    21217: "The number to call is not a valid phone number.",
    21219: "A Twilio trial account can only call numbers that were verified. Verify the number, or upgrade.",
    21220: "The call is not in a state in which this can be done: it has ended, or was not answered yet.",
}


def from_reply(response: httpx.Response, repeatable: bool) -> CarrierError:
    """The error that a reply other than 2xx means. `repeatable`: doing the request again does no harm."""
    code = _code(response)
    word = str(code) if code is not None else f"http_{response.status_code}"
    if code in THROTTLED or response.status_code == 429:
        sentence = SENTENCES.get(code or 0, SENTENCES[20429])
        return CarrierThrottled(word, sentence, retry_after_s=retry_after_s(response))
    if refuses(response):
        return CarrierRefused(word, SENTENCES.get(code or 0) or _unknown(code, response.status_code))
    return trouble("Twilio", word, repeatable=repeatable)


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
