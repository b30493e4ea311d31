"""A wrap-up made again by whoever may, and shown with its call."""

import pytest
from sqlalchemy import insert, select, text, update

from outdial.db.tables import agent_versions, attempts, audit_log, calls
from outdial.db.wrap_up_tables import wrap_ups
from outdial.ids import new_id
from outdial.workspaces.access import Role
from tenants import E164


@pytest.fixture
async def call_id(engine, tenant):
    """Of a call that was answered and has ended, whose agent asks for a wrap-up, which failed."""
    call_id = new_id("call")
    call = {"id": call_id, "workspace_id": tenant.workspace_id, "direction": "outbound", "state": "ended"}
    call |= {"end_reason": "completed", "from_": E164, "to": "+15551234567", "agent_id": tenant.agent_id}
    call |= {"agent_version": 1, "ring_timeout_s": 30, "max_duration_s": 600}
    dial = {"id": new_id("att"), "call_id": call_id, "number": 1, "carrier": "twilio", "state": "ended"}
    async with engine.begin() as conn:
        await conn.execute(update(agent_versions).values(after=True))
        await conn.execute(insert(calls).values(call))
        await conn.execute(insert(attempts).values(dial | {"stream_token_hash": b"", "end_reason": "completed"}))
        error = {"code": "model_failed", "message": "rate_limit_exceeded (HTTP 429)"}
        await conn.execute(insert(wrap_ups).values(call_id=call_id, state="failed", begun=5, error=error))
    return call_id


async def test_a_failed_one_is_shown_with_the_vendors_word_and_made_again_once(engine, client, call_id):
    call = (await client.get(f"/v1/calls/{call_id}")).json()
    made = call["wrap_up"]
    assert (made["state"], made["error"]["message"]) == ("failed", "rate_limit_exceeded (HTTP 429)")
    first = (await client.post(f"/v1/calls/{call_id}/wrap-up")).json()
    second = (await client.post(f"/v1/calls/{call_id}/wrap-up")).json()
    assert (first["changed"], second["changed"]) == (True, False)
    assert (await client.get(f"/v1/calls/{call_id}")).json()["wrap_up"]["state"] == "pending"
    async with engine.connect() as conn:
        jobs = "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'wrap_up'"
        assert await conn.scalar(text(jobs)) == 1
        entries = (await conn.execute(select(audit_log.c.act, audit_log.c.subject_id))).all()
    assert entries.count(("wrap_up.wanted", call_id)) == 1


@pytest.mark.parametrize(("role", "status"), [(Role.VIEWER, 403), (Role.EDITOR, 200)])
async def test_editors_have_it_made_again_and_viewers_dont(browser_of, call_id, role, status):
    browser = await browser_of(role)
    assert (await browser.post(f"/v1/calls/{call_id}/wrap-up")).status_code == status


async def test_a_call_that_nobody_asked_to_wrap_up_says_so(engine, client, call_id):
    async with engine.begin() as conn:
        await conn.execute(update(agent_versions).values(after=False))
    refused = await client.post(f"/v1/calls/{call_id}/wrap-up")
    assert (refused.status_code, refused.json()["code"]) == (409, "no_wrap_up")
    assert (await client.post("/v1/calls/call_gone/wrap-up")).status_code == 404
