from dataclasses import replace

import pytest
from sqlalchemy import text, update

from outdial.agents.previews import Previews
from outdial.agents.python.served import ServedAgents
from outdial.agents.script.examples import load_example
from outdial.agents.store import resolve
from outdial.db.tables import agent_versions
from outdial.refusals import Conflict, NotFound
from outdial.speech.instant import InstantTextToSpeech
from tenants import make_tenant

SOURCE = load_example("appointment_reminder").replace("name: Appointment reminder", "name: Clinic")


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
    assert (renamed["name"], renamed["published_version"], renamed["draft_version"]) == ("Practice", 2, 3)
    assert renamed["source"] == again["source"].replace("name: Clinic", "name: Practice")
    listed = (await client.get("/v1/agents")).json()["agents"]
    assert {"id": agent["id"], "name": "Practice", "draft_version": 3}.items() <= listed[1].items()


async def test_versions_tell_who_speaks_first(client, agent):
    url = f"/v1/agents/{agent['id']}"
    assert [(v["version"], v["greet"]) for v in agent["versions"]] == [(1, "after_hello")]
    await client.post(f"{url}/versions", json={"source": f"greet: at_once\n{SOURCE}"})
    assert (await client.get(f"{url}/versions/2")).json()["greet"] == "at_once"
    refused = await client.post(f"{url}/versions", json={"source": f"greet: later\n{SOURCE}"})
    assert refused.status_code == 422
    assert "line 1: greet is at_once or after_hello, not 'later'" in refused.json()["detail"]


async def test_a_new_name_changes_nothing_of_who_speaks_first(client, agent, engine):
    async with engine.begin() as conn:
        await conn.execute(update(agent_versions).values(greet="at_once"))
    renamed = (await client.patch(f"/v1/agents/{agent['id']}", json={"name": "Practice"})).json()
    assert [(v["version"], v["greet"]) for v in renamed["versions"]] == [(2, "at_once"), (1, "at_once")]


NAMELESS = "steps: {a: {hang_up: Goodbye.}}\n"
NAMED = "agent: {name: Recall}\n" + NAMELESS


async def test_a_name_written_in_the_script_is_the_agents(client):
    made = (await client.post("/v1/agents", json={"source": NAMED})).json()
    assert (made["name"], made["source"]) == ("Recall", NAMED)
    url = f"/v1/agents/{made['id']}"
    saved = (await client.post(f"{url}/versions", json={"source": NAMED.replace("Recall", "Come back")})).json()
    assert saved["name"] == "Come back"
    renamed = (await client.patch(url, json={"name": "Again: soon"})).json()
    assert (renamed["name"], renamed["draft_version"]) == ("Again: soon", 3)
    assert renamed["source"] == NAMED.replace("Recall", '"Again: soon"')
    assert [agent["name"] for agent in (await client.get("/v1/agents")).json()["agents"]][1:] == ["Again: soon"]


async def test_a_name_that_is_given_goes_into_the_script_and_one_is_needed(client):
    made = (await client.post("/v1/agents", json={"name": "Clinic", "source": NAMED})).json()
    assert (made["name"], made["source"]) == ("Clinic", NAMED.replace("Recall", "Clinic"))
    without = await client.post("/v1/agents", json={"source": NAMELESS})
    assert without.status_code == 422
    assert without.json()["errors"][0]["field"] == "name"


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


async def test_a_newer_draft_of_somebody_else_is_not_overlooked(client, agent):
    url = f"/v1/agents/{agent['id']}/versions"
    assert (await client.post(url, json={"source": SOURCE + "# theirs", "base_version": 1})).status_code == 201
    refused = await client.post(url, json={"source": SOURCE + "# mine", "base_version": 1})
    assert (refused.status_code, refused.json()["code"]) == (409, "draft_changed")
    assert "version 2" in refused.json()["message"]
    assert (await client.post(url, json={"source": SOURCE + "# mine", "base_version": 2})).json()["draft_version"] == 3
    assert (await client.post(url, json={"source": SOURCE})).json()["draft_version"] == 4  # who doesn't ask, isn't told


async def test_a_transfer_that_would_not_be_made_is_warned_of(client):
    desk = "{words: [desk], transfer: '%s'}"
    source = f"steps:\n  a:\n    ask: Who?\n    answers: [{desk}, {{words: [boss], transfer: '{{boss}}'}}]\n"

    async def warnings(number):
        answer = await client.post("/v1/agents/check", json={"source": source % number})
        assert answer.json()["errors"] == []
        return [one for one in answer.json()["warnings"] if "destinations" in one["message"]]

    assert await warnings("+12025550177") == []
    [warning] = await warnings("+19005551234")
    assert warning["line"] == 4
    assert warning["message"].startswith("+19005551234 is not among the workspace's allowed destinations")


async def test_a_script_is_checked_without_being_saved(client):
    async def check(source):
        answer = await client.post("/v1/agents/check", json={"source": source})
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert (await check("steps:\n  a:\n    say: Hi {name}\n"))["errors"] == [
        {"line": 2, "message": "step 'a' can end without saying what is next: goto, hang_up or transfer"}
    ]
    assert (await check(""))["errors"] == [{"line": None, "message": "the script is empty"}]
    assert (await check("x" * 150_000))["errors"][0]["line"] is None
    sound = await check("variables: {day: Monday, x: [1]}\nsteps:\n  a:\n    hang_up: On {day}, {name}, {x.0}\n")
    assert sound == {
        "errors": [],
        "tools": [],
        "warnings": [{"line": 4, "message": "{name} has no fallback and no default"}],
        "prompts": [
            {
                "step": "a",
                "verb": "hang_up",
                "line": 4,
                "text": "On {day}, {name}, {x.0}",
                "variables": ["day", "name", "x.0"],
            }
        ],
        "variables": {"day": "Monday", "name": None, "x.0": 1},
        "language": "en-US",
        "pronounce": {},
        "outline": {
            "start": "a",
            "anywhere": [],
            "steps": [
                {
                    "name": "a",
                    "line": 3,
                    "reached": True,
                    "ways": [{"on": [], "does": "hang_up", "step": None, "line": 4}],
                }
            ],
        },
    }
    reviewed = await check(SOURCE)
    assert (reviewed["errors"], reviewed["warnings"]) == ([], [])
    assert len(reviewed["prompts"]) > 20


async def test_examples_are_listed(client):
    examples = (await client.get("/v1/agents/examples")).json()["examples"]
    assert [one["name"] for one in examples] == [
        "appointment_reminder", "german_reminder", "model_reminder", "payment_plan", "realtime_reminder",
        "relay_reminder", "voiceflow_reminder", "blank",
    ]  # fmt: skip
    assert examples[0]["source"] == load_example("appointment_reminder")


@pytest.fixture
def with_voice(app, services):
    app.state.services = replace(services, previews=Previews(InstantTextToSpeech(), per_minute=3))


async def test_a_prompt_is_heard_with_its_variables_filled_in(client, with_voice):
    async def preview(text, **variables):
        return await client.post("/v1/agents/preview", json={"text": text, "variables": variables})

    filled, fallback = await preview("Hello {name|you}", name="Johanna"), await preview("Hello {name|you}")
    assert filled.headers["content-type"] == "audio/wav"
    assert filled.content[:4] == fallback.content[:4] == b"RIFF"
    assert len(filled.content) > len(fallback.content)
    assert filled.content == (await preview("Hello Johanna")).content
    refused = await preview("Hello")
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_previews")
    assert int(refused.headers["retry-after"]) > 0


async def test_a_prompt_is_heard_as_it_is_read_on_a_call(client, app, services):
    app.state.services = replace(services, previews=Previews(InstantTextToSpeech(), per_minute=30))

    async def preview(text, **more):
        answer = await client.post("/v1/agents/preview", json={"text": text, **more})
        assert answer.status_code == 200, answer.text
        return answer.content

    said = await preview("Call two zero two, five five five, zero one zero zero, win.")
    assert await preview("Call (202) 555-0100, Nguyen.", pronounce={"Nguyen": "win"}) == said
    assert await preview("Code {code:digits}", variables={"code": "12"}) == await preview("Code one two")
    assert await preview("Am 3.4.2026", language="de-DE") != await preview("Am 3.4.2026")
    for wrong in ({"language": "Deutsch!"}, {"pronounce": {str(number): "x" for number in range(501)}}):
        answer = await client.post("/v1/agents/preview", json={"text": "Hello", **wrong})
        assert answer.status_code == 422


async def test_a_checked_script_tells_how_it_is_read(client):
    source = "agent: {language: en-GB}\npronounce: {Nguyen: win}\nsteps:\n  a:\n    hang_up: Hi Nguyen {x:digits|1}\n"
    checked = (await client.post("/v1/agents/check", json={"source": source})).json()
    assert (checked["language"], checked["pronounce"]) == ("en-GB", {"Nguyen": "win"})
    assert checked["prompts"][0]["text"] == "Hi Nguyen {x:digits|1}"
    wrong = (await client.post("/v1/agents/check", json={"source": source.replace("digits", "digit")})).json()
    assert wrong["errors"][0]["line"] == 5


async def test_a_prompt_that_can_t_be_said_is_422(client, with_voice):
    for prompt in ("", "{name}", "Hello {name", "...", "x" * 1001):
        answer = await client.post("/v1/agents/preview", json={"text": prompt})
        assert answer.status_code == 422, prompt
        assert answer.json()["errors"][0]["field"] == "text"


async def test_a_process_without_a_voice_says_so(client):
    answer = await client.post("/v1/agents/preview", json={"text": "Hello"})
    assert (answer.status_code, answer.json()["code"]) == (503, "voice_unavailable")


MODEL = "model: m\ninstructions: Talk to {user_name|them}.\n"


async def test_a_version_has_the_kind_its_source_looks_like_or_is_said_to_be(client):
    made = (await client.post("/v1/agents", json={"name": "Free", "source": MODEL})).json()
    assert (made["kind"], made["versions"][0]["kind"]) == ("llm", "llm")
    url = f"/v1/agents/{made['id']}"
    mixed = (await client.post(f"{url}/versions", json={"source": NAMELESS})).json()
    assert (mixed["kind"], [one["kind"] for one in mixed["versions"]]) == ("script", ["script", "llm"])
    assert (await client.get(f"{url}/versions/1")).json()["kind"] == "llm"
    refused = await client.post(f"{url}/versions", json={"kind": "script", "source": MODEL})
    assert refused.status_code == 422
    assert "'instructions' is unknown in a script" in refused.text
    assert (await client.post(f"{url}/versions", json={"kind": "parrot", "source": MODEL})).status_code == 422


async def test_an_agent_with_a_model_is_checked_renamed_and_refused_with_its_line(client):
    checked = (await client.post("/v1/agents/check", json={"source": MODEL + "greeting: Hello.\n"})).json()
    assert (checked["errors"], checked["outline"]) == ([], None)
    assert [one["text"] for one in checked["prompts"]] == ["Hello."]
    made = (await client.post("/v1/agents", json={"source": "agent: {name: First}\n" + MODEL})).json()
    renamed = (await client.patch(f"/v1/agents/{made['id']}", json={"name": "Second"})).json()
    assert (renamed["name"], renamed["kind"]) == ("Second", "llm")
    assert renamed["source"] == "agent: {name: Second}\n" + MODEL
    refused = await client.post("/v1/agents", json={"name": "A", "source": MODEL + "tool: x\n"})
    assert refused.status_code == 422
    assert "line 3: 'tool' is unknown in an llm agent" in refused.text


CODE = "from outdial import Call, agent\n\n\n@agent\nasync def one(call: Call) -> None: ...\n"
DESCRIPTION = "python: ../../one.py\nagent: {name: one}\n"
FROM_OPERATOR = "python agents come with the server"


@pytest.mark.parametrize(
    "body", [{"kind": "python", "source": SOURCE}, {"kind": "python", "source": CODE}, {"source": CODE},
             {"source": DESCRIPTION}]
)  # fmt: skip
async def test_nobody_brings_code(client, agent, body):
    for method, path in (("POST", "/v1/agents"), ("POST", f"/v1/agents/{agent['id']}/versions")):
        answer = await client.request(method, path, json=body | ({"name": "Mine"} if path == "/v1/agents" else {}))
        assert answer.status_code == 422, path
        assert FROM_OPERATOR in answer.json()["detail"]
    for method in ("PUT", "PATCH"):
        answer = await client.request(method, f"/v1/agents/{agent['id']}", json=body)
        assert answer.status_code in (405, 422)
    assert (await client.get(f"/v1/agents/{agent['id']}")).json() == agent


@pytest.mark.parametrize("kind", [["python"], {"python": 1}, 3, "telepathy"])
async def test_a_kind_that_is_none_is_refused(client, kind):
    answer = await client.post("/v1/agents", json={"kind": kind, "source": SOURCE})
    assert answer.status_code == 422


@pytest.mark.parametrize("source", [CODE, DESCRIPTION, "import os\nos.system('id')\n"])
async def test_nobody_has_code_run_by_trying_it(client, source):
    rehearsals = "script: ../../../one.py\nrehearsals: [{name: a, call: [says: Yes.]}]\n"
    answer = await client.post("/v1/agents/rehearse", json={"source": source, "rehearsals": rehearsals})
    assert FROM_OPERATOR in answer.json()["errors"][0]["message"]
    answer = await client.post("/v1/agents/talk", json={"source": source, "lines": []})
    assert FROM_OPERATOR in answer.json()["errors"][0]["message"]
    if source != DESCRIPTION:
        review = (await client.post("/v1/agents/check", json={"source": source})).json()
        assert FROM_OPERATOR in str(review)


async def test_an_agent_that_comes_with_the_server_is_looked_at_and_not_changed(client, engine, tmp_path):
    (tmp_path / "one.py").write_text(CODE)
    await ServedAgents.begin(engine, tmp_path, reload=False, progress=lambda step: None)
    [listed] = [one for one in (await client.get("/v1/agents")).json()["agents"] if one["kind"] == "python"]
    assert (listed["name"], listed["published_version"]) == ("one", 1)
    url = f"/v1/agents/{listed['id']}"
    before = (await client.get(url)).json()
    assert "python: one.py\nline: 4\n" in before["source"]
    for answer in (
        await client.post(f"{url}/versions", json={"source": SOURCE}),
        await client.patch(url, json={"name": "Mine"}),
        await client.post(f"{url}/publish", json={"version": 1}),
    ):
        assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (409, "agent_of_operator")
        assert FROM_OPERATOR in answer.json()["detail"]
    assert (await client.get(url)).json() == before
