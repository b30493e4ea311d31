"""Whatever is sent, the outbound endpoint answers with one of its documented statuses, and says why."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

DOCUMENTED = {200, 401, 403, 404, 409, 413, 415, 422, 429, 503}
RULES = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

text = st.text(st.characters(codec=None), max_size=20)  # with surrogates and control characters
scalars = st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.floats() | text
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4), max_leaves=12
)
instants = st.datetimes().map(str) | st.datetimes(timezones=st.timezones()).map(lambda at: at.isoformat())
limits = st.sampled_from([-1, 0, 1, 3, 10, 59, 60, 600, 14_400, 2**31, 2**63, 1e300])
retry = st.fixed_dictionaries(
    {},
    optional={
        "max_attempts": limits | anything,
        "on": st.lists(st.sampled_from(["busy", "no_answer", "failed", "machine", "x"])) | anything,
        "delays_s": st.lists(limits) | anything,
    },
)
amd = st.fixed_dictionaries(
    {},
    optional={
        "on_machine": st.sampled_from(["hang_up", "leave_message", "continue"]) | anything,
        "message": text | anything,
        "max_wait_s": limits | anything,
    },
)
bodies = st.fixed_dictionaries(
    {"to": st.sampled_from(["+15551234567", "+0", "5551234567"]) | anything},
    optional={
        "variables": st.dictionaries(text, anything, max_size=5) | anything,
        "amd": st.booleans() | amd | anything,
        "on_limit": st.sampled_from(["queue", "reject"]) | anything,
        "not_before": instants | anything,
        "expires_at": instants | anything,
        "retry": retry | anything,
        "ring_timeout_s": limits | anything,
        "max_duration_s": limits | anything,
        "metadata": st.dictionaries(text, anything, max_size=5) | anything,
    },
)
header_values = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=30)


def assert_answered(answer):
    assert answer.status_code in DOCUMENTED, answer.text
    if answer.status_code == 200:
        assert answer.json().keys() == {"call_id", "status", "status_url"}
        return
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["message"]
    assert body["code"]
    assert body["status"] == answer.status_code
    if answer.status_code == 422:
        assert all(error["field"] and error["message"] for error in body["errors"])


@pytest.fixture
def url(tenant):
    return f"/v1/phone-number/{tenant.number_id}/outbound"


@RULES
@given(body=bodies | anything, unknown=st.dictionaries(text, anything, max_size=1))
async def test_every_field_may_be_wrong_in_every_way(client, url, body, unknown):
    if isinstance(body, dict):
        body = body | unknown
    answer = await client.post(url, content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert_answered(answer)


@RULES
@given(content=st.binary(max_size=200), content_type=st.just("application/json") | header_values)
async def test_any_bytes_are_answered(client, url, content, content_type):
    headers = {"Content-Type": content_type.encode("latin-1")}
    assert_answered(await client.post(url, content=content, headers=headers))


@RULES
@given(key=header_values, idempotency_key=header_values)
async def test_any_header_is_answered(client, url, key, idempotency_key):
    good = {"Idempotency-Key": idempotency_key.encode("latin-1")}
    assert_answered(await client.post(url, json={"to": "+15551234567"}, headers=good))
    bad = good | {"Authorization": key.encode("latin-1")}
    answer = await client.post(url, json={"to": "+15551234567"}, headers=bad)
    assert answer.status_code == 401
    assert_answered(answer)
