"""The in-call verbs over HTTP: what they take, and what they answer without a worker."""

import pytest
from sqlalchemy import insert

from outdial.db.tables import calls
from outdial.ids import new_id
from tenants import E164

BODIES = {
    ("POST", "say"): {"text": "Your doctor is late today."},
    ("POST", "digits"): {"digits": "1w#"},
    ("POST", "transfer"): {"to": "+15551230009"},
    ("POST", "whisper"): {"text": "Offer ten percent off."},
    ("POST", "take-over"): {"to": "+15551230009", "text": "My colleague takes over."},
    ("PATCH", "variables"): {"plan": "Premium", "visits": [1, 2]},
}


@pytest.fixture
async def call_id(engine, tenant):
    call_id = new_id("call")
    row = {
        "id": call_id,
        "workspace_id": tenant.workspace_id,
        "number_id": tenant.number_id,
        "direction": "outbound",
        "state": "ended",
        "end_reason": "completed",
        "from_": E164,
        "to": "+15551234567",
        "ring_timeout_s": 30,
        "max_duration_s": 600,
    }
    async with engine.begin() as conn:
        await conn.execute(insert(calls).values(row))
    return call_id


@pytest.mark.parametrize(("method", "verb"), BODIES)
async def test_an_ended_call_takes_no_orders(client, call_id, method, verb):
    answer = await client.request(method, f"/v1/calls/{call_id}/{verb}", json=BODIES[method, verb])
    assert (answer.status_code, answer.json()["code"]) == (409, "call_ended")
    assert answer.json()["message"] == "The call has ended already."


@pytest.mark.parametrize(("method", "verb"), BODIES)
async def test_an_unknown_call_is_404(client, method, verb):
    answer = await client.request(method, f"/v1/calls/call_none/{verb}", json=BODIES[method, verb])
    assert (answer.status_code, answer.json()["code"]) == (404, "call_not_found")


@pytest.mark.parametrize(
    ("method", "verb", "body", "field"),
    [
        ("POST", "say", {}, "text"),
        ("POST", "say", {"text": ""}, "text"),
        ("POST", "say", {"text": "x" * 1001}, "text"),
        ("POST", "say", {"text": "Hello", "interrupt": "yes"}, "interrupt"),
        ("POST", "say", {"text": "Hello", "loud": True}, "loud"),
        ("POST", "digits", {"digits": ""}, "digits"),
        ("POST", "digits", {"digits": "12x"}, "digits"),
        ("POST", "digits", {"digits": 12}, "digits"),
        ("POST", "digits", {"digits": "1" * 65}, "digits"),
        ("POST", "transfer", {"to": "5551230009"}, "to"),
        ("POST", "transfer", {}, "to"),
        ("POST", "whisper", {"text": ""}, "text"),
        ("POST", "whisper", {"text": "x" * 1001}, "text"),
        ("POST", "take-over", {"to": "5551230009"}, "to"),
        ("POST", "take-over", {"to": "+15551230009", "text": ""}, "text"),
        ("PATCH", "variables", [], "body"),
        ("PATCH", "variables", {"a": "\0"}, "a"),
        ("PATCH", "variables", {"a": [{"b": 2**63}]}, "a[0].b"),
        ("PATCH", "variables", {str(n): n for n in range(201)}, "body"),
    ],
)
async def test_a_wrong_field_is_named(client, call_id, method, verb, body, field):
    answer = await client.request(method, f"/v1/calls/{call_id}/{verb}", json=body)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
