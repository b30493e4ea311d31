"""Vonage's REST errors, turned into the four kinds that say what may be done next.

Its APIs have four forms of error. Decided by HTTP status and type, never by text: details may quote numbers.
Source: developer.vonage.com/en/api-errors.
"""

from typing import Any

import httpx

from outdial.carriers.base import CarrierError, CarrierRefused, CarrierThrottled
from outdial.carriers.http import refuses, retry_after_s, trouble

# What a user is told. No numbers, no names: it may be shown to anybody.
SENTENCES: dict[str, str] = {
    "unauthorized": "Vonage did not accept the credentials. Check API key, API secret, application id and private key.",
    "jwt-expired": "Vonage did not accept our token: this server's clock may be wrong.",
    "low-balance": "The Vonage account has too little money. Top it up in the dashboard.",
    "forbidden": "The Vonage account may not do this.",
    "account-suspended": "The Vonage account is suspended. Look for the reason in the dashboard.",
    "unprovisioned": "The Vonage account is not set up for voice calls.",
    "not-found": "Vonage does not know this call, number or application, or the call has ended.",
    "throttled": "Vonage received too many requests at once.",
}
BY_STATUS = {401: "unauthorized", 402: "low-balance", 403: "forbidden", 404: "not-found", 429: "throttled"}

# What is wrong with a request, by the parameter that Vonage names.
PARAMETERS: dict[str, str] = {
    "number": "One of the two phone numbers is not valid for Vonage.",
    "to": "The number to call is not a valid phone number.",
    "from": "The calling number is not a valid phone number.",
    "answer_url": "Vonage can't use this server's public URL. Check that it is reachable from the internet.",
    "event_url": "Vonage can't use this server's public URL. Check that it is reachable from the internet.",
}


def from_reply(response: httpx.Response, repeatable: bool) -> CarrierError:
    """The error that a reply other than 2xx means. `repeatable`: doing the request again does no harm."""
    body = _body(response)
    word = _word(body, response.status_code)
    if response.status_code == 429 or word == "throttled":
        return CarrierThrottled("throttled", SENTENCES["throttled"], retry_after_s=retry_after_s(response))
    if refuses(response):
        return CarrierRefused(word, SENTENCES.get(word) or _unknown(body, response.status_code))
    return trouble("Vonage", word, repeatable=repeatable)


def number_refusal(code: object) -> CarrierError:
    """The error of a number request that says inside a 200 that it was not done."""
    return CarrierRefused(f"number_{code}"[:40], "Vonage did not change the number. Look at it in the dashboard.")


def _word(body: dict[str, Any], status: int) -> str:
    """Our code: the last part of the error's type, when we know it ("…/api-errors#low-balance"), else the status."""
    kind = body.get("type")
    if isinstance(kind, str):
        word = kind.rpartition("#")[2].rpartition("/")[2].lower().replace("_", "-")
        if word in SENTENCES:
            return word
    return BY_STATUS.get(status) or f"http_{status}"


def _unknown(body: dict[str, Any], status: int) -> str:
    parameters = body.get("invalid_parameters")
    for parameter in parameters if isinstance(parameters, list) else ():
        name = parameter.get("name") if isinstance(parameter, dict) else None
        if isinstance(name, str) and name in PARAMETERS:
            return PARAMETERS[name]
    return f"Vonage refused the request (HTTP status {status}). See https://developer.vonage.com/en/api-errors"


def _body(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}
