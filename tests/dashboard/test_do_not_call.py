"""The page Do not call, and the ways that lead to it."""

import pytest
from sqlalchemy import update

from outdial.dashboard import audit_words
from outdial.dashboard.words import SOURCES
from outdial.db.tables import do_not_call
from outdial.policy.do_not_call import Source
from outdial.workspaces.access import Role

LISTED = "+12025550115"


async def add(browser, number=LISTED, **fields):
    return (await browser.post("/v1/do-not-call", json={"number": number, **fields})).json()


@pytest.mark.parametrize("role", Role)
async def test_everybody_may_look(browser_of, role):
    page = (await (await browser_of(role)).get("/do-not-call")).text
    assert "Nobody yet" in page
    assert 'href="/do-not-call" aria-current="page"' in page
    assert "/v1/do-not-call.csv" in page


async def test_editors_change_the_list_and_viewers_read_it(browser_of):
    editor, viewer = await browser_of(Role.EDITOR), await browser_of(Role.VIEWER)
    await add(editor, reason="Asked <b>by mail</b>")
    theirs, ours = (await viewer.get("/do-not-call")).text, (await editor.get("/do-not-call")).text
    for act in ('data-api="POST /v1/do-not-call"', "data-imports", "DELETE /v1/do-not-call/%2B12025550115"):
        assert act in ours
        assert act not in theirs
    assert "Asked &lt;b&gt;by mail&lt;/b&gt;" in theirs
    assert LISTED in theirs


async def test_the_list_is_searched_and_paged(editor):
    for n in range(60):
        await add(editor, f"+1202555{n:04}")
    first = (await editor.get("/do-not-call")).text
    assert first.count("Take off<span") == 50
    (older,) = {line.split('href="')[1].split('"')[0] for line in first.splitlines() if 'rel="next"' in line}
    second = (await editor.get(older.replace("&amp;", "&"))).text
    assert second.count("Take off<span") == 10
    assert "Newest" in second
    found = (await editor.get("/do-not-call", params={"number": "+1 202 555 0007"})).text
    assert found.count("Take off<span") == 1
    none = (await editor.get("/do-not-call", params={"number": "+44", "source": "callee"})).text
    assert "No number matches" in none
    for wrong in ({"cursor": "x"}, {"source": "x"}):
        assert (await editor.get("/do-not-call", params=wrong)).status_code == 422


async def test_an_entry_leads_to_the_call_it_was_said_in(editor, engine):
    await add(editor)
    async with engine.begin() as conn:
        await conn.execute(update(do_not_call).values(source="callee", call_id="call_1"))
    page = (await editor.get("/do-not-call")).text
    assert f'<a href="/calls/call_1">{SOURCES["callee"]}</a>' in page
    assert "Its holder asked not to be." in page


def test_every_way_onto_the_list_has_its_words():
    assert SOURCES.keys() == set(Source)


async def test_a_call_that_was_refused_leads_to_the_entry(editor, tenant):
    url = f"/v1/phone-number/{tenant.number_id}/outbound"
    body = {"to": LISTED, "not_before": "2099-01-01T00:00:00Z"}
    call_id = (await editor.post(url, json=body)).json()["call_id"]
    await add(editor)
    page = (await editor.get(f"/calls/{call_id}")).text
    assert "do-not-call list" in page
    assert "/do-not-call?number=%2B12025550115" in page


async def test_the_audit_log_tells_of_the_list_in_words(editor):
    await add(editor)
    await editor.delete(f"/v1/do-not-call/{LISTED}")
    page = (await editor.get("/settings/audit-log?act=do_not_call")).text
    for words in ("Added a number to the do-not-call list", "Took a number off the do-not-call list", "+120…15"):
        assert words in page
    assert LISTED not in page
    assert "do_not_call" in audit_words.KINDS
