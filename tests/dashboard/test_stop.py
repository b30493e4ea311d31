"""Pauses on every page, the dialog that stops, and what calls wait for, in words."""

import asyncio

import pytest

from outdial.calls.cancel_waiting import COUNTED_TO
from outdial.calls.claim import claim_due_calls
from outdial.calls.departure import Hold
from outdial.calls.dial_outcome import put_back
from outdial.dashboard import audit_words
from outdial.dashboard.live_views import calls_view
from outdial.dashboard.waiting_words import waiting_calls, waits, waits_short
from outdial.history.waiting import WaitReason
from outdial.workspaces.access import Role

PAGES = ["/", "/calls", "/phone-numbers", "/agents", "/do-not-call", "/settings", "/calls/call_unknown"]


async def paused(browser, at="/v1/workspace", reason="Wrong <b>list</b>"):
    assert (await browser.post(f"{at}/pause", json={"reason": reason})).status_code == 200


@pytest.fixture
def number_at(tenant):
    return f"/v1/phone-numbers/{tenant.number_id}"


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_says_since_when_by_whom_and_why_dialling_is_paused(editor, number_at, path):
    assert "Dialling is paused" not in (await editor.get(path)).text
    await paused(editor)
    await paused(editor, number_at, reason=None)
    page = (await editor.get(path)).text
    assert page.count("Dialling is paused") == 2
    assert "Wrong &lt;b&gt;list&lt;/b&gt;" in page
    assert 'data-api="POST /v1/workspace/resume"' in page
    assert f'data-api="POST {number_at}/resume"' in page


async def test_who_only_looks_sees_the_pause_and_no_way_to_stop_or_resume(editor, viewer, tenant):
    await paused(editor)
    page = (await viewer.get("/calls")).text
    assert "Dialling is paused" in page
    assert '<main id="main" tabindex="-1" data-may-edit="no"' in page, "which hides data-needs-editor"
    assert 'data-stops="/stop">' not in page.replace('quiet" type="button" data-stops="/stop"', "")
    assert 'id="stop-dialog"' not in page
    for path in ("/stop", f"/phone-numbers/{tenant.number_id}/stop"):
        assert (await viewer.get(path)).status_code == 403


async def test_the_dialog_pauses_with_a_reason_and_counts_what_would_be_canceled(editor, tenant, number_at):
    for path, at in (("/stop", "/v1/workspace"), (f"/phone-numbers/{tenant.number_id}/stop", number_at)):
        dialog = (await editor.get(path)).text
        assert f'data-api="POST {at}/pause"' in dialog
        assert "0 calls wait" in dialog
        assert "data-cancels" not in dialog
    await paused(editor)
    await editor.post(f"/v1/phone-number/{tenant.number_id}/outbound", json={"to": "+15551234567"})
    dialog = (await editor.get("/stop")).text
    assert 'data-api="POST /v1/workspace/resume"' in dialog
    assert "1 call waits" in dialog
    assert 'data-cancels="/v1/calls/cancel-waiting"' in dialog
    dialog = (await editor.get(f"/phone-numbers/{tenant.number_id}/stop")).text
    assert f'data-cancels="{number_at}/calls/cancel-waiting"' in dialog
    assert f'data-api="POST {number_at}/pause"' in dialog
    assert "The workspace is paused as well." in dialog
    await paused(editor, number_at, reason="Wrong number")
    dialog = (await editor.get(f"/phone-numbers/{tenant.number_id}/stop")).text
    assert f'data-api="POST {number_at}/resume"' in dialog
    assert ": Wrong number</p>" in dialog


async def test_a_call_says_what_it_waits_for_on_its_page_and_in_the_list(editor, tenant):
    await paused(editor)
    url = f"/v1/phone-number/{tenant.number_id}/outbound"
    call_id = (await editor.post(url, json={"to": "+15551234567"})).json()["call_id"]
    assert "Waits because dialling is paused; its place is 1." in (await editor.get(f"/calls/{call_id}")).text
    assert "Paused, place 1" in (await editor.get("/calls")).text
    assert "Waits because dialling is paused" in (await editor.get(f"/calls/{call_id}/watch")).text


async def test_a_page_that_is_open_hears_of_a_pause(app, editor, services, tenant):
    async def allowed():
        return True

    told = []

    async def look():
        pages = app.state.live_pages
        async for message in pages.follow(calls_view(services, tenant.workspace_id), still_allowed=allowed):
            told.extend(message.decode().splitlines())

    looking = asyncio.create_task(look())
    async with asyncio.timeout(9):  # sooner than a page looks by itself
        while not any("pause-banner" in one for one in told):  # noqa: ASYNC110 - what the channel sends first
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.3)
        await paused(editor)
        while not any("Dialling is paused" in one for one in told):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    looking.cancel()


async def test_a_call_held_back_by_a_pause_says_so_in_its_timeline(editor, engine, tenant, services):
    url = f"/v1/phone-number/{tenant.number_id}/outbound"
    call_id = (await editor.post(url, json={"to": "+15551234567"})).json()["call_id"]
    (claim,) = (await claim_due_calls(engine, tenant.workspace_id, owner="worker_1", lease_s=15)).claims
    await put_back(engine, claim, Hold.PAUSED)
    assert "Dialling was paused." in (await editor.get(f"/calls/{call_id}")).text


async def test_the_audit_log_has_words_for_all_of_it(editor, browser_of, tenant):
    operator = await browser_of(Role.OPERATOR)
    await paused(operator)
    await editor.post(f"/v1/phone-number/{tenant.number_id}/outbound", json={"to": "+15551234567"})
    await operator.post("/v1/calls/cancel-waiting")
    await operator.post("/v1/workspace/resume")
    page = (await operator.get("/settings/audit-log")).text
    for words in ("Paused dialling", "Resumed dialling", "Canceled the calls that waited"):
        assert words in page
    for kind in ("pause", "calls"):
        assert kind in audit_words.KINDS


@pytest.mark.parametrize("reason", WaitReason)
def test_every_reason_has_words(reason):
    waiting = {"reason": reason, "position": 1200, "expected_at": "2026-01-31T09:00:00Z"}
    assert "1,200" in waits_short(waiting)
    assert "2026-01-31 09:00" in waits(waiting)
    alone = waiting | {"position": None, "expected_at": None}
    assert "place" not in waits_short(alone) + waits(alone)


def test_a_count_that_stopped_says_so():
    assert waiting_calls(1) == "1 call waits"
    assert waiting_calls(COUNTED_TO) == "10,000 or more calls wait"
