"""What the toy's error replies mean: {"error": "a word"} and an HTTP status."""

import httpx

from outdial.carriers.errors import CarrierError, CarrierRefused, CarrierThrottled
from outdial.carriers.http import refuses, retry_after_s, trouble, word_for
from outdial.telephony.failures import FailureCode

OVER = "over"
REFUSALS: dict[str, tuple[FailureCode, str]] = {
    OVER: (FailureCode.WRONG_CALL_STATE, "The call has ended."),
    "no_such_number": (FailureCode.NUMBER_INVALID, "The number to call is not a valid phone number."),
}


def from_reply(response: httpx.Response, repeatable: bool) -> CarrierError:
    """The error that a reply other than 2xx means. `repeatable`: doing the request again does no harm."""
    code = _code(response)
    if response.status_code == 429:
        message = "Toy received too many requests at once."
        return CarrierThrottled(FailureCode.THROTTLED, message, retry_after_s(response), carrier_code=code)
    if not refuses(response):
        return trouble("Toy", code, repeatable=repeatable)
    word, sentence = REFUSALS.get(code, (word_for(response.status_code), "Toy refused the request."))
    return CarrierRefused(word, sentence, carrier_code=code)


def _code(response: httpx.Response) -> str:
    try:
        body = response.json()
    except ValueError:
        body = None
    code = body.get("error") if isinstance(body, dict) else None
    return code if isinstance(code, str) else f"http_{response.status_code}"
