"""The simulator's REST, used and judged by Twilio's own SDK and checked against Twilio's OpenAPI schemas."""

import asyncio
import json
import re
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
from openapi_schema_validator import OAS30Validator
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from outdial.simulator.twilio import requests
from outdial.simulator.twilio.requests import Form

pytestmark = pytest.mark.asyncio(loop_scope="session")

SPEC = json.loads((Path(__file__).parents[2] / "carriers/specs/twilio_resources.json").read_text())
PAGE_FIELDS = ["page", "page_size", "start", "end", "uri", "first_page_uri", "next_page_uri", "previous_page_uri"]


def assert_conforms(body: dict, schema: str) -> None:
    assert schema in SPEC["components"]["schemas"]
    root = {"$ref": f"#/components/schemas/{schema}", "components": SPEC["components"]}
    problems = [f"{error.json_path}: {error.message}" for error in OAS30Validator(root).iter_errors(body)]
    assert not problems
    for name, rule in SPEC["components"]["schemas"][schema]["properties"].items():
        if rule.get("format") == "date-time-rfc-2822" and body.get(name):
            parsedate_to_datetime(body[name])


def client(setup, username: str | None = None, password: str | None = None) -> Client:
    """Synchronous: call it with asyncio.to_thread."""
    config = setup.config
    made = Client(username or config.account_sid, password or config.auth_token, account_sid=config.account_sid)
    made.api.base_url = setup.simulator.base_url
    return made


async def test_the_sdk_creates_fetches_lists_updates_and_deletes_a_call(setup):
    sdk, config = client(setup), setup.config

    def use() -> None:
        created = sdk.calls.create(
            to="+12025550111",
            from_=config.numbers[0],
            twiml="<Response><Pause length='60'/></Response>",
            status_callback=setup.customer.url("status"),
            status_callback_event=["initiated", "answered", "completed"],
            timeout=20,
            time_limit=100,
            machine_detection="DetectMessageEnd",
            async_amd="true",
        )
        assert (created.status, created.direction) == ("queued", "outbound-api")
        while sdk.calls(created.sid).fetch().status != "in-progress":
            pass
        [listed] = sdk.calls.list(to="+12025550111", status="in-progress", limit=5)
        assert listed.sid == created.sid
        assert listed.start_time is not None
        sdk.calls(created.sid).update(status="completed")
        while (ended := sdk.calls(created.sid).fetch()).status != "completed":
            pass
        assert ended.duration is not None
        assert sdk.calls(created.sid).notifications.list() == []
        assert sdk.calls(created.sid).delete()
        with pytest.raises(TwilioRestException) as missing:
            sdk.calls(created.sid).fetch()
        assert (missing.value.status, missing.value.code) == (404, 20404)

    await asyncio.to_thread(use)
    await setup.customer.wait_for(lambda: len(setup.customer.statuses()) == 3)
    assert setup.customer.statuses() == ["initiated", "in-progress", "completed"]


async def test_the_sdk_reads_account_balance_and_numbers_and_sets_the_voice_url(setup):
    sdk, config = client(setup, *next(iter(setup.config.api_keys.items()))), setup.config

    def use() -> None:
        assert sdk.api.accounts(config.account_sid).fetch().status == "active"
        assert sdk.api.accounts(config.account_sid).balance.fetch().currency == "USD"
        [number] = sdk.incoming_phone_numbers.list(phone_number=config.numbers[0])
        assert number.capabilities["voice"] is True
        changed = number.update(voice_url="https://voice.example/inbound", voice_method="POST")
        assert changed.voice_url == "https://voice.example/inbound"
        assert sdk.incoming_phone_numbers(number.sid).fetch().voice_url == changed.voice_url
        bought = sdk.incoming_phone_numbers.create(phone_number="+15551239999", friendly_name="Spare")
        assert bought.friendly_name == "Spare"
        assert len(sdk.incoming_phone_numbers.list()) == len(config.numbers) + 1
        assert bought.delete()
        [caller_id] = sdk.outgoing_caller_ids.list()
        assert caller_id.phone_number == config.caller_ids[0]

    await asyncio.to_thread(use)


async def test_the_sdk_pages_through_calls_newest_first(setup):
    placed = [(await setup.place("07"))["sid"] for _ in range(5)]
    sdk = client(setup)
    listed = await asyncio.to_thread(lambda: [call.sid for call in sdk.calls.list(page_size=2)])
    assert listed == placed[::-1]


async def test_calls_are_found_by_number_and_time(setup):
    before = setup.simulator.network.clock.now() - timedelta(seconds=2)
    await setup.place("07")
    await setup.place("04")  # rings: has no start time yet
    sdk = client(setup)

    def count(**filters) -> int:
        return len(sdk.calls.list(**filters))

    def use() -> None:
        assert count(start_time_after=before) == 2
        assert count(start_time_after=before, to="+12025550104", from_=setup.config.numbers[0]) == 1
        assert count(start_time_after=before + timedelta(minutes=1)) == 0
        assert count(start_time_before=before) == 0
        assert count(to="+15550000000") == 0

    await asyncio.to_thread(use)
    path = f"{setup.calls_path}.json"
    day = setup.simulator.network.clock.now().date().isoformat()
    assert len((await setup.http.get(path, params={"StartTime>": day})).json()["calls"]) == 2
    assert (await setup.http.get(path, params={"StartTime>": "soon"})).json()["code"] == 20001


async def test_replies_conform_to_twilios_schemas(setup):
    created = await setup.place("03")
    await setup.customer.wait_for_end()
    account = f"/2010-04-01/Accounts/{setup.config.account_sid}"

    async def get(path: str) -> dict:
        reply = await setup.http.get(account + path)
        assert reply.status_code == 200
        assert re.fullmatch("RQ[0-9a-f]{32}", reply.headers["twilio-request-id"])
        assert reply.headers["twilio-concurrent-requests"] == "1"
        return reply.json()

    assert_conforms(created, "api.v2010.account.call")
    assert_conforms(await get(f"/Calls/{created['sid']}.json"), "api.v2010.account.call")
    assert_conforms(await get(".json"), "api.v2010.account")
    assert_conforms(await get("/Balance.json"), "api.v2010.account.balance")
    for path, key, schema in (
        ("/Calls.json", "calls", "api.v2010.account.call"),
        ("/IncomingPhoneNumbers.json", "incoming_phone_numbers", "api.v2010.account.incoming_phone_number"),
        ("/OutgoingCallerIds.json", "outgoing_caller_ids", "api.v2010.account.outgoing_caller_id"),
    ):
        page = await get(path)
        assert set(page) == {*PAGE_FIELDS, key}
        for item in page[key]:
            assert_conforms(item, schema)


async def test_notifications_conform_to_twilios_schema(setup):
    call = await setup.place("11", twiml="<Nonsense/>")
    await setup.customer.wait_for_end()
    page = (await setup.http.get(f"{setup.calls_path}/{call['sid']}/Notifications.json")).json()
    [notification] = page["notifications"]
    assert_conforms(notification, "api.v2010.account.call.call_notification")
    assert notification["error_code"] == "12100"


# -- refusals


REFUSED = [
    ({"To": ""}, 21201),
    ({"From": ""}, 21213),
    ({"To": "+1555"}, 21211),
    ({"To": "12025550100"}, 21211),
    ({"From": "+1555"}, 21212),
    ({"From": "+15559998888"}, 21210),
    ({"Twiml": ""}, 21205),
    ({"Url": "ftp://voice.example"}, 21205),
    ({"Url": "http://[broken"}, 21205),
    ({"Url": "http://voice.example", "Method": "PATCH"}, 21209),
    ({"Twiml": "x" * 4001}, 20001),
    ({"ApplicationSid": "AP" + "1" * 32}, 21218),
    ({"SendDigits": "12x"}, 21206),
    ({"SendDigits": "1" * 33}, 21206),
    ({"Timeout": "601"}, 21208),
    ({"Timeout": "soon"}, 21208),
    ({"StatusCallback": "nowhere"}, 21609),
    ({"StatusCallbackEvent": "exploded"}, 21626),
    ({"MachineDetection": "Maybe"}, 20001),
    ({"MachineDetection": "Enable", "MachineDetectionTimeout": "60"}, 20001),
    # Magic numbers.
    ({"From": "+15005550001"}, 21212),
    ({"To": "+15005550001"}, 21217),
    ({"To": "+15005550002"}, 21214),
    ({"To": "+15005550003"}, 21215),
    ({"To": "+15005550004"}, 21216),
]


async def test_a_wrong_call_is_refused_with_twilios_code_and_dials_nobody(setup):
    for fields, code in REFUSED:
        reply = await setup.create("00", **fields)
        body = reply.json()
        assert (fields, reply.status_code, body["code"]) == (fields, 400, code)
        assert_conforms(body, "Error")
        assert body["more_info"] == f"https://www.twilio.com/docs/errors/{code}"
    assert await setup.dialled() == []


async def test_detection_is_ignored_when_digits_are_sent():
    form = urlencode({"Twiml": "<Response/>", "MachineDetection": "Enable"})
    assert requests.wishes(Form(form)).detection is not None
    assert requests.wishes(Form(form + "&SendDigits=1")).detection is None


async def test_wrong_credentials_are_refused(setup):
    config = setup.config
    for auth in (None, (config.account_sid, "wrong"), ("AC" + "0" * 32, config.auth_token), ("", "")):
        async with httpx.AsyncClient(base_url=setup.simulator.base_url, auth=auth, trust_env=False) as http:
            reply = await http.get(f"{setup.calls_path}.json")
        assert (reply.status_code, reply.json()["code"]) == (401, 20003)
    other = f"/2010-04-01/Accounts/AC{'0' * 32}/Calls.json"
    assert (await setup.http.get(other)).json()["code"] == 20003


async def test_what_does_not_exist_is_a_twilio_404(setup):
    for path in (f"{setup.calls_path}/CA{'0' * 32}.json", "/2010-04-01/Nothing.json"):
        reply = await setup.http.get(path)
        assert (reply.status_code, reply.json()["code"]) == (404, 20404)
    assert (await setup.http.put(f"{setup.calls_path}.json")).status_code == 404


async def test_bodies_that_are_not_forms_are_refused(setup):
    path = f"{setup.calls_path}.json"
    for content, status in ((b"\xff\xfe", 400), (b"a=%ff", 400), (b"x" * 100_000, 413), (b"a&" * 300, 400)):
        reply = await setup.http.post(path, content=content)
        assert (len(content), reply.status_code) == (len(content), status)


async def test_too_many_requests_at_once_are_throttled(start):
    async with start(max_concurrent_requests=0) as setup:
        reply = await setup.create("00")
        assert (reply.status_code, reply.json()["code"]) == (429, 20429)


async def test_test_credentials_check_a_call_and_place_none(setup):
    config = setup.config
    base = f"/2010-04-01/Accounts/{config.test_account_sid}"
    async with httpx.AsyncClient(
        base_url=setup.simulator.base_url,
        auth=(config.test_account_sid, config.test_auth_token),
        trust_env=False,
    ) as http:
        form = {"To": "+12025550100", "From": "+15005550006", "Twiml": "<Response/>"}
        reply = await http.post(f"{base}/Calls.json", data=form)
        assert reply.status_code == 201
        assert_conforms(reply.json(), "api.v2010.account.call")
        owned_by_nobody = await http.post(f"{base}/Calls.json", data={**form, "From": config.numbers[0]})
        assert owned_by_nobody.json()["code"] == 21210
        bought = await http.post(f"{base}/IncomingPhoneNumbers.json", data={"PhoneNumber": "+15005550006"})
        assert bought.status_code == 201
        taken = await http.post(f"{base}/IncomingPhoneNumbers.json", data={"PhoneNumber": "+15005550000"})
        assert taken.json()["code"] == 21422
        assert (await http.get(f"{base}/Calls.json")).json()["code"] == 20008
    assert await setup.dialled() == []
