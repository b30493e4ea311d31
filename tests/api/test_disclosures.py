"""What agents disclose, over HTTP; and what a call tells of it."""

from functools import partial

from sqlalchemy import update

from outdial.calls.claim import stream_token_hash
from outdial.calls.ownership import Lease, take_stream
from outdial.calls.results import Result, save_result
from outdial.db.tables import attempts, audit_log, calls
from outdial.retention.erase_call import erase_call
from outdial.workspaces.audit import COMMAND_LINE
from outdial.workspaces.secrets import SecretBox
from personal import told_call

SENTENCE = "This is an automated call."
TO = "+12025550166"


async def test_a_sentence_is_set_told_of_the_calls_that_heard_it_and_counted(
    client, engine, settings, tenant, tmp_path
):
    path = f"/v1/agents/{tenant.agent_id}/disclosure"
    note = {"disclosure": f" {SENTENCE} ", "consent": "Form 12"}
    assert (await client.put(path, json=note)).json()["disclosure"] == SENTENCE
    heard = []
    for heard_at_ms in (3100, None):
        told = await told_call(engine, tmp_path, tenant.workspace_id, tenant.number_id, settings, TO)
        result = Result(
            noted={}, recording=None, message_delivered=None, transferred=False,
            disclosure={"heard_at_ms": heard_at_ms},
        )  # fmt: skip
        async with engine.begin() as conn:
            await conn.execute(update(attempts).values(result_at=None))
        kept = Result.from_json(result.to_json())
        await save_result(engine, told.attempt_id, told.call_id, kept)
        heard.append((await client.get(f"/v1/calls/{told.call_id}")).json()["disclosure"])
    assert heard == [{"heard": True, "heard_at_ms": 3100}, {"heard": False, "heard_at_ms": None}]
    (view,) = (await client.get("/v1/disclosures")).json()["disclosures"]
    assert (view["calls"], view["heard"], view["consent"]) == (2, 1, "Form 12")
    lines = (await client.get("/v1/calls.csv")).text.splitlines()
    assert "disclosure_heard" in lines[0]
    assert "true" in lines[2]
    await erase_call(engine, partial(SecretBox, "a key"), tenant.workspace_id, told.call_id, by=COMMAND_LINE)
    assert (await client.get(f"/v1/calls/{told.call_id}")).json()["disclosure"] == heard[1]
    async with engine.connect() as conn:
        acts = (await conn.scalars(audit_log.select().with_only_columns(audit_log.c.act))).all()
    assert "agent.disclosure_changed" in acts


async def test_the_sentence_goes_along_with_the_call_when_its_audio_comes(client, engine, settings, tenant, tmp_path):
    await client.put(f"/v1/agents/{tenant.agent_id}/disclosure", json={"disclosure": SENTENCE})
    told = await told_call(engine, tmp_path, tenant.workspace_id, tenant.number_id, settings, TO)
    async with engine.begin() as conn:
        values = {"state": "in_progress", "stream_opened_at": None, "stream_token_hash": stream_token_hash("t")}
        await conn.execute(update(attempts).values(values | {"result_at": None}))
        await conn.execute(update(calls).values(state="in_progress"))
    lease = Lease(owner="worker_1", lease_s=30, silent_after_s=30)
    answered = await take_stream(engine, told.attempt_id, "t", lease)
    assert answered.disclosure == SENTENCE


async def test_an_agent_that_is_not_there(client):
    refused = await client.put("/v1/agents/agent_x/disclosure", json={})
    assert (refused.status_code, refused.json()["code"]) == (404, "agent_not_found")


async def test_a_source_that_does_not_say_it_gets_a_warning(client, tenant):
    await client.put(f"/v1/agents/{tenant.agent_id}/disclosure", json={"disclosure": SENTENCE})

    async def warnings(words, agent_id=tenant.agent_id):
        body = {"source": f"steps: {{a: {{hang_up: {words}}}}}", "agent_id": agent_id}
        answer = await client.post("/v1/agents/check", json=body)
        return answer.json()["warnings"] if answer.status_code == 200 else answer.json()["code"]

    assert SENTENCE in (await warnings("Goodbye."))[0]["message"]
    assert await warnings(f"Goodbye. {SENTENCE}") == []
    assert await warnings("Goodbye.", None) == []
    assert await warnings("Goodbye.", "agent_of_somebody_else") == "agent_not_found"
