"""What a call's page shows of its model: tools and times, and the wrap-up with the words it rests on."""

import html
import re
from datetime import UTC, datetime

import pytest
from sqlalchemy import insert

from outdial.calls.events import add_event
from outdial.dashboard.live_views import call_view
from outdial.dashboard.model_use import model_use
from outdial.db.feed import Event
from outdial.db.tables import calls, turns
from outdial.db.wrap_up_tables import wrap_ups
from outdial.ids import new_id
from tenants import E164

NOW = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)
HOSTILE = "<script>alert('four of us')</script>"
ASKED = {"tool": "book", "place": "https://shop.example", "arguments": {"guests": 4}, "done": False}
EVENTS = [
    ("model", {"model": "gpt-5-mini", "first_word_ms": 310, "first_sentence_ms": 520, "total_ms": 900, "tokens": 200}),
    ("tool", ASKED | {"result": "refused", "status": 503, "duration_ms": 120, "answer": {"error": HOSTILE}}),
    ("model_failed", {"model": "gpt-5-mini", "error": "timeout"}),
    ("tool", {"tool": "wait", "arguments": {}, "done": False}),
]


@pytest.fixture
def store(engine, tenant):
    async def store(**wrap_up):
        call_id = new_id("call")
        call = {"id": call_id, "workspace_id": tenant.workspace_id, "direction": "outbound", "state": "ended"}
        call |= {"end_reason": "completed", "ended_by": "callee", "from_": E164, "to": "+15551234567"}
        call |= {"ring_timeout_s": 30, "max_duration_s": 600, "outcome": "won", "ended_at": NOW}
        async with engine.begin() as conn:
            await conn.execute(insert(calls).values(call))
            for seq, (speaker, said) in enumerate([("agent", "How many are you?"), ("callee", HOSTILE)], 1):
                turn = {"call_id": call_id, "seq": seq * 100, "speaker": speaker, "text": said, "start_ms": seq * 1000}
                await conn.execute(insert(turns).values(turn))
            for type_, data in EVENTS:
                await add_event(conn, call_id, type_, data)
            await conn.execute(insert(wrap_ups).values(call_id=call_id, **wrap_up))
        return call_id

    return store


DONE = {
    "state": "done",
    "finished_at": NOW,
    "summary": f"They come. {HOSTILE}",
    "facts": [{"name": "guests", "value": 4, "evidence": [200]}],
    "outcome": "won",
    "outcome_evidence": [200],
    "unproved": ["seat"],
    "model": "gpt-5-mini",
    "tokens": 1234,
}


async def page_of(browser, call_id):
    shown = (await browser.get(f"/calls/{call_id}")).text
    return shown, re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", shown)))


async def test_facts_and_outcome_are_shown_with_links_to_the_words_they_rest_on(editor, store):
    call_id = await store(**DONE)
    source, seen = await page_of(editor, call_id)
    assert "So the agent's model says, by what was said: won." in seen
    assert source.count(f'href="#turn-{call_id}-1"') == 2
    assert f'id="turn-{call_id}-1"' in source
    assert "Left out, for nothing that was said bears it out: seat." in seen
    assert "gpt-5-mini: 1,234 tokens, price not known" in seen
    assert "Make it again" in seen
    assert "<script>alert" not in source


async def test_tools_times_tokens_and_failures_are_shown(editor, store):
    _, seen = await page_of(editor, await store(**DONE))
    assert "200 tokens, price not known, 1 failed" in seen
    assert "First word First sentence Whole answer" in seen
    assert "refused (HTTP 503)" in seen
    assert '"guests": 4' in seen
    assert "The callee began to speak." in seen


async def test_a_wrap_up_that_is_on_its_way_says_so_and_the_page_goes_on_listening(editor, store):
    error = {"code": "model_failed", "message": "The agent's model gave no report: timeout."}
    source, seen = await page_of(editor, await store(state="pending", error=error))
    assert "The last try failed, and another one follows: The agent's model gave no report: timeout." in seen
    assert "Make it again" not in seen
    assert "data-live=" in source


async def test_one_that_failed_says_why_and_can_be_made_again(editor, store):
    error = {"code": "agent_gone", "message": "The agent's version that talked is gone, or can't be read."}
    _, seen = await page_of(editor, await store(state="failed", error=error))
    assert "It could not be made. The agent's version that talked is gone" in seen
    assert "Make it again" in seen


async def test_the_live_page_renews_both(engine, services, tenant, store):
    call_id = await store(**DONE)
    rendered = await call_view(services, tenant.workspace_id, call_id).render(None)
    ids = {part.id for part in rendered.parts}
    assert {f"wrap_up-{call_id}", f"model-{call_id}"} <= ids
    assert rendered.over


def event(type_, **data):
    return Event(id=1, type=type_, data=data, at=NOW)


def test_times_are_those_that_events_have():
    """Stages that are measured some day are shown under their names."""
    used = model_use([event("model", model="m", first_word_ms=1, to_first_frame_ms=9, tokens=2, dollars=0.5)])
    assert used.stages == ["First word", "To first frame"]
    assert used.answers[0].times == [1, 9]
    assert (used.cost, used.is_priced) == ("$0.5000", True)


def test_a_sum_is_known_where_each_part_of_it_is():
    used = model_use([event("model", tokens=1, dollars=0.5), event("model", tokens=1)])
    assert (used.cost, used.tokens, used.answers[1].cost) == ("price not known", 2, "?")


def test_a_call_without_a_model_has_nothing_to_show():
    assert model_use([]) is None
