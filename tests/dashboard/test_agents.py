import re
from html import unescape

import pytest
from sqlalchemy import insert, update

from outdial.agents.python.served import ServedAgents
from outdial.agents.script.examples import load_example
from outdial.dashboard.page import HERE
from outdial.db.tables import agents, calls, numbers
from outdial.ids import new_id

EXAMPLE = load_example("appointment_reminder")
NAME = "Recall & co <b>"
SOURCE = EXAMPLE.replace("name: Appointment reminder", f"name: {NAME}")
OTHER = SOURCE.replace("Riverside Dental", "Hillside Dental")


@pytest.fixture
async def agent(editor):
    answer = await editor.post("/v1/agents", json={"name": NAME, "source": SOURCE})
    return answer.json()


async def save(browser, agent, source, **more):
    return await browser.post(f"/v1/agents/{agent['id']}/versions", json={"source": source, **more})


async def publish(browser, agent, version):
    await browser.post(f"/v1/agents/{agent['id']}/publish", json={"version": version})


def words(html):
    """What a screen reader gets to read of it, more or less."""
    text = re.sub(r"<(script|style|template).*?</\1>", " ", html, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())


def test_no_template_needs_inline_styles_or_scripts():
    for path in (HERE / "templates").rglob("*.html"):
        assert not re.search(r"\sstyle=|\son[a-z]+=|<script(?![^>]*src)", path.read_text()), path


async def test_the_list_tells_versions_numbers_and_calls(editor, agent, tenant, engine):
    await publish(editor, agent, 1)
    await save(editor, agent, OTHER)
    async with engine.begin() as conn:
        await conn.execute(update(numbers).values(agent_id=agent["id"], agent_version="draft"))
        for _ in range(2):
            await conn.execute(
                insert(calls).values(
                    id=new_id("call"),
                    workspace_id=tenant.workspace_id,
                    number_id=tenant.number_id,
                    direction="outbound",
                    state="queued",
                    from_="+15551230002",
                    to="+15551234567",
                    agent_id=agent["id"],
                    ring_timeout_s=30,
                    max_duration_s=60,
                )
            )
    answer = await editor.get("/agents")
    assert answer.status_code == 200
    assert "Recall &amp; co &lt;b&gt;" in answer.text
    assert "Recall & co <b> Version 1 Version 2 Unpublished +15551230002 draft 2" in words(answer.text)
    assert "Reminder Version 1 Same as published None 0" in words(answer.text)


async def test_without_agents_the_list_says_how_to_begin(editor, tenant, engine):
    async with engine.begin() as conn:
        await conn.execute(update(numbers).values(agent_id=None))
        await conn.execute(agents.delete())
    assert "No agent yet" in words((await editor.get("/agents")).text)


async def test_a_new_agent_starts_from_an_example_or_from_nothing(editor):
    page = (await editor.get("/agents")).text
    sources = [unescape(value) for value in re.findall(r'name="source" value="([^"]*)"', page)]
    others = ("german_reminder", "payment_plan", "blank", "realtime_reminder", "model_reminder", "relay_reminder")
    others += ("voiceflow_reminder",)
    assert sources == [EXAMPLE, *map(load_example, others)]
    for source in sources:
        answer = await editor.post("/v1/agents", json={"name": "New", "source": source})
        assert answer.status_code == 201


async def test_the_page_has_the_draft_as_it_was_written(editor, agent):
    source = "\n# </textarea><b>\n" + SOURCE
    await save(editor, agent, source)
    page = (await editor.get(f"/agents/{agent['id']}")).text
    written = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", page, re.DOTALL)
    assert unescape(written[1]) == source
    assert "readonly" not in written[0].split(">")[0]


async def test_versions_say_who_wrote_and_who_published_them(editor, browser_of, agent):
    other = await browser_of("operator")
    await save(other, agent, OTHER)
    await publish(editor, agent, 1)
    text = words((await editor.get(f"/agents/{agent['id']}")).text)
    assert "Published: version 1 Draft: version 2 Compare draft and published" in text
    table = text[text.index("2 versions") :]
    assert re.search(r"2 Draft .{16} UTC Operator Callee Never Changes in version 2", table)
    assert re.search(r"1 Published .{16} UTC Editor Callee .{16} UTC Editor Edit again version 1", table)


async def test_versions_say_who_speaks_first(editor, agent):
    await save(editor, agent, f"greet: at_once\n{OTHER}")
    text = words((await editor.get(f"/agents/{agent['id']}")).text)
    table = text[text.index("2 versions") :]
    assert "Who speaks first" in table
    assert re.search(r"2 Draft .{16} UTC Editor Agent Never", table)
    assert re.search(r"1 .{16} UTC Editor Callee Never", table)
    await publish(editor, agent, 1)
    asked = words((await editor.get(f"/agents/{agent['id']}/publish")).text)
    assert "this version speaks at once; version 1 waits for it." in asked


async def test_of_many_versions_the_newest_and_the_published_are_shown(editor, agent):
    await publish(editor, agent, 1)
    for number in range(25):
        await save(editor, agent, f"{SOURCE}\n# {number}\n")
    url = f"/agents/{agent['id']}"
    few, every = (await editor.get(url)).text, (await editor.get(f"{url}?all=true")).text
    shown = [int(one) for one in re.findall(r'<strong class="number">(\d+)</strong>', few)]
    assert shown == [*range(26, 6, -1), 1]
    assert "Show all 26 versions" in few
    assert len(re.findall(r'<strong class="number">\d+</strong>', every)) == 26
    assert "Show all" not in every


async def test_publishing_asks_with_what_changes(editor, agent):
    url = f"/agents/{agent['id']}/publish"
    first = words((await editor.get(url)).text)
    assert "Publish version 1" in first
    assert "Nothing was published before." in first
    await publish(editor, agent, 1)
    assert "published already" in words((await editor.get(url)).text)
    await save(editor, agent, OTHER)
    answer = await editor.get(url)
    text = words(answer.text)
    assert "From version 1 to version 2: 1 line added, 1 line removed" in text
    assert "16 \N{MINUS SIGN} removed practice: Riverside Dental 16 + added practice: Hillside Dental" in text
    assert """data-body='{"version": 2}'""" in answer.text
    assert "No phone number uses the published version" in text


async def test_going_back_says_that_the_draft_stays(editor, agent, engine):
    async with engine.begin() as conn:
        await conn.execute(update(numbers).values(agent_id=agent["id"]))
    await save(editor, agent, OTHER, publish=True)
    text = words((await editor.get(f"/agents/{agent['id']}/publish?version=1")).text)
    assert "Roll back to version 1" in text
    assert "The draft (version 2) stays as it is." in text
    assert "The next calls of +15551230002 use it." in text


async def test_what_is_typed_is_compared_with_what_somebody_else_saved(editor, agent):
    await save(editor, agent, OTHER)
    answer = await editor.post(f"/agents/{agent['id']}/changes", json={"source": SOURCE + "# <i>mine\n", "version": 2})
    text = words(answer.text)
    assert "From version 2 to your unsaved changes: 2 lines added, 1 line removed" in text
    assert "# &lt;i&gt;mine" in answer.text
    same = await editor.post(f"/agents/{agent['id']}/changes", json={"source": OTHER, "version": 2})
    assert "Nothing differs between version 2 and your unsaved changes." in words(same.text)


async def test_viewers_read_and_listen_and_change_nothing(viewer, editor, agent):
    await save(editor, agent, OTHER)
    listed = (await viewer.get("/agents")).text
    assert "new-agent" not in listed
    page = (await viewer.get(f"/agents/{agent['id']}")).text
    assert re.search(r"<textarea[^>]*readonly", page)
    assert not re.search(r'id="(save|publish|rename|discard)"|data-opens-version|/publish\?', page)
    assert (await viewer.get(f"/agents/{agent['id']}/changes?before=1&after=2")).status_code == 200
    assert (await viewer.get(f"/agents/{agent['id']}/publish")).status_code == 403


async def test_other_workspaces_agents_and_versions_nobody_wrote_are_not_found(editor, agent):
    for path in (
        "/agents/agent_none",
        "/agents/agent_none/publish",
        f"/agents/{agent['id']}/publish?version=9",
        f"/agents/{agent['id']}/changes?before=1&after=9",
    ):
        assert (await editor.get(path)).status_code == 404, path


async def test_the_page_of_an_agent_with_a_model_has_no_steps_and_its_own_words(editor):
    source = load_example("model_reminder")
    made = (await editor.post("/v1/agents", json={"name": "Reminder", "source": source})).json()
    page = (await editor.get(f"/agents/{made['id']}")).text
    assert re.search(r'aria-labelledby="outline-title" hidden', page)
    assert "Its model is asked, which may cost money." in words(page)
    assert re.search(r'id="talk-begin">Start<', page)
    assert 'data-words="agent model base_url' in page
    assert "Model" in words((await editor.get("/agents")).text)


async def test_an_agent_that_comes_with_the_server_is_shown_and_not_edited(editor, engine, tmp_path):
    code = "from outdial import Call, agent\n@agent\nasync def one(call: Call) -> None: ...\n"
    (tmp_path / "one.py").write_text(code)
    await ServedAgents.begin(engine, tmp_path, reload=False, progress=lambda step: None)
    [one] = [each for each in (await editor.get("/v1/agents")).json()["agents"] if each["kind"] == "python"]
    assert "Python" in words((await editor.get("/agents")).text)
    page = (await editor.get(f"/agents/{one['id']}")).text
    assert "python: one.py" in page
    assert "This agent is written in Python. Whoever runs this server changes it" in words(page)
    for control in ('id="save"', 'id="publish"', 'data-opens="rename"', "data-opens-version", "Roll back"):
        assert control not in page
    assert re.search(r'<textarea id="source"[^>]* readonly', page)


async def test_a_new_agent_is_of_a_kind_each_with_an_example(editor):
    html = (await editor.get("/agents")).text
    kinds = re.findall(r'<legend class="kind">([^<]+)</legend>', html)
    assert kinds == ["Script", "Realtime", "Model", "Relay", "Voiceflow"]


MODEL_SOURCE = load_example("model_reminder")


async def change_form(browser, source, edit=None):
    made = (await browser.get("/v1/agents")).json()["agents"]
    agent_id = made[0]["id"] if made else ""
    body = {"source": source} | ({"edit": edit} if edit else {})
    answer = await browser.post(f"/agents/{agent_id}/form", json=body)
    assert answer.status_code == 200, answer.text
    written = re.search(r'<textarea id="form-source"[^>]*>\n(.*?)</textarea>', answer.text, re.DOTALL)
    return answer.text, unescape(written[1])


async def test_a_change_in_the_form_is_a_change_in_the_source(editor):
    made = await editor.post("/v1/agents", json={"source": MODEL_SOURCE})
    page = (await editor.get(f"/agents/{made.json()['id']}")).text
    assert 'id="form-greeting"' in page
    html, source = await change_form(editor, MODEL_SOURCE, {"path": ["limits", "turns"], "value": 9})
    assert source == MODEL_SOURCE.replace("limits: {turns: 20, dollars: 0.20}", "limits:\n  turns: 9\n  dollars: 0.2")
    html, source = await change_form(editor, MODEL_SOURCE, {"path": ["outcomes", "moved"], "rename": "confirmed"})
    assert source == MODEL_SOURCE
    assert "Not changed: &#39;confirmed&#39; is there already." in html
    html, source = await change_form(editor, "a: [")
    assert (source, "can't be shown as a form (line 2)" in html) == ("a: [", True)
    assert 'id="form-greeting"' not in html


async def test_a_script_has_no_form(editor, agent):
    assert 'id="agent-form"' not in (await editor.get(f"/agents/{agent['id']}")).text


async def test_viewers_see_the_form_and_can_not_talk_to_the_model(viewer, editor):
    made = await editor.post("/v1/agents", json={"source": MODEL_SOURCE})
    page = (await viewer.get(f"/agents/{made.json()['id']}")).text
    assert re.search(r"<fieldset disabled>", page)
    assert 'id="talk-begin"' not in page


async def test_voice_and_language_are_chosen_for_any_agent_and_written_into_its_source(editor, viewer):
    source = "agent:\n  name: Desk  # ours\nsteps: {a: {hang_up: Goodbye.}}\n"
    agent = (await editor.post("/v1/agents", json={"name": "Desk", "source": source})).json()
    page = (await editor.get(f"/agents/{agent['id']}")).text
    assert 'value="deepgram/aura-2-lara-de"' in page  # among what may be chosen
    assert re.search(r"<fieldset [^>]*disabled", (await viewer.get(f"/agents/{agent['id']}")).text)

    async def choose(source, name, value):
        edit = {"path": ["agent", name], "value": value}
        part = (await editor.post(f"/agents/{agent['id']}/speech", json={"source": source, "edit": edit})).text
        return unescape(re.search(r'<textarea id="speech-source"[^>]*>\n(.*?)</textarea>', part, re.DOTALL)[1]), part

    german, _ = await choose(source, "language", "de-DE")
    spoken, part = await choose(german, "voice", "deepgram/aura-2-lara-de")
    assert 'id="speech-language" value="de-DE"' in part
    chosen = "  language: de-DE\n  voice: deepgram/aura-2-lara-de\n"
    assert spoken.replace('"', "") == source.replace("steps", chosen + "steps")
    assert (await choose(spoken, "voice", None))[0] == german
    untouched, part = await choose(spoken, "name", "Other")
    assert (untouched, "only language, voice and recognition" in part) == (spoken, True)
