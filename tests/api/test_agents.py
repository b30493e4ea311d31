import pytest
from sqlalchemy import text

from outdial.agents.script.examples import load_example
from outdial.agents.store import resolve
from outdial.refusals import Conflict, NotFound
from tenants import make_tenant

SOURCE = load_example("appointment_reminder")


@pytest.fixture
async def agent(client):
    answer = await client.post("/v1/agents", json={"name": "Clinic", "source": SOURCE})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_new_agent_is_a_draft_until_it_is_published(client, agent):
    assert (agent["kind"], agent["published_version"], agent["draft_version"]) == ("script", None, 1)
    assert agent["source"] == SOURCE
    url = f"/v1/agents/{agent['id']}"
    published = (await client.post(f"{url}/publish", json={})).json()
    assert published["published_version"] == 1
    edited = (await client.post(f"{url}/versions", json={"source": SOURCE + "\n# edited\n"})).json()
    assert (edited["published_version"], edited["draft_version"]) == (1, 2)
    assert [(v["version"], v["published"]) for v in edited["versions"]] == [(2, False), (1, True)]
    assert edited["source"].endswith("# edited\n")
    assert (await client.get(f"{url}/versions/1")).json()["source"] == SOURCE
    again = (await client.post(f"{url}/publish", json={"version": 2})).json()
    assert again["published_version"] == 2
    assert (await client.get(url)).json() == again
    renamed = (await client.patch(url, json={"name": "Practice"})).json()
    assert renamed == again | {"name": "Practice"}
    listed = (await client.get("/v1/agents")).json()["agents"]
    assert {"id": agent["id"], "name": "Practice", "draft_version": 2}.items() <= listed[1].items()


async def test_publishing_can_be_part_of_writing(client, agent):
    made = await client.post("/v1/agents", json={"name": "Other", "source": SOURCE, "publish": True})
    assert made.json()["published_version"] == 1
    url = f"/v1/agents/{made.json()['id']}/versions"
    assert (await client.post(url, json={"source": SOURCE, "publish": True})).json()["published_version"] == 2


async def test_a_script_that_can_t_be_used_is_422_with_the_reason(client, agent):
    for source in ("say: [", "", "- 1", "a: &a [*a]", "x" * 200_001, "nothing: here"):
        answer = await client.post("/v1/agents", json={"name": "Bad", "source": source})
        assert answer.status_code == 422, source[:20]
        assert answer.json()["errors"][0]["field"] == "source"
        url = f"/v1/agents/{agent['id']}/versions"
        assert (await client.post(url, json={"source": source})).status_code == 422


async def test_unknown_agents_and_versions_are_404(client, agent, engine):
    other = await make_tenant(engine)
    for agent_id in (other.agent_id, "agent_none", "agent_%00", "x"):
        url = f"/v1/agents/{agent_id}"
        answers = [
            await client.get(url),
            await client.patch(url, json={"name": "Mine"}),
            await client.post(f"{url}/versions", json={"source": SOURCE}),
            await client.post(f"{url}/publish", json={}),
            await client.get(f"{url}/versions/1"),
        ]
        assert {answer.status_code for answer in answers} == {404}
        assert {answer.json()["code"] for answer in answers} == {"agent_not_found"}
    url = f"/v1/agents/{agent['id']}"
    assert (await client.get(f"{url}/versions/2")).json()["code"] == "agent_version_not_found"
    assert (await client.post(f"{url}/publish", json={"version": 2})).json()["code"] == "agent_version_not_found"
    for version in ("0", "x", "9" * 30):
        assert (await client.get(f"{url}/versions/{version}")).status_code == 422


async def test_a_version_is_found_by_what_a_number_wants(client, agent, engine):
    async with engine.connect() as conn:
        assert await resolve(conn, agent["id"], "draft") == (1, SOURCE)
        assert await resolve(conn, agent["id"], 1) == (1, SOURCE)
        with pytest.raises(Conflict):
            await resolve(conn, agent["id"], "published")
        with pytest.raises(NotFound):
            await resolve(conn, agent["id"], 7)
        await conn.execute(text("UPDATE agents SET published_version = 1"))
        assert await resolve(conn, agent["id"], "published") == (1, SOURCE)
