"""What the REST API refuses, filters and reports. Every reply is checked against Vonage's schemas (see spec.py)."""

import asyncio
from datetime import timedelta

import httpx
import pytest

from outdial.simulator.vonage import tokens

pytestmark = pytest.mark.asyncio(loop_scope="session")

PHONE = {"type": "phone", "number": "12025550100"}


# -- creating a call


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"to": []}, "to"),
        ({"to": [PHONE, PHONE]}, "to"),
        ({"to": [{"type": "phone", "number": "12345678901234567"}]}, "to[0].number"),
        ({"to": [{"type": "phone"}]}, "to[0].number"),
        ({"to": [{"type": "sip", "uri": "sip:a@b.example"}]}, "to[0].type"),
        ({"from": None}, "from"),
        ({"random_from_number": True}, "from"),
        ({"from": None, "random_from_number": True}, "random_from_number"),
        ({"ncco": None}, "answer_url"),
        ({"answer_url": ["https://voice.example/a"], "ncco": []}, "answer_url"),
        ({"ncco": [{"action": "sing"}]}, "ncco[0].action"),
        ({"event_url": ["https://voice.example/a", "https://voice.example/b"]}, "event_url"),
        ({"event_url": None}, "event_url"),
        ({"ringing_timer": 121}, "ringing_timer"),
        ({"length_timer": 0}, "length_timer"),
        ({"machine_detection": "maybe"}, "machine_detection"),
        ({"advanced_machine_detection": {"beep_timeout": 44}}, "advanced_machine_detection.beep_timeout"),
        ({"surprise": 1}, "surprise"),
    ],
)
async def test_a_wrong_field_is_named(setup, fields, name):
    reply = await setup.create("00", **fields)
    assert reply.status_code == 400
    body = reply.json()
    assert (body["title"], body["invalid_parameters"][0]["name"]) == ("Bad Request", name)
    assert await setup.dialled() == []


async def test_a_body_that_is_not_json_is_refused(setup):
    headers = {"content-type": "application/json"}
    assert (await setup.http.post("/v1/calls", content="{", headers=headers)).status_code == 400
    assert (await setup.http.post("/v1/calls", content="a=b")).status_code == 415
    huge = await setup.http.post("/v1/calls", json={"to": "x" * 300_000})
    assert huge.status_code == 413


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer a.b.c", "Basic YTpi", "Bearer ä"])
async def test_a_request_without_a_token_is_refused(setup, authorization):
    headers = {"Authorization": authorization.encode()}
    for path in ("/v1/calls", "/v1/calls/63f61863-4a51-4f6b-86e1-46edebcf9356"):
        reply = await setup.http.get(path, headers=headers)
        assert (reply.status_code, reply.json()["error_title"]) == (401, "Unauthorized")


async def test_an_expired_token_is_refused(setup):
    headers = {"Authorization": f"Bearer {setup.token(iat=1, exp=2)}"}
    assert (await setup.http.get("/v1/calls", headers=headers)).status_code == 401


async def test_an_unknown_method_is_refused(setup):
    assert (await setup.http.delete("/v1/calls")).status_code == 405


async def test_too_many_new_calls_or_requests_in_a_second_are_refused(start):
    async with start(calls_per_second=3, requests_per_second=1) as setup:
        created = await asyncio.gather(*(setup.create("03") for _ in range(4)))
        asked = await asyncio.gather(*(setup.http.get("/v1/calls") for _ in range(3)))
        assert sorted(reply.status_code for reply in created) == [201, 201, 201, 429]
        assert 429 in [reply.status_code for reply in asked]
        assert len(await setup.dialled()) == 3
        await asyncio.sleep(1.01)
        assert (await setup.create("03")).status_code == 201


# -- controlling one


async def test_a_call_that_rings_can_only_be_hung_up(setup):
    uuid = await setup.place("04")
    await setup.customer.wait_for_event("ringing")
    talk = await setup.http.put(f"/v1/calls/{uuid}/talk", json={"text": "Hi"})
    transfer = await setup.update(uuid, action="transfer", destination={"type": "ncco", "ncco": []})
    assert (talk.status_code, transfer.status_code) == (404, 404)


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("", {"action": "jump"}, "action"),
        ("", {"action": "transfer"}, "destination"),
        ("", {"action": "transfer", "destination": {"type": "ncco", "ncco": [{}]}}, "destination.ncco[0].action"),
        ("/dtmf", {"digits": "12x"}, "digits"),
        ("/talk", {"text": ""}, "text"),
        ("/stream", {"stream_url": []}, "stream_url"),
        ("/input/dtmf", {}, "event_url"),
    ],
)
async def test_a_wrong_change_is_named(setup, path, body, name):
    uuid = await setup.place("11", ncco=[{"action": "wait", "timeout": 60}])
    await setup.customer.wait_for_event("answered")
    reply = await setup.http.put(f"/v1/calls/{uuid}{path}", json=body)
    assert (reply.status_code, reply.json()["invalid_parameters"][0]["name"]) == (400, name)


# -- finding one


async def test_calls_are_listed_page_by_page_and_filtered(setup):
    before = setup.simulator.network.clock.now() - timedelta(seconds=1)
    placed = [await setup.place("07") for _ in range(3)]
    for uuid in placed:
        await setup.customer.wait_for_end(uuid)

    async def listed(**query) -> dict:
        return (await setup.http.get("/v1/calls", params={"date_start": before.isoformat(), **query})).json()

    def uuids(page: dict) -> list[str]:
        return [call["uuid"] for call in page["_embedded"]["calls"]]

    first = await listed(page_size=2)
    assert (first["count"], uuids(first), "next" in first["_links"]) == (3, placed[:2], True)
    second = await listed(page_size=2, record_index=2, order="asc")
    assert (uuids(second), "prev" in second["_links"]) == (placed[2:], True)
    assert uuids(await listed(order="desc")) == placed[::-1]
    assert uuids(await listed(status="failed")) == placed
    assert uuids(await listed(status="completed")) == []
    assert uuids(await listed(date_end=before.isoformat())) == []
    found = await setup.fetch(placed[0])
    assert uuids(await listed(conversation_uuid=found["conversation_uuid"])) == placed[:1]


@pytest.mark.parametrize(
    "query", [{"status": "dead"}, {"order": "up"}, {"page_size": 101}, {"record_index": "x"}, {"date_start": "today"}]
)
async def test_a_wrong_filter_is_refused(setup, query):
    reply = await setup.http.get("/v1/calls", params=query)
    assert reply.status_code == 400
    assert reply.json()["invalid_parameters"][0]["name"] == next(iter(query))


async def test_what_has_ended_is_reported(setup):
    failed = await setup.place("07")
    done = await setup.place("11", ncco=[{"action": "wait", "timeout": 0.1}])
    await setup.customer.wait_for_end(failed)
    await setup.customer.wait_for_end(done)

    async def report(**query) -> dict:
        query = {"account_id": setup.config.api_key, **query}
        return (await setup.http.get("/v2/reports/records", params=query, auth=setup.secret)).json()

    told = await report(product="VOICE-CALL", id=f"{done},{failed}")
    assert [record["call_id"] for record in told["records"]] == [done]
    assert told["ids_not_found"] == failed
    assert (told["records"][0]["status"], told["records"][0]["currency"]) == ("completed", "EUR")
    now = setup.simulator.network.clock.now()
    span = {"date_start": (now - timedelta(hours=1)).isoformat(), "date_end": (now + timedelta(hours=1)).isoformat()}
    told = await report(product="VOICE-FAILED", **span)
    assert failed in [record["call_id"] for record in told["records"]]
    for wrong in ({"product": "SMS"}, {"product": "VOICE-CALL"}, {"product": "VOICE-CALL", "id": "x", **span}):
        assert (await report(**wrong))["title"] == "Unprocessable entity"
    assert (await report(product="VOICE-CALL", account_id="other"))["title"] == "Forbidden"


# -- applications and numbers


def with_webhook(name: str, **fields) -> dict:
    return {"name": "x", "capabilities": {"voice": {"webhooks": {name: fields}}}}


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({}, "name"),
        ({"name": "x", "keys": {"public_key": "no key"}}, "keys.public_key"),
        ({"name": "x", "_links": {}}, "_links"),
        (
            with_webhook("answer_url", address="ftp://x"),
            "capabilities.voice.webhooks.answer_url.address",
        ),
        (
            with_webhook("event_url", address="https://x", socket_timeout=1),
            "capabilities.voice.webhooks.event_url.socket_timeout",
        ),
    ],
)
async def test_a_wrong_application_is_refused(setup, body, name):
    reply = await setup.http.post("/v2/applications", json=body, auth=setup.secret)
    assert (reply.status_code, reply.json()["invalid_parameters"][0]["name"]) == (400, name)


async def test_what_is_shown_of_an_application_can_be_put_back(setup):
    path = f"/v2/applications/{setup.config.application_id}"
    shown = (await setup.http.get(path, auth=setup.secret)).json()
    put_back = {name: value for name, value in shown.items() if name != "_links"}
    assert (await setup.http.put(path, json=put_back, auth=setup.secret)).json() == shown
    assert (await setup.http.get("/v2/applications/none", auth=setup.secret)).status_code == 404


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({}, 2),
        ({"pattern": "1555123", "search_pattern": 0}, 2),
        ({"pattern": "30012", "search_pattern": 1}, 1),
        ({"pattern": "30014", "search_pattern": 2}, 1),
        ({"pattern": "30012", "search_pattern": 0}, 0),
        ({"has_application": "true"}, 0),
        ({"country": "GB"}, 0),
    ],
)
async def test_numbers_are_found_by_pattern(setup, query, count):
    told = (await setup.http.get("/account/numbers", params=query, auth=setup.secret)).json()
    assert told["count"] == count
    assert len(told.get("numbers", [])) == count
    assert ("numbers" in told) == bool(count)


async def test_key_and_secret_may_come_in_the_query_or_in_the_form(setup):
    secret = {"api_key": setup.config.api_key, "api_secret": setup.config.api_secret}
    async with httpx.AsyncClient(base_url=setup.simulator.base_url, trust_env=False) as http:
        form = {**secret, "country": "US", "msisdn": setup.number, "voiceCallbackType": "tel"}
        assert (await http.post("/number/update", data=form)).status_code == 200
        assert (await http.get("/account/get-balance", params=secret)).status_code == 200
        assert (await http.get("/account/get-balance")).status_code == 401
    assert setup.account.numbers[setup.number].callback_type == "tel"
    await setup.link("")
    assert setup.account.numbers[setup.number].callback_type == ""


@pytest.mark.parametrize(
    "change", [{"msisdn": "15559999999"}, {"country": "GB"}, {"app_id": "unknown"}, {"voiceCallbackType": "fax"}]
)
async def test_a_wrong_link_is_refused(setup, change):
    form = {"country": "US", "msisdn": setup.number, **change}
    reply = await setup.http.post("/number/update", data=form, auth=setup.secret)
    assert (reply.status_code, reply.json()["error-code"]) == (420, "420")


async def test_the_applications_key_can_be_given(start):
    private_key, public_key = tokens.new_key_pair()
    async with start(private_key=private_key) as setup:
        path = f"/v2/applications/{setup.config.application_id}"
        assert (await setup.http.get(path, auth=setup.secret)).json()["keys"] == {"public_key": public_key}
        assert (await setup.http.get("/v1/calls")).status_code == 200


async def test_the_simulator_tells_what_its_customer_needs(setup):
    told = (await setup.http.get("/_simulator")).json()
    assert told["vonage"] == {
        "api_key": setup.config.api_key,
        "application_id": setup.config.application_id,
        "private_key": setup.account.private_key,
        "numbers": ["+15551230012", "+15551230014"],
        "credentials": {
            "api_key": setup.config.api_key,
            "api_secret": setup.config.api_secret,
            "signature_secret": setup.config.signature_secret,
            "application_id": setup.config.application_id,
            "private_key": setup.account.private_key,
        },
    }
    assert told["twilio"]["numbers"]
