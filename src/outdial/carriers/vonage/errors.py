"""Vonage's REST errors, turned into the four kinds that say what may be done next.

Its APIs have four forms of error. Decided by HTTP status and type, never by text: details may quote numbers.
Source: developer.vonage.com/en/api-errors.
"""

from typing import Any

import httpx

from outdial.carriers.errors import CarrierError, CarrierRefused, CarrierThrottled
from outdial.carriers.http import refuses, retry_after_s, trouble
from outdial.telephony.failures import FailureCode

# Our word, and what a user is told. No numbers, no names: it may be shown to anybody.
REFUSALS: dict[str, tuple[FailureCode, str]] = {
    "unauthorized": (
        FailureCode.BAD_CREDENTIALS,
        "Vonage did not accept the credentials. Check API key, API secret, application id and private key.",
    ),
    "jwt-expired": (
        FailureCode.BAD_CREDENTIALS, "Vonage did not accept our token: this server's clock may be wrong."
    ),
    "low-balance": (
        FailureCode.NO_FUNDS, "The Vonage account has too little money. Top it up in the dashboard."
    ),
    "forbidden": (FailureCode.NOT_PERMITTED, "The Vonage account may not do this."),
    "account-suspended": (
        FailureCode.ACCOUNT_INACTIVE,
        "The Vonage account is suspended. Look for the reason in the dashboard.",
    ),
    "unprovisioned": (FailureCode.ACCOUNT_NOT_SET_UP, "The Vonage account is not set up for voice calls."),
    "not-found": (
        FailureCode.NOT_KNOWN_THERE,
        "Vonage does not know this call, number or application, or the call has ended.",
    ),
    "throttled": (FailureCode.THROTTLED, "Vonage received too many requests at once."),
}
BY_STATUS = {401: "unauthorized", 402: "low-balance", 403: "forbidden", 404: "not-found", 429: "throttled"}

# What is wrong with a request, by the parameter that Vonage names.
_PUBLIC_URL = (
    FailureCode.PUBLIC_URL_NOT_REACHABLE,
    "Vonage can't use this server's public URL. Check that it is reachable from the internet.",
)
PARAMETERS: dict[str, tuple[FailureCode, str]] = {
    "number": (FailureCode.NUMBER_INVALID, "One of the two phone numbers is not valid for Vonage."),
    "to": (FailureCode.NUMBER_INVALID, "The number to call is not a valid phone number."),
    "from": (FailureCode.CALLER_ID_NOT_ALLOWED, "The calling number is not a valid phone number."),
    "answer_url": _PUBLIC_URL,
    "event_url": _PUBLIC_URL,
}


def from_reply(response: httpx.Response, repeatable: bool) -> CarrierError:
    """The error that a reply other than 2xx means. `repeatable`: doing the request again does no harm."""
    body = _body(response)
    status = response.status_code
    kind = _type(body)
    carrier_code = kind or f"http_{status}"
    known = REFUSALS.get(kind or BY_STATUS.get(status, ""))
    if status == 429 or kind == "throttled":
        word, sentence = REFUSALS["throttled"]
        return CarrierThrottled(word, sentence, retry_after_s(response), carrier_code=carrier_code)
    if not refuses(response):
        return trouble("Vonage", carrier_code, repeatable=repeatable)
    word, sentence = known or _by_parameter(body) or _unknown(status)
    return CarrierRefused(word, sentence, carrier_code=carrier_code)


def number_refusal(code: object) -> CarrierError:
    """The error of a number request that says inside a 200 that it was not done."""
    return CarrierRefused(
        FailureCode.CARRIER_REFUSED,
        "Vonage did not change the number. Look at it in the dashboard.",
        carrier_code=code[:40] if isinstance(code, str) else None,
    )


def _type(body: dict[str, Any]) -> str | None:
    """The last part of the error's type, when we know it ("…/api-errors#low-balance")."""
    kind = body.get("type")
    if not isinstance(kind, str):
        return None
    word = kind.rpartition("#")[2].rpartition("/")[2].lower().replace("_", "-")
    return word if word in REFUSALS else None


def _by_parameter(body: dict[str, Any]) -> tuple[FailureCode, str] | None:
    parameters = body.get("invalid_parameters")
    for parameter in parameters if isinstance(parameters, list) else ():
        name = parameter.get("name") if isinstance(parameter, dict) else None
        if isinstance(name, str) and name in PARAMETERS:
            return PARAMETERS[name]
    return None


def _unknown(status: int) -> tuple[FailureCode, str]:
    sentence = f"Vonage refused the request (HTTP status {status}). See https://developer.vonage.com/en/api-errors"
    return FailureCode.CARRIER_REFUSED, sentence


def _body(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}
