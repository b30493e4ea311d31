import asyncio
from dataclasses import replace

import httpx
import pytest
from sqlalchemy import func, select, text, update

from outdial.api.app import create_api
from outdial.api.services import Services
from outdial.db.engine import create_engine, put_away
from outdial.db.tables import calls, pools
from outdial.workspaces.plans import Plan
from tenants import E164, make_tenant

TO = "+15551234567"
BODY = {"to": TO, "variables": {"user_name": "Jane", "account_type": "Premium"}, "amd": True}


@pytest.fixture
def url(tenant):
    return f"/v1/phone-number/{tenant.number_id}/outbound"


@pytest.fixture
def stored(engine):
    async def rows():
        async with engine.connect() as conn:
            return (await conn.execute(select(calls).order_by(calls.c.created_at))).mappings().all()

    return rows


def assert_problem(answer, status, code):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["code"] == code
    assert body["status"] == status
    assert body["message"] == body["detail"] != ""
    assert body["type"].endswith(code)
    assert body["title"]
    return body


# -- the contract --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "to", ["\u202a+15551234567\u202c", "\ufeff+15551234567", "\uff0b15551234567", "+1555\u00a01234567"]
)
async def test_a_number_copied_from_somewhere_is_the_number_that_was_seen(client, url, stored, to):
    answer = await client.post(url, json={"to": to, "variables": {"name": "undefined", "flag": "#N/A"}})
    assert answer.status_code == 200
    [call] = await stored()
    assert (call["to"], call["variables"]) == ("+15551234567", {"name": "undefined", "flag": "#N/A"})


async def test_whatever_else_is_in_a_number_is_named(client, url):
    body = assert_problem(await client.post(url, json={"to": "+15551234567 "}), 422, "invalid_request")
    assert "U+0020 SPACE" in body["errors"][0]["message"]
    body = assert_problem(await client.post(url, json={"to": "(202) 555-0100"}), 422, "invalid_request")
    assert "is written +15551234567" in body["errors"][0]["message"]


@pytest.mark.parametrize("version", ["v1", "v1alpha1"])
@pytest.mark.parametrize("prefix", ["", "Bearer ", "bearer "])
async def test_the_contract_s_request_is_accepted(client, tenant, stored, version, prefix):
    answer = await client.post(
        f"/{version}/phone-number/{tenant.number_id}/outbound",
        json=BODY,
        headers={"Authorization": prefix + tenant.key},
    )
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body == {
        "call_id": body["call_id"],
        "status": "queued",
        "status_url": f"https://voice.example/v1/calls/{body['call_id']}",
    }
    (call,) = await stored()
    assert call["id"] == body["call_id"]
    assert (call["from_"], call["to"]) == (E164, TO)
    assert (call["state"], call["direction"]) == ("queued", "outbound")
    assert (call["agent_id"], call["agent_version"]) == (tenant.agent_id, 1)
    assert call["variables"] == BODY["variables"]
    assert call["detection"] == {"on_machine": None, "message": None, "max_wait_s": 30, "by": "carrier"}


async def test_only_to_is_needed(client, url, stored):
    answer = await client.post(url, json={"to": TO})
    assert answer.status_code == 200
    (call,) = await stored()
    assert call["variables"] == {}
    assert call["detection"] is None
    assert call["retry"] is None
    assert call["ring_timeout_s"] == 30


async def test_null_is_the_same_as_leaving_an_optional_field_out(client, url):
    answer = await client.post(url, json={"to": TO, "variables": None, "amd": None, "retry": None})
    assert answer.status_code == 200


async def test_a_content_type_may_carry_parameters(client, url):
    answer = await client.post(
        url, content=b'{"to": "+15551234567"}', headers={"Content-Type": "Application/JSON; charset=utf-8"}
    )
    assert answer.status_code == 200


# -- who may -------------------------------------------------------------------------------------------------


async def test_a_bad_or_missing_key_is_401(app, url):
    wrong = ["", "Bearer ", "Bearer", "od_wrong", "Bearer od_wrong", "Basic b2Q6b2Q=", "x" * 5000, "ö"]
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="https://voice.example") as stranger:
        for headers in [{}, *({"Authorization": value.encode()} for value in wrong)]:
            answer = await stranger.post(url, json=BODY, headers=headers)
            assert_problem(answer, 401, "unauthorized")
            assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_stranger_s_body_isn_t_even_parsed(client, url):
    answer = await client.post(url, content=b"{not json", headers={"Authorization": "od_wrong"})
    assert_problem(answer, 401, "unauthorized")


async def test_two_authorization_headers_are_refused(client, url, tenant):
    headers = [("Authorization", tenant.key), ("Authorization", "other")]
    assert_problem(await client.post(url, json=BODY, headers=headers), 401, "unauthorized")


async def test_a_revoked_key_is_401_at_once(client, operator, url, tenant):
    made = (await operator.post("/v1/api-keys", json={"name": "Zapier"})).json()
    headers = {"Authorization": made["key"]}
    assert (await client.post(url, json=BODY, headers=headers)).status_code == 200
    assert (await operator.delete(f"/v1/api-keys/{made['id']}")).json()["revoked_at"]
    assert_problem(await client.post(url, json=BODY, headers=headers), 401, "unauthorized")


async def test_a_number_of_another_workspace_is_403(client, engine, stored):
    other = await make_tenant(engine)
    answer = await client.post(f"/v1/phone-number/{other.number_id}/outbound", json=BODY)
    assert_problem(answer, 403, "number_of_another_workspace")
    assert await stored() == []


async def test_an_unknown_number_is_404(client):
    for number_id in ("num_unknown", "nonsense", "num_%00", "num_'", "%F0%9F%98%80", "num_" + "x" * 900):
        answer = await client.post(f"/v1/phone-number/{number_id}/outbound", json=BODY)
        assert_problem(answer, 404, "number_not_found")


# -- what stands in the way ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ({"direction": "inbound"}, "number_cannot_dial_out"),
        ({"agent_id": None}, "number_has_no_agent"),
    ],
)
async def test_a_number_that_can_t_dial_is_409(client, engine, number, code):
    other = await make_tenant(engine, **number)
    answer = await client.post(
        f"/v1/phone-number/{other.number_id}/outbound", json=BODY, headers={"Authorization": other.key}
    )
    assert_problem(answer, 409, code)


async def test_an_agent_that_was_never_published_is_409_unless_the_number_uses_drafts(client, engine, url, stored):
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE agents SET published_version = NULL"))
    assert_problem(await client.post(url, json=BODY), 409, "agent_not_published")
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE numbers SET agent_version = 'draft'"))
    assert (await client.post(url, json=BODY)).status_code == 200
    assert (await stored())[0]["agent_version"] == 1


async def test_a_10_mb_body_is_413_whether_announced_or_not(client, url):
    big = b'{"to": "' + b"1" * 10_000_000 + b'"}'
    headers = {"Content-Type": "application/json"}
    assert_problem(await client.post(url, content=big, headers=headers), 413, "body_too_large")

    async def endless():
        sent = 0
        while True:
            assert sent < 50_000_000, "read on and on"
            yield b" " * 1_000_000
            sent += 1_000_000

    assert_problem(await client.post(url, content=endless(), headers=headers), 413, "body_too_large")


async def test_anything_but_json_is_415(client, url):
    others = ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonp", "application/problem+json"]
    for headers in [{}, *({"Content-Type": other} for other in others)]:
        answer = await client.post(url, content=b'{"to": "+15551234567"}', headers=headers)
        assert_problem(answer, 415, "not_json")


NONSENSE = [
    b"",
    b"null",
    b"[]",
    b'"text"',
    b"{",
    b'{"to": "+15551234567",}',
    b'{"to": "+15551234567"} trailing',
    b'{"to": "+15551234567", "to": "+15551234568"}',
    b'{"to": "+15551234567", "variables": {"a": {"b": 1, "b": 2}}}',
    b'{"to": "+15551234567", "variables": {"a": NaN}}',
    b'{"to": "+15551234567", "variables": {"a": -Infinity}}',
    b'{"to": "+15551234567", "variables": {"a": 1e999}}',
    b'{"to": "+15551234567", "variables": {"a": ' + b"9" * 5000 + b"}}",
    b'{"to": "+15551234567", "variables": {"a": 9223372036854775808}}',
    b'{"to": "+15551234567", "variables": {"a": "\\ud800"}}',
    b'{"to": "+15551234567", "variables": {"\\udfff": 1}}',
    b'{"to": "+15551234567", "variables": {"a": "\\u0000"}}',
    b'{"to": "+15551234567", "variables": {"a\\u0000": 1}}',
    b'{"to": "+15551234567", "\\ud800": 1}',
    b'{"to": "+15551234567", "variables": {"a": ' + b"[" * 21 + b"]" * 21 + b"}}",
    b'{"to": "+15551234567", "variables": ' + b'{"a":' * 20_000 + b"1" + b"}" * 20_000 + b"}",
    b"[" * 500_000,
    b'{"a":' * 150_000,
    b'{"to": "+15551234567", "variables": {"a": "' + b"x" * 64_001 + b'"}}',
    b'{"to": "+15551234567", "variables": {"' + b"k" * 129 + b'": 1}}',
    '{"to": "+15551234567"}'.encode("utf-16"),
    b'\xff{"to": "+15551234567"}',
]


async def test_a_body_that_makes_no_sense_is_422(client, url, stored):
    for content in NONSENSE:
        answer = await client.post(url, content=content, headers={"Content-Type": "application/json"})
        assert assert_problem(answer, 422, "invalid_request")["errors"], content[:80]
    assert await stored() == []


@pytest.mark.parametrize(
    ("text", "field", "reason"),
    [
        ('{"a": [1, 1e400]}', "a[1]", "is a number too large to be kept; send it as text"),
        ('{"a": -1E+400}', "a", "is a number too large to be kept; send it as text"),
        ('{"a": {"b": 1e-400}}', "a.b", "is a number too close to 0 to be kept; send it as text"),
        ('{"a": NaN}', "a", "must be JSON: NaN is no JSON number"),
        ('{"a": [{"id": 1, "x": 0, "id": 2}]}', "a[0].id", "is there twice"),
        ('{"a": ' + "9" * 5000 + "}", "a", "is an integer of more than 64 bits; send it as text"),
        ('{"a": 18446744073709551616}', "a", "is an integer of more than 64 bits; send it as text"),
    ],
)
@pytest.mark.parametrize("where", ["variables", "metadata"])
async def test_a_number_that_would_change_is_refused_by_its_place(client, url, stored, text, field, reason, where):
    content = f'{{"to": "{TO}", "{where}": {text}}}'
    answer = await client.post(url, content=content, headers={"Content-Type": "application/json"})
    [error] = assert_problem(answer, 422, "invalid_request")["errors"]
    assert error == {"field": f"{where}.{field}", "message": reason}
    assert await stored() == []


async def test_a_byte_order_mark_is_tolerated(client, url):
    answer = await client.post(
        url, content=b'\xef\xbb\xbf{"to": "+15551234567"}', headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 200


WRONG_FIELDS = [
    ({"to": None}, "to"),
    ({"to": 15551234567}, "to"),
    ({"to": "15551234567"}, "to"),
    ({"to": "+0555123456"}, "to"),
    ({"to": "+1555"}, "to"),
    ({"to": "+1 555 123 4567"}, "to"),
    ({"to": "+15551234567\n"}, "to"),
    ({"to": "+1\u0665551234567"}, "to"),
    ({"to": ["+15551234567"]}, "to"),
    ({"variables": []}, "variables"),
    ({"variables": "text"}, "variables"),
    ({"variables": {str(n): n for n in range(201)}}, "variables"),
    ({"variables": {"customer": {"ids": [1, 2**63]}}}, "variables.customer.ids[1]"),
    ({"metadata": {"order": 1e19, "note": "a\0b"}}, "metadata.note"),
    ({"metadata": {"a": {"k" * 129: 1}}}, f"metadata.a.{'k' * 129}"),
    ({"amd": "true"}, "amd"),
    ({"amd": 1}, "amd"),
    ({"amd": []}, "amd"),
    ({"amd": {"on_machine": "wait"}}, "amd.on_machine"),
    ({"amd": {"max_wait_s": 2}}, "amd.max_wait_s"),
    ({"amd": {"max_wait_s": "30"}}, "amd.max_wait_s"),
    ({"amd": {"message": ""}}, "amd.message"),
    ({"amd": {"on_machine": "hang_up", "message": "Hello"}}, "amd"),
    ({"amd": {"beep": True}}, "amd.beep"),
    ({"on_limit": "drop"}, "on_limit"),
    ({"not_before": "tomorrow"}, "not_before"),
    ({"not_before": "2030-01-01T09:00:00"}, "not_before"),
    ({"not_before": "0001-01-01T00:00:00+14:00"}, "not_before"),
    ({"not_before": 1893456000}, "not_before"),
    ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
    ({"not_before": "2030-01-02T00:00:00Z", "expires_at": "2030-01-01T00:00:00Z"}, "body"),
    ({"not_before": "2030-01-02T00:00:00Z", "on_limit": "reject"}, "body"),
    ({"retry": {"max_attempts": 0}}, "retry.max_attempts"),
    ({"retry": {"max_attempts": 11}}, "retry.max_attempts"),
    ({"retry": {"on": ["busy", "completed"]}}, "retry.on[1]"),
    ({"retry": {"on": []}}, "retry.on"),
    ({"retry": {"delays_s": [0]}}, "retry.delays_s[0]"),
    ({"retry": 3}, "retry"),
    ({"ring_timeout_s": 4}, "ring_timeout_s"),
    ({"ring_timeout_s": True}, "ring_timeout_s"),
    ({"ring_timeout_s": 30.0}, "ring_timeout_s"),
    ({"max_duration_s": 14_401}, "max_duration_s"),
    ({"metadata": "crm"}, "metadata"),
    ({"varaibles": {}}, "varaibles"),
    ({"To": "+15551234567"}, "To"),
]


async def test_a_wrong_field_is_422_and_named(client, url, stored):
    for change, field in WRONG_FIELDS:
        body = assert_problem(await client.post(url, json={"to": TO} | change), 422, "invalid_request")
        assert [error["field"] for error in body["errors"]] == [field], change
        assert body["message"].startswith(f"{field}: ")
    assert await stored() == []


async def test_thousands_of_unknown_fields_give_a_short_answer(client, url):
    answer = await client.post(url, json={"to": TO} | {f"field_{n}": n for n in range(20_000)})
    body = assert_problem(answer, 422, "invalid_request")
    assert len(body["errors"]) == 20
    assert len(answer.content) < 5_000


async def test_other_methods_and_paths_answer_as_problems_too(client, url):
    answer = await client.get(url)
    assert_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"
    assert_problem(await client.get("/v1/nowhere"), 404, "not_found")


# -- lines and queue -----------------------------------------------------------------------------------------


async def test_who_doesn_t_want_to_wait_gets_429_when_every_line_is_taken_or_promised(client, engine, stored):
    pro = await make_tenant(engine, plan=Plan.PRO)
    url, headers = f"/v1/phone-number/{pro.number_id}/outbound", {"Authorization": pro.key}
    async with engine.begin() as conn:
        await conn.execute(
            update(pools)
            .where(pools.c.workspace_id == pro.workspace_id)
            .values(reserved_inbound=1, used_outbound=2)
        )
    answers = await asyncio.gather(
        *(client.post(url, json={"to": TO, "on_limit": "reject"}, headers=headers) for _ in range(6))
    )
    # 5 lines, 1 reserved, 2 in use: two of the six are promised a line.
    assert sorted(answer.status_code for answer in answers) == [200, 200, 429, 429, 429, 429]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert_problem(refused, 429, "pool_full")
    assert int(refused.headers["retry-after"]) > 0
    assert (await client.post(url, json=BODY, headers=headers)).status_code == 200  # waiting is fine
    assert len(await stored()) == 3


async def test_the_queue_has_an_end(services, settings, tenant, stored):
    short = Services(
        engine=services.engine,
        settings=settings.model_copy(update={"max_queued_calls": 3}),
        notifications=services.notifications,
        secret_box=services.secret_box,
        recordings=services.recordings,
    )
    transport = httpx.ASGITransport(create_api(short))
    async with httpx.AsyncClient(
        transport=transport, base_url="https://voice.example", headers={"Authorization": tenant.key}
    ) as client:
        url = f"/v1/phone-number/{tenant.number_id}/outbound"
        answers = [await client.post(url, json=BODY) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert_problem(answers[-1], 429, "queue_full")
    assert int(answers[-1].headers["retry-after"]) > 0
    assert len(await stored()) == 3


# -- idempotency ---------------------------------------------------------------------------------------------


async def test_the_same_key_and_body_get_the_first_answer_again(client, url, stored):
    headers = {"Idempotency-Key": "order 4711"}
    first = await client.post(url, json=BODY, headers=headers)
    assert "idempotent-replayed" not in first.headers
    body = b'{"amd":true,  "variables":{"account_type":"Premium","user_name":"Jane"},"to":"+15551234567"}'
    again = await client.post(url, content=body, headers=headers | {"Content-Type": "application/json"})
    assert again.status_code == 200
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert len(await stored()) == 1


async def test_the_same_key_with_another_body_or_number_is_a_conflict(client, url, engine, tenant, stored):
    headers = {"Idempotency-Key": "1"}
    await client.post(url, json=BODY, headers=headers)
    other_body = await client.post(url, json=BODY | {"amd": False}, headers=headers)
    assert_problem(other_body, 409, "idempotency_conflict")
    other_number = await client.post("/v1/phone-number/num_other/outbound", json=BODY, headers=headers)
    assert_problem(other_number, 409, "idempotency_conflict")
    assert len(await stored()) == 1


async def test_a_key_counts_within_its_workspace_only(client, url, engine, stored):
    other = await make_tenant(engine)
    headers = {"Idempotency-Key": "1"}
    mine = await client.post(url, json=BODY, headers=headers)
    theirs = await client.post(
        f"/v1/phone-number/{other.number_id}/outbound", json=BODY, headers=headers | {"Authorization": other.key}
    )
    assert theirs.status_code == 200
    assert theirs.json() != mine.json()


async def test_a_refused_request_leaves_its_key_free(client, url, engine):
    headers = {"Idempotency-Key": "1"}
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE numbers SET direction = 'inbound'"))
    assert_problem(await client.post(url, json=BODY, headers=headers), 409, "number_cannot_dial_out")
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE numbers SET direction = 'both'"))
    assert (await client.post(url, json=BODY, headers=headers)).status_code == 200


async def test_twenty_requests_at_once_with_one_key_make_one_call(client, url, stored):
    answers = await asyncio.gather(
        *(client.post(url, json=BODY, headers={"Idempotency-Key": "same"}) for _ in range(20))
    )
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert {a.json()["code"] for a in answers if a.status_code == 409} <= {"idempotency_in_progress"}
    assert len({a.json()["call_id"] for a in answers if a.status_code == 200}) == 1
    assert len(await stored()) == 1


async def test_a_strange_idempotency_key_is_422(client, url):
    for key in ("", "x" * 256, "tab\tinside", "ümlaut"):
        answer = await client.post(url, json=BODY, headers={"Idempotency-Key": key.encode()})
        body = assert_problem(answer, 422, "invalid_request")
        assert body["errors"][0]["field"] == "Idempotency-Key"


# -- the database --------------------------------------------------------------------------------------------


async def test_without_a_database_the_answer_is_503(services, tenant):
    nowhere = create_engine("postgresql://outdial@127.0.0.1:1/outdial")
    broken = Services(
        engine=nowhere,
        settings=services.settings,
        notifications=services.notifications,
        secret_box=services.secret_box,
        recordings=services.recordings,
    )
    transport = httpx.ASGITransport(create_api(broken))
    async with httpx.AsyncClient(
        transport=transport, base_url="https://voice.example", headers={"Authorization": tenant.key}
    ) as client:
        answer = await client.post(f"/v1/phone-number/{tenant.number_id}/outbound", json=BODY)
        assert_problem(answer, 503, "unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert (await client.get("/healthz")).status_code == 200
        assert_problem(await client.get("/readyz"), 503, "unavailable")
    await put_away(nowhere)


async def test_the_new_call_is_announced(services, client, url, tenant):
    heard = asyncio.Queue()
    ready = asyncio.Event()

    def on_queue(payload):
        ready.set() if payload == "" else heard.put_nowait(payload)

    services.notifications.subscribe("outdial_queue", on_queue)
    await asyncio.wait_for(ready.wait(), 30)
    await client.post(url, json=BODY)
    assert await asyncio.wait_for(heard.get(), 30) == tenant.workspace_id


async def test_the_first_event_of_a_call_is_its_state(client, url, engine):
    await client.post(url, json=BODY)
    async with engine.connect() as conn:
        rows = (await conn.execute(text("SELECT type, data FROM call_events"))).all()
        assert [tuple(row) for row in rows] == [("state", {"state": "queued"})]
        assert await conn.scalar(select(func.count()).select_from(calls)) == 1


async def test_a_database_that_takes_no_writes_is_503_too(services, tenant, database_url):
    """A standby, after a failover that isn't over."""
    standby = create_engine(f"{database_url}&options=-c%20default_transaction_read_only%3Don")
    transport = httpx.ASGITransport(create_api(replace(services, engine=standby)))
    async with httpx.AsyncClient(
        transport=transport, base_url="https://voice.example", headers={"Authorization": tenant.key}
    ) as client:
        answer = await client.post(f"/v1/phone-number/{tenant.number_id}/outbound", json=BODY)
        assert_problem(answer, 503, "unavailable")
        assert int(answer.headers["retry-after"]) > 0
    await put_away(standby)


# -- traces --------------------------------------------------------------------------------------------------

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_the_trace_of_a_request_is_kept_with_its_call(client, url, stored):
    for header in (PARENT, "not one", None):
        headers = {} if header is None else {"traceparent": header}
        assert (await client.post(url, json=BODY, headers=headers)).status_code == 200
    assert [call["traceparent"] for call in await stored()] == [PARENT, None, None]


async def test_a_request_repeated_from_another_span_has_the_first_answer(client, url, stored):
    headers = {"Idempotency-Key": "once"}
    first = await client.post(url, json=BODY, headers=headers | {"traceparent": PARENT})
    again = await client.post(url, json=BODY, headers=headers | {"traceparent": PARENT.replace("b7ad", "b7ae")})
    assert first.json() == again.json()
    assert [call["traceparent"] for call in await stored()] == [PARENT]
