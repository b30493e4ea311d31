"""Connecting a number: the application and the profile that are found or made, what is put back."""

import json
from pathlib import Path

import httpx
import pytest

from carriers.other_end import OtherEnd, recorded
from carriers.telnyx.telnyx_spec import check
from outdial.carriers.errors import CarrierRefused
from outdial.carriers.numbers import NumberRecord
from outdial.carriers.telnyx.account import TelnyxAccount, TelnyxCredentials
from outdial.carriers.telnyx.numbers import TelnyxNumbers

RECORDED = json.loads((Path(__file__).parents[1] / "fixtures/telnyx_rest.json").read_text())
NUMBER, NUMBER_ID = "+15551230002", "1293384261075731499"
OURS, THEIRS = "1494404757140276705", "1"
URLS = {"inbound_url": "https://voice.example/inbound/a", "callback_url": "https://voice.example/callbacks/a"}
DONE = httpx.Response(200, json={"data": {}})
NO_SUCH = httpx.Response(404, json={"errors": [{"code": "10005"}]})


def carrier(telnyx: OtherEnd, connection_id: str = "") -> TelnyxNumbers:
    credentials = TelnyxCredentials(api_key="KEY1", public_key="x", connection_id=connection_id)
    return TelnyxNumbers(TelnyxAccount(credentials, transport=telnyx.transport))


def page(*items: dict) -> httpx.Response:
    return httpx.Response(200, json={"data": list(items), "meta": {"page_number": 1, "total_pages": 1}})


def number(**changes: object) -> httpx.Response:
    found = RECORDED["find_number"]["response"]["json"]["data"][0]
    return page(found | {"connection_id": None, "connection_name": None} | changes)


def application(**changes: object) -> dict:
    usual = {
        "id": OURS,
        "application_name": "Outdial",
        "webhook_event_url": URLS["inbound_url"],
        "webhook_api_version": "2",
        "call_cost_in_webhooks": True,
        "outbound": {"outbound_voice_profile_id": "p1", "channel_limit": 7},
    }
    return usual | changes


PROFILE = {"id": "p1", "name": "Default", "enabled": True}


def one(item: dict) -> httpx.Response:
    return httpx.Response(200, json={"data": item})


def check_all(telnyx: OtherEnd) -> list[tuple[str, str]]:
    for request in telnyx.requests:
        if request.method != "DELETE":
            check(request)
    return [(request.method, request.url.path.removeprefix("/v2/").partition("/")[0]) for request in telnyx.requests]


async def test_a_rented_number_is_known():
    telnyx = OtherEnd(recorded(RECORDED, "find_number"))
    assert await carrier(telnyx).owns(NUMBER) == NumberRecord(
        number=NUMBER, carrier_number_id=NUMBER_ID, name="", can_call=True, rented=True
    )
    assert telnyx.last.url.params["filter[phone_number]"] == "15551230002"
    check_all(telnyx)


@pytest.mark.parametrize("reply", [page(), number(phone_number=NUMBER + "9")])
async def test_a_number_that_is_not_there_or_only_looks_alike_is_not_owned(reply):
    assert await carrier(OtherEnd(reply)).owns(NUMBER) is None


async def test_without_an_application_one_is_made_as_recorded_with_a_profile_that_is_there():
    disabled = {"id": "p0", "name": "Outdial", "enabled": False}
    telnyx = OtherEnd(number(), page(), page(disabled, PROFILE), recorded(RECORDED, "create_application"), DONE)
    connected = await carrier(telnyx).connect(NUMBER, **URLS)
    check_all(telnyx)
    assert connected.credentials == {"connection_id": OURS}
    assert connected.undo == {"created": True, "connection_id": OURS}
    made = json.loads(telnyx.requests[3].content)
    theirs = RECORDED["create_application"]["request"]["json"]
    assert made == theirs | {
        "application_name": "Outdial",
        "webhook_event_url": URLS["inbound_url"],
        "outbound": {"outbound_voice_profile_id": "p1"},
    }
    expected = RECORDED["link_number"]["request"]
    assert (telnyx.last.method, str(telnyx.last.url)) == (expected["method"], expected["url"])
    assert telnyx.json == expected["json"]


async def test_without_a_profile_one_is_made_too():
    telnyx = OtherEnd(number(), page(), page(), one({"id": "p9"}), one(application()), DONE)
    await carrier(telnyx).connect(NUMBER, **URLS)
    check_all(telnyx)
    assert json.loads(telnyx.requests[3].content) == {"name": "Outdial"}
    assert json.loads(telnyx.requests[4].content)["outbound"] == {"outbound_voice_profile_id": "p9"}


async def test_our_application_from_before_is_found_by_its_url():
    telnyx = OtherEnd(number(), page(application(id="0", webhook_event_url="https://x"), application()), DONE)
    connected = await carrier(telnyx).connect(NUMBER, **URLS)
    assert connected.undo == {"created": False, "connection_id": OURS}
    assert [method for method, _ in check_all(telnyx)] == ["GET", "GET", "PATCH"]


async def test_a_given_application_is_changed_where_it_has_to_be_and_put_back():
    old = application(webhook_event_url="https://old.example/", webhook_api_version="1", outbound={"channel_limit": 7})
    telnyx = OtherEnd(number(), one(old), page(PROFILE), DONE, DONE)
    connected = await carrier(telnyx, OURS).connect(NUMBER, **URLS)
    check_all(telnyx)
    assert json.loads(telnyx.requests[3].content) == {
        "application_name": "Outdial",
        "webhook_event_url": URLS["inbound_url"],
        "webhook_api_version": "2",
        "outbound": {"channel_limit": 7, "outbound_voice_profile_id": "p1"},
    }
    telnyx = OtherEnd(number(connection_id=OURS), DONE, page(), one(application()), DONE)
    await carrier(telnyx, OURS).disconnect(NUMBER, connected.undo, is_last=True)
    check_all(telnyx)
    assert json.loads(telnyx.requests[1].content) == {"connection_id": ""}
    assert telnyx.json == {
        "application_name": "Outdial",
        "webhook_event_url": "https://old.example/",
        "webhook_api_version": "1",
        "outbound": {"channel_limit": 7},
    }


async def test_an_application_that_answers_other_numbers_stays_as_it_is():
    telnyx = OtherEnd(number(connection_id=OURS), DONE, number(connection_id=OURS))
    await carrier(telnyx, OURS).disconnect(NUMBER, {"connection_id": OURS, "created": True}, is_last=True)
    assert [method for method, _ in check_all(telnyx)] == ["GET", "PATCH", "GET"]


async def test_an_application_we_made_goes_with_its_last_number():
    telnyx = OtherEnd(number(connection_id=OURS), DONE, page(), httpx.Response(200, json={"data": {}}))
    await carrier(telnyx, OURS).disconnect(NUMBER, {"connection_id": OURS, "created": True}, is_last=True)
    assert (telnyx.last.method, telnyx.last.url.path) == ("DELETE", f"/v2/call_control_applications/{OURS}")


async def test_a_number_somebody_assigned_elsewhere_since_is_left_alone():
    telnyx = OtherEnd(number(connection_id=THEIRS), number(connection_id=THEIRS))
    await carrier(telnyx, OURS).disconnect(NUMBER, {"connection_id": OURS, "created": True}, is_last=True)
    assert {method for method, _ in check_all(telnyx)} == {"GET"}


async def test_what_will_be_changed_is_said_before_it_is_changed():
    telnyx = OtherEnd(number(), page(), page())
    found = await carrier(telnyx).connection(NUMBER, **URLS)
    assert found.answered_by == "nothing"
    assert len(found.changes) == 3
    telnyx = OtherEnd(number(connection_id=OURS), one(application(webhook_event_url="https://old.example/")), page())
    found = await carrier(telnyx, OURS).connection(NUMBER, **URLS)
    assert found.answered_by == "https://old.example/"
    assert len(found.changes) == 1
    assert {method for method, _ in check_all(telnyx)} == {"GET"}


@pytest.mark.parametrize(
    ("replies", "connection_id", "code", "word"),
    [
        ([page()], "", "number_not_owned", "does not belong"),
        ([number(connection_id=THEIRS), page()], "", "number_in_use", "another connection"),
        ([number(connection_id=THEIRS), one(application())], OURS, "number_in_use", "another connection"),
        ([number(), NO_SUCH], OURS, "account_not_set_up", "no Call Control"),
    ],
)
async def test_a_number_that_cannot_be_connected_says_why_and_what_to_do(replies, connection_id, code, word):
    for verb in ("connection", "connect"):
        telnyx = OtherEnd(*replies)
        with pytest.raises(CarrierRefused) as raised:
            await getattr(carrier(telnyx, connection_id), verb)(NUMBER, **URLS)
        assert raised.value.code == code
        assert word in raised.value.message
        assert {method for method, _ in check_all(telnyx)} == {"GET"}


async def test_a_list_to_choose_from_is_one_page_and_names_what_can_not_call():
    found = RECORDED["find_number"]["response"]["json"]["data"][0]
    other = found | {"phone_number": "+15551230004", "status": "purchase_pending"}
    pages = {"data": [found, other], "meta": {"page_number": 1, "total_pages": 2}}
    telnyx = OtherEnd(httpx.Response(200, json=pages), httpx.Response(200, json=pages))
    owned = await carrier(telnyx).owned("1230")
    assert [(each.number, each.can_call) for each in owned.numbers] == [(NUMBER, True), ("+15551230004", False)]
    assert owned.more
    assert dict(telnyx.last.url.params) == {"filter[phone_number]": "1230", "page[size]": "100"}
    check_all(telnyx)
    assert [each.number for each in (await carrier(telnyx).owned("04")).numbers] == ["+15551230004"]
    assert dict(telnyx.last.url.params) == {"page[size]": "100"}  # Telnyx finds nothing by two digits
