"""The same cause has the same word at every carrier. What only one of them tells is in its own tests."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from outdial.carriers.errors import CarrierError, CarrierUncertain, CarrierUnreachable
from outdial.carriers.http import RestClient
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS
from outdial.carriers.telnyx import errors as telnyx_errors
from outdial.carriers.telnyx import mapping as telnyx_mapping
from outdial.carriers.twilio import errors as twilio_errors
from outdial.carriers.twilio import mapping as twilio_mapping
from outdial.carriers.vonage import errors as vonage_errors
from outdial.carriers.vonage import mapping as vonage_mapping
from outdial.telephony import sip
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.state import EndReason

FROM_REPLY = {
    CarrierName("twilio"): twilio_errors.from_reply,
    CarrierName("vonage"): vonage_errors.from_reply,
    CarrierName("telnyx"): telnyx_errors.from_reply,
}
CALL: Mapping[str, Any] = {"at": datetime(2026, 1, 1, tzinfo=UTC), "carrier_call": CarrierCall(id="one")}
DIALS = False  # a request that can't be repeated

Told = Callable[[], FailureCode | None]


def twilio(status: int, code: int) -> Told:
    return lambda: refused(CarrierName("twilio"), status, {"code": code})


def vonage(status: int, **body: Any) -> Told:
    return lambda: refused(CarrierName("vonage"), status, body)


def telnyx(status: int, code: str, pointer: str = "") -> Told:
    source = {"source": {"pointer": pointer}} if pointer else {}
    return lambda: refused(CarrierName("telnyx"), status, {"errors": [{"code": code, **source}]})


def refused(carrier: CarrierName, status: int, body: Any) -> FailureCode:
    return FROM_REPLY[carrier](httpx.Response(status, json=body), DIALS).code


def twilio_ends(sip_code: str) -> Told:
    return lambda: word(ended(CarrierName("twilio"), sip_code))


def vonage_ends(status: str, detail: str) -> Told:
    told = vonage_mapping.progress(status, detail=detail, final=True, **CALL)
    return lambda: word((told.end_reason, told.error))


def telnyx_ends(cause: str, sip_code: str) -> Told:
    told = telnyx_mapping.hangup(cause, sip_code=sip_code, **CALL)
    return lambda: word((told.end_reason, told.error))


def word(end: tuple[EndReason | None, CallError | None]) -> FailureCode | None:
    reason, error = end
    assert reason is EndReason.FAILED
    return error and error.code


def ended(carrier: CarrierName, sip_code: str) -> tuple[EndReason | None, CallError | None]:
    """What a call comes to that failed with the network's code and nothing else."""
    match carrier:
        case "twilio":
            told = twilio_mapping.progress("failed", sip_code=sip_code, final=True, **CALL)
        case "vonage":
            told = vonage_mapping.progress("failed", sip_code=sip_code, final=True, **CALL)
        case "telnyx":
            told = telnyx_mapping.hangup("unspecified", sip_code=sip_code, **CALL)
    return told.end_reason, told.error


@pytest.mark.parametrize(
    ("code", "tellings"),
    [
        ("number_invalid", [
            twilio(400, 21211), twilio(400, 21217), vonage_ends("rejected", "invalid_number"),
            vonage(400, invalid_parameters=[{"name": "to"}]), telnyx(422, "10016", "/to"),
        ]),
        ("number_not_in_service", [
            twilio_ends("404"), vonage_ends("failed", "number_out_of_service"), telnyx_ends("not_found", "404"),
        ]),
        ("unreachable", [twilio_ends("480"), vonage_ends("failed", "unavailable"), telnyx_ends("unspecified", "480")]),
        ("not_connected", [twilio_ends(""), vonage_ends("failed", ""), telnyx_ends("unspecified", "")]),
        ("caller_id_not_allowed", [
            twilio(400, 21210), twilio(400, 21212), vonage(400, invalid_parameters=[{"name": "from"}]),
            telnyx(422, "10016", "/from"),
        ]),
        ("bad_credentials", [twilio(401, 20003), vonage(401, type="UNAUTHORIZED"), telnyx(401, "10009")]),
        ("not_permitted", [twilio(403, 20008), vonage(403, type="FORBIDDEN"), telnyx(403, "10010")]),
        ("account_inactive", [
            twilio(401, 20005), twilio(401, 10001), vonage(403, type="…#account-suspended"), telnyx(403, "20012"),
        ]),
        ("throttled", [twilio(429, 20429), vonage(429), telnyx(429, "10011"), telnyx(429, "90103")]),
        ("public_url_not_reachable", [
            twilio(400, 21205), vonage(400, invalid_parameters=[{"name": "event_url"}]),
            telnyx(422, "10015", "/webhook_url"),
        ]),
        ("not_known_there", [twilio(404, 20404), vonage(404, type="NOT_FOUND"), telnyx(422, "90015")]),
        ("carrier_error", [twilio(500, 20500), vonage(500), telnyx(500, "10007")]),
        ("carrier_refused", [twilio(400, 29999), vonage(400), telnyx(422, "99999")]),
    ],
)
def test_the_same_cause_has_the_same_word_at_every_carrier(code, tellings):
    assert {telling() for telling in tellings} == {code}


@pytest.mark.parametrize("sip_code", [*sip.FAILURES, *sip.OUTCOMES, "499", "699", ""])
def test_what_the_network_says_means_the_same_at_every_carrier(sip_code):
    ends = {name: ended(name, sip_code) for name in CARRIERS}
    facts = {(reason, error and error.code) for reason, error in ends.values()}
    assert len(facts) == 1
    for reason, error in ends.values():
        assert (reason is EndReason.FAILED) is (error is not None)
        if error and sip_code:
            assert error.carrier_code == f"sip_{sip_code}"


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 422])
def test_a_refusal_in_no_known_form_means_the_same_at_every_carrier(status):
    found = [FROM_REPLY[name](httpx.Response(status, text="<html>"), DIALS) for name in CARRIERS]
    assert len({(type(error), error.code) for error in found}) == 1
    assert {error.carrier_code for error in found} == {f"http_{status}"}


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize(
    ("failure", "raised", "code"),
    [
        (httpx.ConnectError("refused"), CarrierUnreachable, "carrier_unreachable"),
        (httpx.ReadTimeout("no reply"), CarrierUncertain, "carrier_no_reply"),
    ],
)
async def test_a_reply_that_never_came_is_nobodys_code(carrier, failure, raised, code):
    def fail(request: httpx.Request) -> httpx.Response:
        raise failure

    client = RestClient("It", "https://carrier.example", FROM_REPLY[carrier], transport=httpx.MockTransport(fail))
    with pytest.raises(raised) as told:
        await client.send("POST", "/calls")
    await client.aclose()
    assert told.value.codes == {"code": code, "carrier_code": None}


def test_no_word_of_ours_is_ever_a_carriers_number():
    for code in FailureCode:
        assert code.replace("_", "").isalpha()
        assert code.islower()
        assert code.meaning.endswith((".", ".)"))


def test_an_exception_says_both_codes_and_not_the_sentence():
    error = CarrierError(FailureCode.NUMBER_INVALID, "+15551230001 is no number.", carrier_code="21211")
    assert str(error) == "number_invalid (21211)"
    assert error.as_call_error() == CallError(
        code=FailureCode.NUMBER_INVALID, message="+15551230001 is no number.", carrier_code="21211"
    )
