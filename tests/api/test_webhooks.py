"""Webhook endpoints by HTTP: made, shown, changed, tried, their log."""

import pytest
from sqlalchemy import text
from standardwebhooks import Webhook

from outdial.webhooks.event_type import EventType
from webhooks.receiver import Answer, receiving


@pytest.fixture
async def receiver():
    async with receiving() as receiver:
        yield receiver


async def made(client, url: str, **fields) -> dict:
    answer = await client.post("/v1/webhooks", json={"url": url, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_an_endpoint_shows_its_secret_once(client, receiver):
    webhook = await made(client, receiver.url, events=["call.ended"], description="CRM", headers={"X-Tenant": "7"})
    assert webhook["secret"].startswith("whsec_")
    (listed,) = (await client.get("/v1/webhooks")).json()["webhooks"]
    shown = (await client.get(f"/v1/webhooks/{webhook['id']}")).json()
    assert listed == shown == {name: value for name, value in webhook.items() if name != "secret"}
    assert (shown["events"], shown["headers"], shown["status"]) == (["call.ended"], ["X-Tenant"], "active")


async def test_without_events_it_is_told_of_all(client, receiver):
    assert (await made(client, receiver.url))["events"] == list(EventType)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"url": "http://169.254.169.254/latest"}, "url"),
        ({"url": "https://10.0.0.1/x"}, "url"),
        ({"url": "https://[::ffff:10.0.0.1]/x"}, "url"),
        ({"url": "http://93.184.215.14/x"}, "url"),
        ({"url": "https://user:secret@example.com/x"}, "url"),
        ({"url": "https://example.com:5432/x"}, "url"),
        ({"url": "ftp://example.com/x"}, "url"),
        ({"url": "/x"}, "url"),
        ({"url": "https://127.0.0.1:1/x", "events": []}, "events"),
        ({"url": "https://127.0.0.1:1/x", "events": ["call.unheard"]}, "events"),
        ({"url": "https://127.0.0.1:8443/x", "headers": {"webhook-id": "mine"}}, "headers"),
        ({"url": "https://127.0.0.1:8443/x", "headers": {"X-A": "a\r\nb"}}, "headers"),
    ],
)
async def test_what_is_wrong_with_an_endpoint_is_told(client, body, field):
    answer = await client.post("/v1/webhooks", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith(field)
    assert (await client.get("/v1/webhooks")).json()["webhooks"] == []


async def test_an_endpoint_is_changed_paused_resumed_and_removed(client, receiver):
    webhook = await made(client, receiver.url)
    at = f"/v1/webhooks/{webhook['id']}"
    assert (await client.patch(at, json={"events": ["call.ended"]})).json()["events"] == ["call.ended"]
    assert (await client.patch(at, json={"events": None})).json()["events"] == list(EventType)
    assert (await client.patch(at, json={"paused": True})).json()["status"] == "paused"
    assert (await client.patch(at, json={"paused": False})).json()["status"] == "active"
    assert (await client.patch(at, json={"url": "https://10.1.2.3/x"})).status_code == 422
    assert (await client.delete(at)).status_code == 200
    assert (await client.get(at)).status_code == 404
    acts = [entry["act"] for entry in (await client.get("/v1/audit-log?act=webhook")).json()["entries"]]
    assert acts == ["webhook.removed", *["webhook.changed"] * 4, "webhook.added"]


async def test_no_url_and_no_value_of_a_header_comes_into_the_audit_log(client, receiver):
    webhook = await made(client, f"{receiver.url}/path-of-mine", headers={"X-Key": "value-of-mine"})
    await client.patch(f"/v1/webhooks/{webhook['id']}", json={"headers": {"X-Key": "another-of-mine"}})
    log = (await client.get("/v1/audit-log")).text
    assert "webhook.changed" in log
    assert "of-mine" not in log
    assert webhook["secret"] not in log


async def test_what_was_paused_switched_on_and_shown_is_in_the_audit_log(client, engine, receiver):
    webhook = await made(client, receiver.url)
    at = f"/v1/webhooks/{webhook['id']}"
    await client.patch(at, json={"paused": True})
    await client.patch(at, json={"paused": False})
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE webhooks SET off_at = now(), off_reason = 'gone'"))
    await client.patch(at, json={"paused": False, "description": "CRM"})
    await client.get("/v1/webhooks/requests/secret")
    entries = (await client.get("/v1/audit-log?act=webhook")).json()["entries"]
    assert [(entry["act"], entry["details"]) for entry in entries[:4]] == [
        ("webhook.secret_shown", {}),
        ("webhook.changed", {"description": "CRM", "paused": False, "switched_on": True}),
        ("webhook.changed", {"paused": False}),
        ("webhook.changed", {"paused": True}),
    ]


@pytest.mark.parametrize("url", ["https://93.184.215.14?token=of-mine", "https://93.184.215.14:8443/?token=of-mine"])
async def test_no_query_of_a_url_is_told(client, engine, url):
    await made(client, url)
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE webhooks SET off_at = now(), off_reason = 'failing'"))
    for place in ("/v1/audit-log", "/v1/overview"):
        shown = (await client.get(place)).text
        assert "93.184.215.14" in shown
        assert "of-mine" not in shown


async def test_a_test_event_is_sent_at_once_and_is_in_the_log(client, receiver):
    webhook = await made(client, receiver.url, headers={"X-Tenant": "7"}, paused=True)
    tried = (await client.post(f"/v1/webhooks/{webhook['id']}/test", json={"type": "call.transcript"})).json()
    (got,) = receiver.received
    assert tried["delivered"]
    assert (got.json["type"], got.json["data"]["test"], got.headers["x-tenant"]) == ("call.transcript", True, "7")
    Webhook(webhook["secret"]).verify(got.body.decode(), got.headers)
    assert tried["delivery"]["body"] == got.body.decode()
    assert tried["signed"]["length"] == len(f"{got.id}.{got.headers['webhook-timestamp']}.") + len(got.body)
    (logged,) = (await client.get(f"/v1/webhooks/{webhook['id']}/deliveries")).json()["deliveries"]
    assert (logged["state"], logged["tries"][0]["status"], logged["tries"][0]["answer"]) == ("delivered", 200, "ok")


async def test_a_test_that_fails_says_why(client, receiver):
    receiver.answers = lambda received: Answer(status=404, body=b"not registered")
    webhook = await made(client, receiver.url.replace("/hook", "/webhook-test/abc"))
    tried = (await client.post(f"/v1/webhooks/{webhook['id']}/test")).json()
    (told,) = tried["delivery"]["tries"]
    assert not tried["delivered"]
    assert (told["status"], told["answer"], told["problem"]) == (404, "not registered", "not_2xx")
    assert "production URL" in told["hint"]


async def test_a_secret_is_made_anew_once_a_day_unless_forced(client, receiver):
    webhook = await made(client, receiver.url)
    rotate = f"/v1/webhooks/{webhook['id']}/rotate-secret"
    first = (await client.post(rotate)).json()
    assert first["secret"] != webhook["secret"]
    assert first["old_secret_until"] is not None
    refused = await client.post(rotate)
    assert (refused.status_code, refused.json()["code"]) == (409, "rotated_already")
    assert (await client.post(rotate, json={"force": True})).status_code == 200


async def test_requests_have_a_secret_that_is_shown(client):
    first = (await client.get("/v1/webhooks/requests/secret")).json()
    assert first == (await client.get("/v1/webhooks/requests/secret")).json()
    assert (first["id"], first["url"]) == ("requests", None)
    rotated = (await client.post("/v1/webhooks/requests/rotate-secret")).json()
    assert (await client.get("/v1/webhooks/requests/secret")).json()["secret"] == rotated["secret"] != first["secret"]
    assert (await client.get("/v1/webhooks")).json()["webhooks"] == []
    assert (await client.get("/v1/webhooks/requests/deliveries")).json()["deliveries"] == []
    assert (await client.post("/v1/webhooks/requests/test")).json()["code"] == "webhook_has_no_url"
    assert (await client.patch("/v1/webhooks/requests", json={"events": None})).status_code == 422
    assert (await client.delete("/v1/webhooks/requests")).status_code == 404


async def test_what_would_have_been_sent_is_shown_without_an_endpoint(client, tenant):
    call = await client.post(f"/v1/phone-number/{tenant.number_id}/outbound", json={"to": "+15551230001"})
    call_id = call.json()["call_id"]
    (event,) = (await client.get("/v1/webhooks/preview")).json()["events"]
    assert (event["type"], event["sequence"], event["data"]["call"]["id"]) == ("call.queued", 1, call_id)
    assert (await client.get(f"/v1/webhooks/preview?call_id={call_id}")).json()["events"] == [event]
    assert (await client.get("/v1/webhooks/preview?call_id=call_none")).status_code == 404


async def test_a_url_of_a_request_is_checked(client, tenant):
    place = f"/v1/phone-number/{tenant.number_id}/outbound"
    refused = await client.post(place, json={"to": "+15551230001", "webhook_url": "https://192.168.0.1/x"})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "webhook_url"


async def test_the_document_shows_every_payload(app):
    webhooks = app.openapi()["webhooks"]
    assert set(webhooks) == set(EventType)
    for type_, item in webhooks.items():
        (content,) = item["post"]["requestBody"]["content"].values()
        (example,) = content["examples"].values()
        assert example["value"]["type"] == type_
