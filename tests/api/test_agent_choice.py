"""The `agent` of a request: another agent, or another version, for one call alone."""

import pytest
from sqlalchemy import insert, select, text, update

from outdial.calls.claim import claim_due_calls
from outdial.db.tables import agent_versions, agents, calls, numbers
from outdial.ids import new_id
from tenants import make_tenant

TO = "+15551234567"


@pytest.fixture
async def place(client, tenant):
    async def place(agent=None, *, number_id=tenant.number_id, **headers):
        body = {"to": TO} | ({} if agent is None else {"agent": agent})
        return await client.post(f"/v1/phone-number/{number_id}/outbound", json=body, headers=headers)

    return place


@pytest.fixture
async def draft(engine, tenant):
    """Version 2, beside the published version 1."""
    async with engine.begin() as conn:
        await conn.execute(insert(agent_versions).values(agent_id=tenant.agent_id, version=2, source="say: Draft"))
    return 2


@pytest.fixture
async def other_agent(engine, tenant):
    """Of the same workspace: version 1, not published."""
    agent_id = new_id("agent")
    async with engine.begin() as conn:
        values = {"id": agent_id, "workspace_id": tenant.workspace_id, "name": "Other", "kind": "script"}
        await conn.execute(insert(agents).values(values))
        await conn.execute(insert(agent_versions).values(agent_id=agent_id, version=1, source="say: Other"))
    return agent_id


async def talks(client, answer):
    """Who talks on the call that was accepted."""
    assert answer.status_code == 200, answer.text
    call = (await client.get(f"/v1/calls/{answer.json()['call_id']}")).json()
    return call["agent"]["id"], call["agent"]["version"]


async def refused(answer, field):
    assert answer.status_code == 422, answer.text
    [error] = answer.json()["errors"]
    assert error["field"] == field
    return error["message"]


async def test_a_draft_is_tried_and_what_the_number_s_callers_get_stays(client, engine, tenant, place, draft):
    assert await talks(client, await place({"version": "draft"})) == (tenant.agent_id, draft)
    assert await talks(client, await place()) == (tenant.agent_id, 1)
    async with engine.connect() as conn:
        number = (await conn.execute(select(numbers.c.agent_id, numbers.c.agent_version))).one()
    assert tuple(number) == (tenant.agent_id, "published")


async def test_the_version_is_settled_when_the_call_is_accepted(client, engine, tenant, place, draft):
    accepted = await place({"version": "draft"})
    async with engine.begin() as conn:
        await conn.execute(insert(agent_versions).values(agent_id=tenant.agent_id, version=3, source="say: Newer"))
    admitted = await claim_due_calls(engine, tenant.workspace_id, owner="worker_1", lease_s=15)
    assert [(claim.agent_id, claim.agent_version) for claim in admitted.claims] == [(tenant.agent_id, draft)]
    assert await talks(client, accepted) == (tenant.agent_id, draft)


async def test_the_published_version_is_chosen_on_a_number_that_has_the_draft(client, engine, tenant, place, draft):
    async with engine.begin() as conn:
        await conn.execute(update(numbers).values(agent_version="draft"))
    assert await talks(client, await place()) == (tenant.agent_id, draft)
    assert await talks(client, await place({"version": "published"})) == (tenant.agent_id, 1)
    assert await talks(client, await place({"id": tenant.agent_id})) == (tenant.agent_id, 1)


async def test_an_older_version_and_another_agent_are_chosen(client, tenant, place, draft, other_agent):
    assert await talks(client, await place({"version": 1})) == (tenant.agent_id, 1)
    assert await talks(client, await place({"id": other_agent, "version": "draft"})) == (other_agent, 1)
    assert await talks(client, await place({"id": other_agent, "version": 1})) == (other_agent, 1)


async def test_a_number_without_an_agent_calls_with_the_one_that_is_named(client, engine, tenant, place):
    async with engine.begin() as conn:
        await conn.execute(update(numbers).values(agent_id=None))
    refusal = await place({"version": "draft"})
    assert (refusal.status_code, refusal.json()["code"]) == (409, "number_has_no_agent")
    assert await talks(client, await place({"id": tenant.agent_id})) == (tenant.agent_id, 1)


async def test_a_draft_is_called_with_where_nothing_is_published(client, engine, tenant, place):
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE agents SET published_version = NULL"))
    for choice in (None, {"version": "published"}, {"id": tenant.agent_id}):
        refusal = await place(choice)
        assert (refusal.status_code, refusal.json()["code"]) == (409, "agent_not_published"), choice
    assert await talks(client, await place({"version": "draft"})) == (tenant.agent_id, 1)


async def test_an_agent_that_is_not_the_workspace_s_is_refused_by_its_field(engine, place):
    theirs = (await make_tenant(engine)).agent_id
    for agent_id in (theirs, new_id("agent"), "agent_x", "", "num_1", "x" * 500, "\x7f"):
        assert await refused(await place({"id": agent_id}), "agent.id") == "is no agent of this workspace"


@pytest.mark.parametrize("version", [3, 2**31 - 1])
async def test_a_version_that_is_not_there_is_refused_by_its_field(place, draft, version):
    message = await refused(await place({"version": version}), "agent.version")
    assert message == f"is {version}, and this agent has no such version"


@pytest.mark.parametrize("version", ["newest", "Draft", "1", "", 0, -1, 2**31, 1.0, True, None, [], {}])
async def test_a_version_is_one_of_two_words_or_a_number(place, version):
    message = await refused(await place({"version": version}), "agent.version")
    assert message == 'must be "published", "draft" or the number of a version, from 1'


@pytest.mark.parametrize(("agent", "field"), [
    ({}, "agent"), ({"id": None}, "agent"), ("draft", "agent"), ([], "agent"), ({"id": 3}, "agent.id"),
    ({"id": "a\x00"}, "agent.id"), ({"version": "draft", "name": "x"}, "agent.name"),
])  # fmt: skip
async def test_a_choice_that_chooses_nothing_or_something_unknown_is_refused(place, agent, field):
    await refused(await place(agent), field)


async def test_the_same_key_with_another_agent_is_a_conflict(client, place, draft, engine):
    key = {"Idempotency-Key": "once"}
    first = await place({"version": "draft"}, **key)
    again = await place({"version": "draft"}, **key)
    assert again.json() == first.json()
    for other in (None, {"version": draft}, {"version": "published"}):
        refusal = await place(other, **key)
        assert (refusal.status_code, refusal.json()["code"]) == (409, "idempotency_conflict")
    async with engine.connect() as conn:
        assert len((await conn.execute(select(calls.c.id))).all()) == 1
