import re

import httpx
import pytest

from outdial.members.sign_in import make_link
from outdial.workspaces.access import Role

BASE = "https://voice.example"
SUBMITS_ITSELF = "data-submits-itself"


@pytest.fixture
async def stranger(app):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as browser:
        yield browser


async def test_a_link_signs_in_by_itself_where_nobody_is_signed_in(stranger, editor, engine):
    link = await make_link(engine, editor.signed_in.person_id)
    assert SUBMITS_ITSELF in (await stranger.get(f"/sign-in/{link}")).text
    answer = await stranger.post(f"/sign-in/{link}", headers={"Origin": BASE})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "HttpOnly" in answer.headers["set-cookie"]


async def test_a_link_of_somebody_else_asks_before_it_takes_the_browser_over(editor, viewer, engine):
    """Any page could lead here; who doesn't notice would go on working in a stranger's name."""
    page = (await viewer.get(f"/sign-in/{await make_link(engine, editor.signed_in.person_id)}")).text
    assert SUBMITS_ITSELF not in page
    assert "You are signed in as Viewer" in page
    assert SUBMITS_ITSELF in (await viewer.get(f"/sign-in/{await make_link(engine, viewer.signed_in.person_id)}")).text


async def test_who_opens_a_used_link_again_and_is_signed_in_gets_to_the_overview(stranger, viewer, engine):
    link = await make_link(engine, viewer.signed_in.person_id)
    await stranger.post(f"/sign-in/{link}", headers={"Origin": BASE})
    answer = await viewer.get(f"/sign-in/{link}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    stranger.cookies.clear()
    answer = await stranger.get(f"/sign-in/{link}")
    assert answer.status_code == 404
    assert "used already" in answer.text


async def test_another_site_s_form_signs_nobody_in(stranger, editor, engine):
    link = await make_link(engine, editor.signed_in.person_id)
    for path in (f"/sign-in/{link}", "/sign-in"):
        answer = await stranger.post(path, data={"email": "a@b.c", "password": "x"}, headers={"Origin": "https://evil.example"})
        assert answer.status_code == 403
        assert "page of another site" in answer.text
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "to", ["//evil.example", "/\\evil.example", "https://evil.example", "/\tx", "javascript:0", ""]
)
async def test_nobody_is_sent_elsewhere_after_signing_in(viewer, to):
    assert (await viewer.get("/sign-in", params={"to": to})).headers["location"] == "/"


async def test_a_mistyped_address_is_told_in_words_to_people_and_as_json_to_programs(stranger):
    answer = await stranger.get("/phone-number", headers={"Accept": "text/html,*/*"})
    assert answer.status_code == 404
    assert re.search("<h1>Not found</h1>", answer.text)
    assert (await stranger.get("/phone-number")).json()["code"] == "not_found"
    assert (await stranger.get("/v1/nothing", headers={"Accept": "text/html,*/*"})).json()["code"] == "not_found"


async def test_nothing_that_was_shown_stays_in_a_browser_s_cache(browser_of):
    operator = await browser_of(Role.OPERATOR)
    for path in ("/", "/calls", "/settings/members", "/v1/members", "/v1/api-keys", "/v1/calls", "/v1/me"):
        answer = await operator.get(path)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
