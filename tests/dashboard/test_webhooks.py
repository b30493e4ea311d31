"""The pages about webhooks."""

import pytest
from sqlalchemy import text

from outdial.workspaces.access import Role
from webhooks.receiver import Answer, receiving


@pytest.fixture
async def receiver():
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def operator(browser_of):
    return await browser_of(Role.OPERATOR)


async def add(browser, url, **fields):
    answer = await browser.post("/v1/webhooks", json={"url": url, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.mark.parametrize("role", Role)
async def test_everybody_may_look_and_operators_change(browser_of, operator, role, receiver):
    webhook = await add(operator, receiver.url, description="CRM <b>")
    page = (await (await browser_of(role)).get("/settings/webhooks")).text
    assert "CRM &lt;b&gt;" in page
    assert 'href="/settings/webhooks" aria-current="page"' in page
    assert (f"DELETE /v1/webhooks/{webhook['id']}" in page) is (role is Role.OPERATOR)
    assert webhook["secret"] not in page


async def test_what_was_sent_is_shown_with_what_came_back(operator, receiver):
    receiver.answers = lambda got: Answer(status=401, body=b"<i>no</i>")
    webhook = await add(operator, receiver.url)
    await operator.post(f"/v1/webhooks/{webhook['id']}/test")
    page = (await operator.get(f"/settings/webhooks/{webhook['id']}")).text
    assert "&lt;i&gt;no&lt;/i&gt;" in page
    assert "Given up" in page
    assert "raw body" in page
    assert "/resend" in page
    assert "Nothing here" in (await operator.get(f"/settings/webhooks/{webhook['id']}?state=delivered")).text
    assert (await operator.get("/settings/webhooks/wh_none")).status_code == 404


async def test_what_would_have_been_sent_is_shown(operator, tenant):
    assert "No calls yet" in (await operator.get("/settings/webhooks/preview")).text
    await operator.post(f"/v1/phone-number/{tenant.number_id}/outbound", json={"to": "+15551230001"})
    assert "call.queued" in (await operator.get("/settings/webhooks/preview")).text
    assert "Nothing here" in (await operator.get("/settings/webhooks/requests")).text


async def test_an_endpoint_that_fails_needs_attention(operator, receiver, engine, tenant):
    webhook = await add(operator, receiver.url)
    await operator.post(f"/v1/phone-number/{tenant.number_id}/outbound", json={"to": "+15551230001"})
    assert (await operator.get("/v1/overview")).json()["attention"]["webhooks"] == []
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE webhooks SET failing_since = now() - interval '20 minutes'"))
    (failing,) = (await operator.get("/v1/overview")).json()["attention"]["webhooks"]
    assert (failing["webhook_id"], failing["off"]) == (webhook["id"], False)
    assert failing["host"] in receiver.url
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE webhooks SET off_at = now(), off_reason = 'failing'"))
    assert (await operator.get("/v1/overview")).json()["attention"]["webhooks"][0]["off"] is True
    assert "Nothing was accepted for five days" in (await operator.get("/settings/webhooks")).text
