"""Where calls may go and how many a day, over HTTP: what is refused, and who may change it."""

import pytest
from sqlalchemy import delete, func, select

from outdial.calls.claim import claim_due_calls
from outdial.db.tables import audit_log, call_events, calls, destinations, numbers
from outdial.workspaces.access import Role

OWN = "+12025550100"


@pytest.fixture(autouse=True)
async def own_country_alone(engine, tenant):
    """The workspace has a number of the United States, and what comes with it."""
    async with engine.begin() as conn:
        await conn.execute(numbers.update().values(e164=OWN))
        await conn.execute(delete(destinations))
        await conn.execute(
            destinations.insert().values(workspace_id=tenant.workspace_id, destination="US", source="number")
        )


@pytest.fixture
def place(client, tenant):
    async def place(to, *, at="v1", **fields):
        return await client.post(f"/{at}/phone-number/{tenant.number_id}/outbound", json={"to": to, **fields})

    return place


# -- calls -----------------------------------------------------------------------------------------------------


async def test_the_contracts_own_example_is_accepted(place):
    answer = await place("+15551234567", variables={"user_name": "Jane", "account_type": "Premium"}, amd=True)
    assert answer.status_code == 200


@pytest.mark.parametrize("at", ["v1", "v1alpha1"])
@pytest.mark.parametrize(
    ("to", "advice"),
    [
        ("+12425551234", "allow BS"),
        ("+18765551234", "allow JM"),
        ("+19005551234", "allow +1900"),
        ("+19001234567", "allow +1900"),
        ("+14165551234", "allow CA"),
        ("+441632960115", "allow GB"),
        ("+881612345678", "allow +881"),
        ("+979123456789", "allow +979"),
    ],
)
async def test_a_destination_that_is_not_allowed_is_refused_with_the_rule_and_the_way_out(
    engine, place, to, advice, at
):
    answer = await place(to, at=at)
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["code"], problem["type"]) == (
        "destination_not_allowed",
        "urn:outdial:problem:destination_not_allowed",
    )
    assert f"outdial destinations {advice}" in problem["message"]
    assert "An operator can allow it, an API key can't" in problem["message"]
    async with engine.connect() as conn:
        assert await conn.scalar(select(func.count()).select_from(calls)) == 0


async def test_a_call_is_placed_once_somebody_has_allowed_it(place, operator):
    assert (await place("+4930123456")).status_code == 403
    await operator.post("/v1/destinations", json={"destination": "DE"})
    assert (await place("+4930123456")).status_code == 200
    assert (await place("+499001234567")).status_code == 403
    await operator.post("/v1/destinations", json={"destination": "+49900"})
    assert (await place("+499001234567")).status_code == 200


async def test_what_waits_ends_when_its_destination_was_taken_away(engine, tenant, place, operator):
    call_id = (await place("+12025550115")).json()["call_id"]
    assert (await operator.delete("/v1/destinations/US")).status_code == 200
    claimed = await claim_due_calls(engine, tenant.workspace_id, owner="worker_1", lease_s=15)
    assert claimed.claims == []
    call = (await operator.get(f"/v1/calls/{call_id}")).json()
    assert (call["state"], call["end_reason"], call["ended_by"]) == ("ended", "canceled", "policy")
    assert call["error"]["code"] == "destination_not_allowed"
    assert call["attempts"] == []
    async with engine.connect() as conn:
        last = select(call_events.c.data).order_by(call_events.c.id.desc()).limit(1)
        assert (await conn.scalar(last))["error"]["code"] == "destination_not_allowed"


async def test_one_call_too_many_is_told_until_when(place, operator):
    await operator.put("/v1/daily-limit", json={"calls": 1})
    assert (await place("+15551234567")).status_code == 200
    answer = await place("+15551234567")
    assert (answer.status_code, answer.json()["code"]) == (429, "daily_limit")
    assert 0 < int(answer.headers["Retry-After"]) <= 24 * 3600
    assert "midnight UTC" in answer.json()["message"]


# -- the list --------------------------------------------------------------------------------------------------


async def test_destinations_are_allowed_shown_and_taken_away(operator):
    answer = await operator.post("/v1/destinations", json={"destination": "+49 (900)"})
    assert answer.status_code == 201
    added = answer.json()
    assert added.pop("added") is True
    assert (added["destination"], added["special"], added["source"]) == ("+49900", "premium", "person")
    assert (added["by"]["kind"], added["by"]["name"]) == ("person", "Operator")
    listed = (await operator.get("/v1/destinations")).json()["destinations"]
    assert [one["destination"] for one in listed] == ["US", "+49900"]
    assert listed[1] == added
    again = await operator.post("/v1/destinations", json={"destination": "+49900"})
    assert (again.status_code, again.json()) == (200, added | {"added": False})
    for spelled in ("%2B49900", "us"):
        assert (await operator.delete(f"/v1/destinations/{spelled}")).status_code == 200
    assert (await operator.get("/v1/destinations")).json() == {"destinations": []}
    missing = await operator.delete("/v1/destinations/US")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_a_destination")


@pytest.mark.parametrize("destination", ["", "Germany", "+0", "\0", "x" * 50, 49, None])
async def test_what_is_no_destination_is_422(operator, destination):
    answer = await operator.post("/v1/destinations", json={"destination": destination})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "destination"
    assert (await operator.delete("/v1/destinations/Germany")).status_code == 422


async def test_the_daily_limit_is_shown_and_changed(operator, client, place):
    await place("+12025550115")
    shown = (await client.get("/v1/daily-limit")).json()
    assert (shown["calls"], shown["used"]) == (2000, 1)
    changed = await operator.put("/v1/daily-limit", json={"calls": None})
    assert (changed.json()["calls"], changed.json()["used"]) == (None, None)
    for wrong in (-1, 1.5, "7", True, 10**10):
        answer = await operator.put("/v1/daily-limit", json={"calls": wrong})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "calls")
    assert (await operator.put("/v1/daily-limit", json={})).status_code == 422


# -- people ----------------------------------------------------------------------------------------------------

CHANGES = [
    ("POST", "/v1/destinations", {"destination": "DE"}),
    ("DELETE", "/v1/destinations/US", None),
    ("PUT", "/v1/daily-limit", {"calls": None}),
]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
async def test_a_key_changes_nothing(client, engine, method, path, body):
    answer = await client.request(method, path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "people_only")
    assert "outdial destinations" in answer.json()["message"]
    wrong = await client.request(method, path, json=None if body is None else {"wrong": 1})
    assert wrong.json()["code"] == "people_only"
    async with engine.connect() as conn:
        assert list(await conn.scalars(select(destinations.c.destination))) == ["US"]
        assert list(await conn.scalars(select(audit_log.c.act).where(audit_log.c.actor_kind == "api_key"))) == []


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
async def test_only_operators_change_it(browser_of, role, method, path, body):
    answer = await (await browser_of(role)).request(method, path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "role_too_low")


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
async def test_a_cookie_alone_changes_nothing(browser_of, method, path, body):
    answer = await (await browser_of(Role.OPERATOR, csrf=False)).request(method, path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf")
