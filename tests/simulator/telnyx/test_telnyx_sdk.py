"""The simulator's REST, used by Telnyx's own SDK and checked against Telnyx's OpenAPI document."""

import json
from functools import cache
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from openapi_schema_validator import OAS31Validator
from telnyx import APIStatusError, AsyncTelnyx

from simulator.telnyx.telnyx_requests import REFUSED

pytestmark = pytest.mark.asyncio(loop_scope="session")

# The document states no licence, so it is not part of this repository.
SPEC_FILE = Path(__file__).parents[4] / "shared/carriers/specs/telnyx_voice.json"


@cache
def spec() -> dict:
    if not SPEC_FILE.exists():
        pytest.skip("Telnyx's OpenAPI document is not at hand")
    return json.loads(SPEC_FILE.read_text())


def problems(body: object, schema: dict) -> list[str]:
    root = {**schema, "components": spec()["components"]}
    return [f"{error.json_path}: {error.message}" for error in OAS31Validator(root).iter_errors(body)]


def assert_reply_conforms(reply: httpx.Response, path: str, method: str = "get") -> dict:
    responses = spec()["paths"][path][method]["responses"]
    answer = responses.get(str(reply.status_code)) or responses["default"]
    if "$ref" in answer:
        answer = spec()["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    body = reply.json()
    assert not problems(body, answer["content"]["application/json"]["schema"])
    return body


@pytest_asyncio.fixture(loop_scope="session")
async def sdk(setup):
    client = AsyncTelnyx(
        api_key=setup.config.api_key,
        base_url=f"{setup.simulator.base_url}/v2",
        max_retries=0,
        http_client=httpx.AsyncClient(trust_env=False),
    )
    async with client:
        yield client


async def test_the_sdk_dials_commands_and_looks_up_a_call(setup, sdk):
    customer, config = setup.customer, setup.config
    dialled = (
        await sdk.calls.dial(
            connection_id=config.connection_id,
            to="+12025550111",
            from_=config.numbers[0],
            timeout_secs=20,
            time_limit_secs=100,
            webhook_url=customer.url("events"),
            client_state="Y2FsbF8x",
            command_id="5d2b1f0e-0000-4000-8000-000000000001",
            answering_machine_detection="premium",
            answering_machine_detection_config={"total_analysis_time_millis": 4000},
            stream_url=customer.media_url,
            stream_track="inbound_track",
            stream_codec="PCMU",
            stream_bidirectional_mode="rtp",
            stream_bidirectional_codec="PCMU",
        )
    ).data
    assert (dialled.is_alive, dialled.record_type) == (False, "call")
    await customer.event("streaming.started")
    id_ = dialled.call_control_id
    status = (await sdk.calls.retrieve_status(id_)).data
    assert (status.is_alive, status.call_leg_id, status.end_time) == (True, dialled.call_leg_id, None)
    [active] = [item async for item in sdk.connections.list_active_calls(config.connection_id)]
    assert active.call_control_id == id_
    assert (await sdk.calls.actions.send_dtmf(id_, digits="w1#")).data.result == "ok"
    assert (await sdk.calls.actions.speak(id_, payload="Hello", voice="female")).data.result == "ok"
    assert (await sdk.calls.actions.stop_streaming(id_)).data.result == "ok"
    assert (await sdk.calls.actions.update_client_state(id_, client_state="bmV3")).data.result == "ok"
    assert (await sdk.calls.actions.hangup(id_, command_id="c")).data.result == "ok"
    await customer.event("call.hangup")
    ended = (await sdk.calls.retrieve_status(id_)).data
    assert (ended.is_alive, ended.client_state) == (False, "bmV3")
    assert ended.end_time is not None
    events = [item async for item in sdk.call_events.list(filter={"leg_id": dialled.call_leg_id})]
    assert [event.name for event in events if event.type == "command"] == [
        "send_dtmf",
        "speak",
        "streaming_stop",
        "client_state_update",
        "hangup",
    ]
    hangup = next(event for event in events if event.name == "call.hangup")
    assert hangup.metadata["payload"]["hangup_cause"] == "normal_clearing"
    records = [item async for item in sdk.detail_records.list(filter={"record_type": "call-control"})]
    assert dialled.call_leg_id in [record.call_leg_id for record in records]
    with pytest.raises(APIStatusError) as refused:
        await sdk.calls.actions.hangup(id_)
    assert refused.value.status_code == 422


async def test_the_sdk_configures_an_account_from_nothing(setup, sdk):
    account = setup.simulator.telnyx
    assert (await sdk.balance.retrieve()).data.currency == "USD"
    profile = (await sdk.outbound_voice_profiles.create(name="Outbound", whitelisted_destinations=["US", "GB"])).data
    assert (profile.whitelisted_destinations, profile.connections_count) == (["US", "GB"], 0)
    created = (
        await sdk.call_control_applications.create(
            application_name="outbound",
            webhook_event_url="https://voice.example/callbacks/telnyx",
            webhook_api_version="2",
            webhook_timeout_secs=5,
            call_cost_in_webhooks=True,
            outbound={"outbound_voice_profile_id": profile.id},
        )
    ).data
    assert created.outbound.outbound_voice_profile_id == profile.id
    changed = (
        await sdk.call_control_applications.update(
            created.id, application_name="outbound", webhook_event_url="https://voice.example/other"
        )
    ).data
    assert (changed.webhook_event_url, changed.webhook_timeout_secs) == ("https://voice.example/other", 5)
    filter_ = {"application_name": {"contains": "OUTB"}}
    assert [item.id async for item in sdk.call_control_applications.list(filter=filter_)] == [created.id]
    assert (await sdk.outbound_voice_profiles.retrieve(profile.id)).data.connections_count == 1

    [number] = [item async for item in sdk.phone_numbers.list(filter={"phone_number": setup.config.numbers[1][1:]})]
    assert (number.phone_number, number.connection_id) == (setup.config.numbers[1], None)
    linked = (await sdk.phone_numbers.update(number.id, connection_id=created.id)).data
    assert (linked.connection_id, linked.connection_name) == (created.id, "outbound")
    assert [item.id async for item in sdk.phone_numbers.list(filter={"connection_id": created.id})] == [number.id]
    with pytest.raises(APIStatusError):
        await sdk.call_control_applications.delete(created.id)
    freed = await setup.http.patch(f"/phone_numbers/{number.id}", json={"connection_id": ""})
    assert freed.json()["data"]["connection_id"] is None
    assert (await sdk.call_control_applications.delete(created.id)).data.id == created.id
    await sdk.outbound_voice_profiles.delete(profile.id)
    assert list(account.applications) == [setup.config.connection_id]
    verified = [item.phone_number async for item in sdk.verified_numbers.list()]
    assert verified == list(setup.config.verified_numbers)


async def test_an_application_is_of_version_1_unless_told_otherwise(setup):
    body = {"application_name": "old", "webhook_event_url": "https://voice.example"}
    created = (await setup.http.post("/call_control_applications", json=body)).json()["data"]
    assert created["webhook_api_version"] == "1"
    assert (await setup.http.delete(f"/call_control_applications/{created['id']}")).status_code == 200


async def test_active_calls_are_paged_by_cursor(setup):
    placed = [await setup.answered() for _ in range(5)]
    path = f"/connections/{setup.config.connection_id}/active_calls"
    listed, query = [], {"page[limit]": 2}
    while True:
        page = (await setup.http.get(path, params=query)).json()
        listed += [item["call_control_id"] for item in page["data"]]
        if "next" not in page["meta"]:
            break
        query["page[after]"] = page["meta"]["cursors"]["after"]
    assert listed == placed
    assert page["meta"]["total_items"] == 5
    before = (await setup.http.get(path, params={"page[before]": page["meta"]["cursors"]["before"]})).json()
    assert [item["call_control_id"] for item in before["data"]] == placed[:4]


async def test_replies_conform_to_telnyxs_document(setup):
    created = await setup.create("11")
    call = assert_reply_conforms(created, "/calls", "post")["data"]
    await setup.customer.event("call.answered")

    async def get(path: str, template: str, **query: str) -> dict:
        return assert_reply_conforms(await setup.http.get(path, params=query), template)

    await get(f"/calls/{call['call_control_id']}", "/calls/{call_control_id}")
    connection = setup.config.connection_id
    await get(f"/connections/{connection}/active_calls", "/connections/{connection_id}/active_calls")
    await get("/call_events", "/call_events", **{"filter[leg_id]": call["call_leg_id"]})
    await get("/balance", "/balance")
    await get("/verified_numbers", "/verified_numbers")
    for template in ("/phone_numbers", "/call_control_applications", "/outbound_voice_profiles"):
        [first, *_] = (await get(template, template))["data"]
        await get(f"{template}/{first['id']}", template + "/{id}")
    hangup = "/calls/{call_control_id}/actions/hangup"
    assert_reply_conforms(await setup.act(call["call_control_id"], "hangup"), hangup, "post")
    await setup.customer.event("call.hangup")
    await get(f"/calls/{call['call_control_id']}", "/calls/{call_control_id}")
    [delivery, *_] = (await get("/webhook_deliveries", "/webhook_deliveries"))["data"]
    await get(f"/webhook_deliveries/{delivery['id']}", "/webhook_deliveries/{id}")
    assert_reply_conforms(await setup.act(call["call_control_id"], "hangup"), hangup, "post")
    assert_reply_conforms(await setup.create(to="no number"), "/calls", "post")


async def test_callbacks_conform_to_telnyxs_document(setup):
    customer = setup.customer
    schemas = {}
    for webhook in spec()["webhooks"].values():
        event = webhook["post"]["requestBody"]["content"]["application/json"]["schema"]
        resolved = spec()["components"]["schemas"][event["$ref"].rpartition("/")[2]]
        data = spec()["components"]["schemas"][resolved["properties"]["data"]["$ref"].rpartition("/")[2]]
        for name in data["properties"]["event_type"]["enum"]:
            schemas[name] = resolved
    call_control_id = await setup.answered("14", **setup.streaming(), answering_machine_detection="detect")
    await setup.act(call_control_id, "speak", payload="Hello " * 20, voice="female")
    await setup.act(call_control_id, "playback_start", audio_url="https://voice.example/a.wav")
    await customer.event("call.machine.detection.ended")
    await customer.event("call.dtmf.received", 20)
    await setup.act(call_control_id, "transfer", to="+12025550111", **{"from": setup.config.numbers[0]},
                    webhook_url=customer.url("target"))
    await customer.event("call.bridged")
    await setup.act(call_control_id, "hangup")
    await customer.wait_for(lambda: len(customer.of("call.hangup")) == 2)
    for item in customer.received:
        assert not problems(item.body, schemas[item.event]), item.event
    assert len(set(customer.events())) >= 10


# -- refusals


async def test_a_wrong_call_is_refused_with_telnyxs_code_and_dials_nobody(setup):
    for fields, code, pointer in REFUSED:
        reply = await setup.create(**fields)
        [error] = reply.json()["errors"]
        assert (fields, reply.status_code, error["code"]) == (fields, 422, code)
        assert error["source"] == {"pointer": pointer}
        assert error["meta"]["url"].endswith(code)
    assert await setup.known() == []


async def test_wrong_credentials_are_refused(setup):
    for value in (None, "Bearer wrong", f"Basic {setup.config.api_key}", "Bearer", "Bearer \u00e9"):
        headers = {} if value is None else {"authorization": value.encode()}
        reply = await setup.root.get("/v2/balance", headers=headers)
        assert (reply.status_code, reply.json()["errors"][0]["code"]) == (401, "10009")


async def test_what_does_not_exist_is_a_telnyx_404(setup):
    for method, path in (
        ("GET", "/nothing"),
        ("DELETE", "/balance"),
        ("GET", "/phone_numbers/1"),
        ("GET", "/connections/1/active_calls"),
        ("GET", "/webhook_deliveries/1"),
        ("POST", "/calls/v3:x/actions/gather"),
    ):
        reply = await setup.http.request(method, path)
        assert (path, reply.status_code, reply.json()["errors"][0]["code"]) == (path, 404, "10005")
    reply = await setup.http.get("/calls/v3:unknown")
    assert (reply.status_code, reply.json()["errors"][0]["code"]) == (422, "90015")


async def test_bodies_and_queries_that_are_wrong_are_refused(setup):
    for content, status in ((b"not json", 400), (b"[]", 400), (b"[" * 60_000, 400), (b" " * 100_000, 413)):
        assert (await setup.http.post("/calls", content=content)).status_code == status
    for path, query, status in (
        ("/call_events", {"filter[leg_id]": "1"}, 422),
        ("/detail_records", {}, 422),
        ("/phone_numbers", {"page[size]": "251"}, 400),
        ("/phone_numbers", {"page[number]": "first"}, 400),
    ):
        assert (await setup.http.get(path, params=query)).status_code == status


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/call_control_applications", {"application_name": "x"}),
        ("/call_control_applications", {"application_name": "x", "webhook_event_url": "nowhere"}),
        ("/call_control_applications", {"application_name": "x", "webhook_event_url": "http://a", "tags": [1]}),
        (
            "/call_control_applications",
            {"application_name": "x", "webhook_event_url": "http://a", "outbound": {"outbound_voice_profile_id": "1"}},
        ),
        ("/outbound_voice_profiles", {}),
        ("/outbound_voice_profiles", {"name": "x", "max_destination_rate": "high"}),
    ],
)
async def test_wrong_configuration_is_refused(setup, path, body):
    before = len((await setup.http.get(path)).json()["data"])
    assert (await setup.http.post(path, json=body)).status_code == 422
    assert len((await setup.http.get(path)).json()["data"]) == before


async def test_a_number_cannot_be_connected_to_an_application_that_does_not_exist(setup):
    [number, *_] = (await setup.http.get("/phone_numbers")).json()["data"]
    reply = await setup.http.patch(f"/phone_numbers/{number['id']}", json={"connection_id": "1"})
    assert reply.json()["errors"][0]["source"] == {"pointer": "/connection_id"}


async def test_the_simulator_tells_what_is_needed_to_use_the_account(setup):
    told = (await setup.root.get("/_simulator")).json()
    assert told["telnyx"]["connection_id"] == setup.config.connection_id
    assert told["telnyx"]["public_key"] == setup.customer.public_key
    assert told["telnyx"]["numbers"] == list(setup.config.numbers)
    assert set(told) >= {"twilio", "telnyx"}
    assert told["telnyx"]["credentials"] == {
        "api_key": setup.config.api_key,
        "public_key": setup.customer.public_key,
        "connection_id": setup.config.connection_id,
    }
