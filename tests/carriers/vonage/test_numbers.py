"""Connecting a number: the application that is made or changed, what is put back, and what can't be connected."""

import copy
import json
from pathlib import Path

import httpx
import pytest

from carriers.openapi import Spec
from carriers.other_end import OtherEnd, recorded
from outdial.carriers.errors import CarrierRefused
from outdial.carriers.numbers import NumberRecord
from outdial.carriers.vonage import tokens
from outdial.carriers.vonage.account import VonageAccount, VonageCredentials
from outdial.carriers.vonage.numbers import VonageNumbers
from outdial.carriers.vonage.regions import REGIONS

HERE = Path(__file__).parents[1]
RECORDED = json.loads((HERE / "fixtures/vonage_rest.json").read_text())
SPEC = Spec(HERE / "specs/vonage.json", "https://api.nexmo.com", "https://rest.nexmo.com")
NUMBER = "+15551230002"
APPLICATION = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"
PEM = tokens.new_private_key()
PUBLIC = tokens.public_pem(tokens.load_private_key(PEM))
URLS = {"inbound_url": "https://voice.example/inbound/a", "callback_url": "https://voice.example/callbacks/a"}
VOICE = RECORDED["get_application"]["response"]["json"]["capabilities"]["voice"]
DONE = httpx.Response(200, json={"error-code": "200", "error-code-label": "success"})
NO_NUMBERS = httpx.Response(200, json={})


def carrier(vonage: OtherEnd, *, given: bool = True, base_url: str = REGIONS[0].url) -> VonageNumbers:
    ours = {"application_id": APPLICATION, "private_key": PEM} if given else {}
    credentials = VonageCredentials(api_key="k", api_secret="s", signature_secret="x", **ours)
    return VonageNumbers(VonageAccount(credentials, base_url=base_url, transport=vonage.transport))


def number(**changes: object) -> httpx.Response:
    found = copy.deepcopy(RECORDED["find_number"]["response"]["json"])
    for name, value in ({"app_id": None, "voiceCallbackType": None, "voiceCallbackValue": None} | changes).items():
        found["numbers"][0][name] = value
    return httpx.Response(200, json=found)


def application(voice: object = VOICE) -> httpx.Response:
    found = RECORDED["get_application"]["response"]["json"]
    capabilities = {"rtc": {}} | ({"voice": voice} if voice else {})
    changes = {"keys": {"public_key": PUBLIC}, "capabilities": capabilities, "_links": {"self": {"href": "/x"}}}
    return httpx.Response(200, json=found | changes)


def check_all(vonage: OtherEnd) -> None:
    for request in vonage.requests:
        if request.method != "DELETE":
            SPEC.check(request)


async def test_a_rented_number_is_known_with_what_it_can_do():
    vonage = OtherEnd(recorded(RECORDED, "find_number"))
    assert await carrier(vonage).owns(NUMBER) == NumberRecord(
        number=NUMBER, carrier_number_id="15551230002", name="", can_call=True, rented=True
    )
    check_all(vonage)
    expected = httpx.URL(RECORDED["find_number"]["request"]["url"]).params
    assert {**vonage.last.url.params, "size": "10"} == dict(expected)


@pytest.mark.parametrize("reply", [NO_NUMBERS, number(msisdn="915551230002")])
async def test_a_number_that_is_not_there_or_only_looks_alike_is_not_owned(reply):
    assert await carrier(OtherEnd(reply)).owns(NUMBER) is None


async def test_without_an_application_one_is_made_with_a_key_pair_of_its_own():
    made = httpx.Response(201, json={"id": "new-application"})
    vonage = OtherEnd(number(moHttpUrl="https://sms.example/"), made, DONE)
    connected = await carrier(vonage, given=False).connect(NUMBER, **URLS)
    check_all(vonage)
    assert connected.credentials["application_id"] == "new-application"
    assert connected.undo == {"app_id": "new-application", "created": True}
    sent = json.loads(vonage.requests[1].content)
    key = tokens.load_private_key(connected.credentials["private_key"])
    assert tokens.is_public_half(sent["keys"]["public_key"], key)
    voice = sent["capabilities"]["voice"]
    assert voice["signed_callbacks"] is True
    assert voice["webhooks"]["answer_url"]["address"] == URLS["inbound_url"]
    assert voice["webhooks"]["event_url"]["address"] == f"{URLS['callback_url']}/event"
    assert vonage.form == {
        "country": "US", "msisdn": "15551230002", "app_id": "new-application", "moHttpUrl": "https://sms.example/",
    }


async def test_an_application_whose_number_vonage_does_not_link_is_not_left_behind():
    made = httpx.Response(201, json={"id": "new-application"})
    refused = httpx.Response(420, json={"error-code": "420", "error-code-label": "Numbers from this country …"})
    for after in (httpx.Response(204), httpx.Response(503)):
        vonage = OtherEnd(number(), made, refused, after)
        with pytest.raises(CarrierRefused):
            await carrier(vonage, given=False).connect(NUMBER, **URLS)
        assert (vonage.last.method, vonage.last.url.path) == ("DELETE", "/v2/applications/new-application")


async def test_a_given_application_is_read_changed_and_written_back_whole():
    vonage = OtherEnd(number(), application(), httpx.Response(200, json={}), DONE)
    connected = await carrier(vonage).connect(NUMBER, **URLS)
    check_all(vonage)
    put = json.loads(vonage.requests[2].content)
    assert set(put) == {"name", "keys", "capabilities"}
    assert put["capabilities"]["rtc"] == {}
    assert put["capabilities"]["voice"]["region"] == VOICE["region"]
    assert put["capabilities"]["voice"]["webhooks"]["answer_url"]["address"] == URLS["inbound_url"]
    assert connected.credentials == {}
    assert connected.undo == {"app_id": APPLICATION, "created": False, "voice": VOICE}
    theirs = dict(RECORDED["link_number"]["request"]["form"])
    assert vonage.form == theirs


async def test_an_application_that_is_as_it_should_be_is_left_alone():
    vonage = OtherEnd(number(), application(), httpx.Response(200, json={}), DONE)
    await carrier(vonage).connect(NUMBER, **URLS)
    now = json.loads(vonage.requests[2].content)["capabilities"]["voice"]
    vonage = OtherEnd(number(app_id=APPLICATION), application(now), DONE)
    connected = await carrier(vonage).connect(NUMBER, **URLS)
    assert [request.method for request in vonage.requests] == ["GET", "GET", "POST"]
    assert "voice" not in connected.undo


async def test_what_will_be_changed_is_said_before_it_is_changed():
    vonage = OtherEnd(number())
    found = await carrier(vonage, given=False).connection(NUMBER, **URLS)
    assert found.answered_by == "nothing"
    assert [change.partition(",")[0] for change in found.changes] == [
        'An application named "Outdial" will be made', "The number will be linked to the application.",
    ]
    vonage = OtherEnd(number(app_id=APPLICATION), application())
    found = await carrier(vonage).connection(NUMBER, **URLS)
    assert found.answered_by == "https://voice.example/inbound/vonage"
    assert len(found.changes) == 1
    assert all(request.method == "GET" for request in vonage.requests)


async def test_calls_that_come_in_are_to_be_handled_in_the_accounts_region():
    vonage = OtherEnd(number(), application(), httpx.Response(200, json={}), DONE)
    european = carrier(vonage, base_url="https://api-eu.vonage.com")
    await european.connect(NUMBER, **URLS)
    put = vonage.requests[2]
    assert put.url.host == "api.nexmo.com", "applications know no region"
    assert json.loads(put.content)["capabilities"]["voice"]["region"] == "eu-west"
    vonage = OtherEnd(number(), application())
    european = carrier(vonage, base_url="https://api-eu.vonage.com")
    (change, _) = (await european.connection(NUMBER, **URLS)).changes
    assert "region eu-west" in change


@pytest.mark.parametrize("undo", [{"created": True}, {"created": False, "voice": VOICE}])
async def test_what_numbers_share_stays_while_there_are_others(undo):
    vonage = OtherEnd(number(app_id=APPLICATION), DONE)
    await carrier(vonage).disconnect(NUMBER, {"app_id": APPLICATION, **undo}, is_last=False)
    assert [request.url.path for request in vonage.requests] == ["/account/numbers", "/number/update"]


UNDO = {"app_id": APPLICATION, "created": False, "voice": VOICE}


async def test_disconnecting_unlinks_the_number_and_puts_the_application_back():
    vonage = OtherEnd(number(app_id=APPLICATION), DONE, NO_NUMBERS, application({}), httpx.Response(200, json={}))
    await carrier(vonage).disconnect(NUMBER, UNDO, is_last=True)
    check_all(vonage)
    assert "app_id" not in vonage.requests[1].content.decode()
    assert vonage.requests[2].url.params["application_id"] == APPLICATION
    assert vonage.json["capabilities"]["voice"] == VOICE


async def test_an_application_without_calls_gets_that_back_too():
    vonage = OtherEnd(number(app_id=APPLICATION), DONE, NO_NUMBERS, application(), httpx.Response(200, json={}))
    await carrier(vonage).disconnect(NUMBER, UNDO | {"voice": None}, is_last=True)
    assert vonage.json["capabilities"] == {"rtc": {}}


async def test_an_application_that_answers_other_numbers_stays_as_it_is():
    vonage = OtherEnd(number(app_id=APPLICATION), DONE, number(app_id=APPLICATION))
    await carrier(vonage).disconnect(NUMBER, UNDO, is_last=True)
    assert len(vonage.requests) == 3


@pytest.mark.parametrize("deleted", [httpx.Response(204), httpx.Response(404, json={"type": "NOT_FOUND"})])
async def test_an_application_we_made_goes_with_its_last_number(deleted):
    vonage = OtherEnd(number(app_id=APPLICATION), DONE, NO_NUMBERS, deleted)
    await carrier(vonage).disconnect(NUMBER, {"app_id": APPLICATION, "created": True}, is_last=True)
    assert (vonage.last.method, vonage.last.url.path) == ("DELETE", f"/v2/applications/{APPLICATION}")


async def test_a_number_somebody_linked_elsewhere_since_is_left_alone():
    vonage = OtherEnd(number(app_id="another"), number(app_id="another"))
    await carrier(vonage).disconnect(NUMBER, UNDO, is_last=True)
    assert {request.method for request in vonage.requests} == {"GET"}


@pytest.mark.parametrize(
    ("reply", "code", "word"),
    [
        (NO_NUMBERS, "number_not_owned", "does not belong"),
        (number(features=["SMS"]), "number_without_voice", "messages only"),
        (number(voiceCallbackType="sip", voiceCallbackValue="sip:x"), "number_in_use", "SIP"),
        (number(voiceCallbackType="tel"), "number_in_use", "forwarded"),
        (number(app_id="another"), "number_in_use", "another Vonage application"),
    ],
)
async def test_a_number_that_cannot_be_connected_says_why_and_what_to_do(reply, code, word):
    for verb in ("connection", "connect"):
        vonage = OtherEnd(reply)
        with pytest.raises(CarrierRefused) as raised:
            await getattr(carrier(vonage), verb)(NUMBER, **URLS)
        assert raised.value.code == code
        assert word in raised.value.message
        assert len(vonage.requests) == 1


async def test_an_application_without_its_key_is_refused():
    credentials = VonageCredentials(
        api_key="k", api_secret="s", signature_secret="x", application_id=APPLICATION
    )
    vonage = OtherEnd(number())
    with pytest.raises(CarrierRefused) as raised:
        await VonageNumbers(VonageAccount(credentials, transport=vonage.transport)).connect(NUMBER, **URLS)
    assert raised.value.code == "bad_credentials"


async def test_a_number_change_that_was_not_done_is_an_error_whatever_the_http_status():
    refused = httpx.Response(200, json={"error-code": "420", "error-code-label": "method failed"})
    made = httpx.Response(201, json={"id": "new"})
    with pytest.raises(CarrierRefused):
        await carrier(OtherEnd(number(), made, refused, httpx.Response(204)), given=False).connect(NUMBER, **URLS)


async def test_a_list_to_choose_from_is_one_page_and_names_what_can_not_call():
    found = {"country": "US", "msisdn": "15551230002", "features": ["VOICE", "SMS"]}
    page = {"count": 3, "numbers": [found, found | {"msisdn": "15551230004", "features": ["SMS"]}]}
    vonage = OtherEnd(httpx.Response(200, json=page), httpx.Response(200, json={"count": 0}))
    owned = await carrier(vonage).owned("1230")
    assert [(each.number, each.can_call) for each in owned.numbers] == [(NUMBER, True), ("+15551230004", False)]
    assert owned.more
    asked = {"pattern": "1230", "search_pattern": "1", "size": "100", "index": "1"}
    assert dict(vonage.last.url.params) == asked
    nothing = await carrier(vonage).owned()
    assert (nothing.numbers, nothing.more) == ((), False)
