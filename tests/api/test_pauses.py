"""A stop over HTTP: who may, what waits and tells so, and what is canceled."""

import pytest

from outdial.calls.claim import claim_due_calls
from outdial.db.engine import create_engine, put_away
from outdial.policy.pauses import list_pauses
from outdial.workspaces.access import Role, Scope
from outdial.workspaces.api_keys import create_api_key
from outdial.workspaces.audit import COMMAND_LINE
from tenants import make_tenant

OF = ["workspace", "number"]


@pytest.fixture(params=OF)
def at(request, tenant):
    """What a workspace's, and a number's, pause is below."""
    return "/v1/workspace" if request.param == "workspace" else f"/v1/phone-numbers/{tenant.number_id}"


@pytest.fixture
def cancel_at(tenant):
    number = f"/v1/phone-numbers/{tenant.number_id}"
    return {"workspace": "/v1/calls/cancel-waiting", "number": f"{number}/calls/cancel-waiting"}


@pytest.fixture
def place(client, tenant):
    async def place(**fields):
        url = f"/v1/phone-number/{tenant.number_id}/outbound"
        return await client.post(url, json={"to": "+15551234567", **fields})

    return place


@pytest.fixture
def claimed(engine, tenant):
    async def claimed():
        found = await claim_due_calls(engine, tenant.workspace_id, owner="worker_1", lease_s=15)
        return [claim.call_id for claim in found.claims]

    return claimed


async def test_a_pause_takes_no_body_and_holds_back_what_is_accepted_until_it_is_resumed(client, place, claimed, at):
    answer = await client.post(f"{at}/pause")
    assert answer.status_code == 200
    told = answer.json()
    assert (told["paused"], told["changed"], told["pause"]["reason"]) == (True, True, None)
    assert told["pause"]["by"]["kind"] == "api_key"
    accepted = await place()
    assert (accepted.status_code, accepted.json()["status"]) == (200, "queued")
    call_id = accepted.json()["call_id"]
    call = (await client.get(f"/v1/calls/{call_id}")).json()
    assert call["waiting_for"] == {"reason": "pause", "position": 1, "expected_at": None}
    assert (await client.get("/v1/calls")).json()["calls"][0]["waiting_for"] == call["waiting_for"]
    assert await claimed() == []
    resumed = await client.post(f"{at}/resume")
    assert resumed.json() == {"paused": False, "changed": True, "pause": None}
    assert (await client.get(f"/v1/calls/{call_id}")).json()["waiting_for"] is None
    assert await claimed() == [call_id]


async def test_pausing_and_resuming_twice_is_harmless_and_tells_so(client, at):
    first = (await client.post(f"{at}/pause", json={"reason": "Wrong list"})).json()
    again = (await client.post(f"{at}/pause", json={"reason": "Wrong list indeed"})).json()
    assert again == first | {"changed": False}
    assert (await client.post(f"{at}/resume")).json()["changed"] is True
    assert (await client.post(f"{at}/resume")).json() == {"paused": False, "changed": False, "pause": None}


@pytest.mark.parametrize("at", ["v1", "v1alpha1"])
async def test_who_must_not_wait_is_refused_while_dialling_is_paused(client, tenant, at):
    url, body = f"/{at}/phone-number/{tenant.number_id}/outbound", {"to": "+15551234567", "on_limit": "reject"}
    await client.post("/v1/workspace/pause")
    key = {"Idempotency-Key": "a"}
    answer = await client.post(url, json=body, headers=key)
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (429, "paused", "60")
    assert "outdial resume" in answer.json()["message"]
    await client.post("/v1/workspace/resume")
    assert (await client.post(url, json=body, headers=key)).status_code == 200, "nothing was stored under the key"


async def test_a_pause_is_seen_in_the_workspace_or_in_its_number(client, tenant, at):
    pause = (await client.post(f"{at}/pause", json={"reason": "Wrong list"})).json()["pause"]
    workspace = (await client.get("/v1/workspace")).json()
    number = (await client.get(f"/v1/phone-numbers/{tenant.number_id}")).json()
    assert [workspace["pause"], number["pause"]] == ([pause, None] if at == "/v1/workspace" else [None, pause])
    (listed,) = (await client.get("/v1/phone-numbers")).json()["numbers"]
    assert listed == number


async def test_a_pause_is_in_the_database_so_a_restart_does_not_end_it(client, tenant, database_url, at):
    await client.post(f"{at}/pause")
    another = create_engine(database_url)
    async with another.connect() as conn:
        assert len(await list_pauses(conn, tenant.workspace_id)) == 1
    found = await claim_due_calls(another, tenant.workspace_id, owner="worker_2", lease_s=15)
    await put_away(another)
    assert found.claims == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"reason": 7}, "reason"),
        ({"reason": "x" * 201}, "reason"),
        ({"why": "Wrong list"}, "why"),
    ],
)
async def test_a_wrong_body_is_refused_by_its_field(client, at, body, field):
    answer = await client.post(f"{at}/pause", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert (await client.get("/v1/workspace")).json()["pause"] is None


@pytest.mark.parametrize(
    ("written", "kept"),
    [("  Wrong list\n imported ", "Wrong list imported"), ("\u202eWrong list", "Wrong list"), (" \n", None)],
)
async def test_a_reason_is_one_line_that_can_be_read(client, at, written, kept):
    answer = await client.post(f"{at}/pause", json={"reason": written})
    assert answer.json()["pause"]["reason"] == kept


async def test_a_body_that_is_no_json_is_refused(client, at):
    answer = await client.post(f"{at}/pause", content="reason=Wrong")
    assert (answer.status_code, answer.json()["code"]) == (415, "not_json")


# -- who may -----------------------------------------------------------------------------------------------------


async def test_what_a_person_paused_a_key_does_not_resume_and_a_person_does(client, browser_of, at):
    editor = await browser_of(Role.EDITOR)
    assert (await editor.post(f"{at}/pause", json={"reason": "Wrong list"})).json()["pause"]["by"]["kind"] == "person"
    answer = await client.post(f"{at}/resume")
    assert (answer.status_code, answer.json()["code"]) == (403, "paused_by_people")
    assert "outdial resume" in answer.json()["message"]
    assert (await editor.post(f"{at}/resume")).json()["changed"] is True


async def test_who_only_looks_stops_nothing(client, browser_of, tenant, engine, at, cancel_at):
    viewer = await browser_of(Role.VIEWER)
    key = (
        await create_api_key(
            engine, tenant.workspace_id, name="Backend", scope=Scope.PLACE_CALLS, by=COMMAND_LINE
        )
    )["key"]
    for url in (f"{at}/pause", f"{at}/resume", *cancel_at.values()):
        assert (await viewer.post(url)).json()["code"] == "role_too_low"
        answer = await client.post(url, headers={"Authorization": key})
        assert answer.json()["code"] == "scope_too_small"


@pytest.mark.parametrize("verb", ["pause", "resume", "calls/cancel-waiting"])
async def test_a_number_of_another_workspace_is_not_found(client, engine, verb):
    other = await make_tenant(engine)
    for number_id in (other.number_id, "num_unknown", "7"):
        answer = await client.post(f"/v1/phone-numbers/{number_id}/{verb}")
        assert (answer.status_code, answer.json()["code"]) == (404, "number_not_found")


# -- everything that waits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("of", OF)
async def test_what_waits_is_looked_at_and_canceled(client, place, cancel_at, of):
    await client.post("/v1/workspace/pause")
    call_ids = [(await place()).json()["call_id"] for _ in range(3)]
    look = (await client.post(cancel_at[of], json={"dry_run": True})).json()
    assert (look["canceled"], look["waiting"], look["being_dialled"]) == (0, 3, 0)
    later = (await place()).json()["call_id"]
    done = (await client.post(cancel_at[of], json={"accepted_before": look["accepted_before"]})).json()
    assert done == look | {"canceled": 3, "waiting": 0}
    for call_id in call_ids:
        call = (await client.get(f"/v1/calls/{call_id}")).json()
        assert (call["state"], call["end_reason"], call["ended_by"]) == ("ended", "canceled", "operator")
        assert call["waiting_for"] is None
    assert (await client.get(f"/v1/calls/{later}")).json()["state"] == "queued"
    assert (await client.post(cancel_at[of])).json()["canceled"] == 1, "without a body: all"


async def test_calls_being_dialled_are_left_and_told(client, place, claimed, cancel_at):
    call_id = (await place()).json()["call_id"]
    assert await claimed() == [call_id]
    for url in cancel_at.values():
        done = (await client.post(url)).json()
        assert (done["canceled"], done["waiting"], done["being_dialled"]) == (0, 0, 1)
    assert (await client.get(f"/v1/calls/{call_id}")).json()["state"] == "dialing"


async def test_pauses_and_cancellations_are_in_the_audit_log(client, place):
    await client.post("/v1/workspace/pause", json={"reason": "Wrong list"})
    await place()
    await client.post("/v1/calls/cancel-waiting")
    await client.post("/v1/workspace/resume")
    entries = (await client.get("/v1/audit-log")).json()["entries"]
    told = [(entry["act"], entry["subject"]["name"], entry["actor"]["name"]) for entry in entries[:3]]
    acts = ["pause.lifted", "calls.waiting_canceled", "pause.set"]
    assert told == [(act, "Clinic", "Test") for act in acts]
