"""What the modal of the outbound call API begins with, and who finds what in it."""

import html
import json
import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, text, update

from outdial.dashboard.outbound_form import shown, typed
from outdial.db.tables import agent_versions, agents, numbers
from outdial.workspaces.access import Role

DEFAULTS = {
    "plain": "Riverside Dental",
    "apostrophe": "it's \"so\" </textarea><script>alert(1)</script> & {plain}",
    "lines": "\none\n\ntwo",
    "carriage": "one\r\ntwo",
    "spaces": "  wide  ",
    "number_in_words": "0123",
    "digits": "42",
    "yes": "true",
    "empty": "",
    "unicode": "Zoë 🎉 日本",
    "unseen": "a\u200bb\u202e\x7f",
    "long": "It's long. " * 2_000,
    "count": 3,
    "price": 9.5,
    "flag": False,
    "list": ["a", 1, None],
    "object": {"city": "Zürich", "zip": "08001"},
    "missing": None,
}
SCRIPT = yaml.safe_dump({"variables": DEFAULTS, "steps": {"hello": [{"hang_up": "Hello {plain}"}]}})
VALUES = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(VALUES)
def test_what_is_shown_of_a_default_is_typed_as_that_default(value):
    said = shown(value)
    assert (typed(said), type(typed(said))) == (value, type(value))
    assert said.replace("\r\n", "\n").replace("\r", "\n") == said  # as text areas have it
    assert said.strip(" ") == said != ""


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_what_can_not_be_sent_is_empty(value):
    assert shown(value) == ""


@pytest.mark.parametrize("text", ["9" * 5000, "[" * 100_000, "NaN", "-Infinity", "1e999"])
def test_a_text_that_a_browser_or_python_takes_for_something_else_is_in_quotes(text):
    assert shown(text) == f'"{text}"'


@pytest.fixture
async def script(engine, tenant):
    """Version 2 of the number's agent, the draft."""
    async with engine.begin() as conn:
        await conn.execute(insert(agent_versions).values(agent_id=tenant.agent_id, version=2, source=SCRIPT))
    return SCRIPT


@pytest.fixture
def modal(tenant):
    return f"/phone-numbers/{tenant.number_id}/outbound-call-api"


def rows(page):
    """What the form has for each variable, as a browser reads it: a text area without its first line break."""
    found = re.findall(r'data-declared="(\w+)".*?<textarea[^>]*>\n(.*?)</textarea>', page, re.DOTALL)
    return {name: typed(html.unescape(text)) if text else None for name, text in found}


def choices(page):
    options = re.search(r"<select[^>]*data-version.*?</select>", page, re.DOTALL)[0]
    return {value: html.unescape(told) for value, told in re.findall(r'value="(\w*)"[^>]*>(.*?)<', options)}


def chosen(page):
    return re.search(r'<option value="(\w*)" selected', page)[1]


def body_of(page):
    """The JSON in the panel for other tools."""
    return json.loads(html.unescape(re.search(r'data-code(?:-of)?="no-code"[^>]*>(.*?)</pre>', page, re.DOTALL)[1]))


async def test_the_agent_s_variables_are_there_with_their_defaults(editor, modal, script, tenant, engine):
    assert rows((await editor.get(modal)).text) == {}  # the published version declares none
    assert rows((await editor.get(f"{modal}/variables?version=draft")).text) == DEFAULTS
    async with engine.begin() as conn:
        await conn.execute(update(numbers).values(agent_version="draft"))
    page = (await editor.get(modal)).text
    assert rows(page) == DEFAULTS
    sent = {name: value for name, value in DEFAULTS.items() if value is not None}
    assert body_of(page) == {"to": "+15551234567", "variables": sent}


async def test_a_version_is_chosen_for_the_test_call(editor, modal, script, tenant, engine):
    page = (await editor.get(modal)).text
    assert choices(page) == {"": "Published, version 1 (what callers get)", "draft": "Draft, version 2"}
    assert chosen(page) == ""
    async with engine.begin() as conn:
        await conn.execute(insert(agent_versions).values(agent_id=tenant.agent_id, version=3, source=SCRIPT))
        await conn.execute(update(numbers).values(agent_version="draft"))
    page = (await editor.get(modal)).text
    assert choices(page) == {
        "": "Draft, version 3 (what callers get)", "published": "Published, version 1", "2": "Version 2"
    }  # fmt: skip


async def test_where_nothing_is_published_the_draft_is_tried(editor, modal, script, tenant, engine):
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE agents SET published_version = NULL"))
    page = (await editor.get(modal)).text
    assert chosen(page) == "draft"
    assert "Nothing is published yet" in page
    assert rows(page) == DEFAULTS
    assert body_of(page)["agent"] == {"id": tenant.agent_id, "version": "draft"}


async def test_a_script_of_an_older_release_that_can_not_be_read_any_more_has_no_variables(editor, modal, engine):
    async with engine.begin() as conn:
        await conn.execute(update(agent_versions).values(source="steps: [what"))
    assert rows((await editor.get(modal)).text) == {}


@pytest.mark.parametrize("version", ["3", "0", "newest", "99999999999", "-1", "published"])
async def test_a_version_that_is_not_to_be_chosen_is_not_there(editor, modal, script, version):
    answer = await editor.get(f"{modal}/variables", params={"version": version})
    assert answer.status_code in (404, 422)


async def test_a_number_without_an_agent_says_what_to_do(editor, viewer, modal, engine):
    async with engine.begin() as conn:
        await conn.execute(update(numbers).values(agent_id=None))
        await conn.execute(update(agents).values(published_version=None))
    assert "This number has no agent yet" in (await editor.get(modal)).text
    assert "An editor or operator can choose one" in (await viewer.get(modal)).text


async def test_a_number_for_inbound_calls_has_no_modal(editor, modal, engine):
    async with engine.begin() as conn:
        await conn.execute(update(numbers).values(direction="inbound"))
    assert (await editor.get(modal)).status_code == 409
    assert (await editor.post(f"{modal}/code", json={})).status_code == 409


# -- who finds what -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("role", "may_call", "may_make_a_key"), [
    (Role.OPERATOR, True, True), (Role.EDITOR, True, False), (Role.VIEWER, False, False),
])  # fmt: skip
async def test_everybody_finds_what_they_may_and_who_can_do_the_rest(
    browser_of, modal, script, role, may_call, may_make_a_key
):
    browser = await browser_of(role)
    page = (await browser.get(modal)).text
    assert ("data-place-call" in page) == may_call
    assert ("data-makes-key" in page) == may_make_a_key
    assert page.count('<mark data-key>YOUR_API_KEY</mark>') == 4
    assert ("Only operators make keys: ask one for it" in page) != may_make_a_key
    made = await browser.post("/v1/api-keys", json={"name": "Zapier", "scope": "place_calls"})
    assert made.status_code == (201 if may_make_a_key else 403)
    assert (await browser.get(f"{modal}/variables?version=draft")).status_code == (200 if may_call else 403)
    assert (await browser.post(f"{modal}/code", json={"to": "+12025550100"})).status_code == 200


# -- the code for what has been filled in ----------------------------------------------------------------------


async def test_the_code_is_for_what_the_form_says(viewer, modal):
    request = {"to": "+12025550100", "variables": DEFAULTS, "amd": True, "agent": {"id": "agent_1", "version": 3}}
    page = (await viewer.post(f"{modal}/code", json=request)).text
    assert body_of(page) == request
    assert "<script" not in page
    assert page.count("<mark data-key>") == 3


async def test_what_is_not_filled_in_yet_has_an_example(viewer, modal):
    assert body_of((await viewer.post(f"{modal}/code", json={})).text) == {"to": "+15551234567"}


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"1", b"{", b'{"a": NaN}', b'{"a": 1e999}', b"\xff", b'{"a": "\\ud800"}', b'{"a":' * 90_000]
)
async def test_what_is_no_request_is_refused_in_words(viewer, modal, body):
    answer = await viewer.post(f"{modal}/code", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert "<main" in answer.text


async def test_a_deep_one_is_written_or_refused(viewer, modal):
    for depth in (20, 300, 900, 3000):
        body = b'{"a": ' + b"[" * depth + b"]" * depth + b"}"
        answer = await viewer.post(f"{modal}/code", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (200, 422)
