import pytest
from sqlalchemy import insert, text

from outdial.calls.agent_choice import chosen_agent
from outdial.calls.request import AgentChoice
from outdial.db.tables import agent_versions
from outdial.refusals import Conflict, Invalid
from tenants import make_tenant


@pytest.fixture
async def tenant(engine):
    """Version 1 is published, version 2 the draft."""
    tenant = await make_tenant(engine)
    async with engine.begin() as conn:
        await conn.execute(insert(agent_versions).values(agent_id=tenant.agent_id, version=2, source=""))
    return tenant


@pytest.fixture
def choose(engine, tenant):
    async def choose(of_number=tenant.agent_id, **choice):
        async with engine.connect() as conn:
            return await chosen_agent(conn, tenant.workspace_id, AgentChoice(**choice), of_number=of_number)

    return choose


@pytest.mark.parametrize(("which", "version"), [("published", 1), ("draft", 2), (1, 1), (2, 2)])
async def test_a_word_or_a_number_is_a_version(tenant, choose, which, version):
    assert await choose(version=which) == (tenant.agent_id, version)


async def test_an_agent_without_a_version_talks_as_it_is_published(tenant, choose):
    assert await choose(of_number=None, id=tenant.agent_id) == (tenant.agent_id, 1)


async def test_there_is_nobody_to_choose_from(choose):
    with pytest.raises(Conflict) as refused:
        await choose(of_number=None, version="draft")
    assert refused.value.code == "number_has_no_agent"


async def test_nothing_is_published(engine, choose):
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE agents SET published_version = NULL"))
    with pytest.raises(Conflict) as refused:
        await choose(version="published")
    assert refused.value.code == "agent_not_published"


async def test_what_is_not_there_is_told_by_its_field(engine, choose):
    with pytest.raises(Invalid) as no_version:
        await choose(version=3)
    with pytest.raises(Invalid) as no_agent:
        await choose(id=(await make_tenant(engine)).agent_id)
    assert (no_version.value.field, no_agent.value.field) == ("agent.version", "agent.id")
