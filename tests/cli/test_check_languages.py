from sqlalchemy import update

from outdial.agents.store import create_agent, publish_version
from outdial.cli.check_languages import judge, look
from outdial.cli.findings import Status
from outdial.db.tables import agents
from outdial.workspaces.audit import COMMAND_LINE

SOURCE = "agent: {{name: Front desk, language: {language}}}\nsteps: {{a: {{hang_up: Bye.}}}}\n"


async def test_an_agent_in_use_whose_language_nobody_speaks_is_told(engine, workspace, monkeypatch):
    monkeypatch.setattr("outdial.agents.speech_languages.speaks", lambda language: False)

    async def make(name, language):
        source = SOURCE.format(language=language)
        return (await create_agent(engine, workspace.id, name=name, source=source, by=COMMAND_LINE))["id"]

    german = await make("German desk", "de-DE")
    await make("Draft alone", "fr-FR")
    english = await make("English desk", "en-US")
    for agent_id in (german, english):
        await publish_version(engine, workspace.id, agent_id, version=1, by=COMMAND_LINE)
    async with engine.connect() as conn:
        found = await look(conn)
    [finding] = judge(found)
    assert (finding.status, finding.found) == (Status.WARN, "German desk: no voice and no recognition for de-DE")
    async with engine.begin() as conn:
        await conn.execute(update(agents).where(agents.c.id == german).values(published_version=None))
    async with engine.connect() as conn:
        assert await look(conn) == []
