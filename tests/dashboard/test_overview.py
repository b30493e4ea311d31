import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import delete, insert, update

from outdial.accounts.refused_callbacks import count_refused
from outdial.dashboard.live_views import overview_parts, overview_view
from outdial.db.tables import attempts, calls, carrier_accounts, numbers, pools
from outdial.ids import new_id
from outdial.workspaces.access import Role

PARTS = ["lines", "queue", "latency", "attention", "today", "failures", "recent"]


@pytest.fixture
def call(engine, tenant):
    async def call(**columns):
        at = datetime.now(UTC) - timedelta(seconds=30)
        row = {
            "id": new_id("call"),
            "workspace_id": tenant.workspace_id,
            "number_id": tenant.number_id,
            "direction": "outbound",
            "state": "ended",
            "end_reason": "completed",
            "from_": "+15551230002",
            "to": "+15551230001",
            "ring_timeout_s": 30,
            "max_duration_s": 600,
            "created_at": at,
            "due_at": at,
            "ended_at": at,
        }
        async with engine.begin() as conn:
            await conn.execute(insert(calls).values(row | columns))
        return (row | columns)["id"]

    return call


async def test_a_newcomer_is_shown_three_steps(editor, engine):
    page = (await editor.get("/")).text
    assert "Three steps to the first call" in page
    assert "1 number connected" in page
    assert "“Reminder” is ready" in page
    async with engine.begin() as conn:
        await conn.execute(delete(numbers))
    page = (await editor.get("/")).text
    assert "Connect a number of your Twilio, Vonage or Telnyx account" in page
    assert "/phone-numbers/connect" not in page  # only an operator may


async def test_an_operator_is_led_to_connecting_a_number(browser_of, engine):
    async with engine.begin() as conn:
        await conn.execute(delete(numbers))
    page = (await (await browser_of(Role.OPERATOR)).get("/")).text
    assert 'href="/phone-numbers/connect"' in page


async def test_the_overview_shows_now_and_today(viewer, call, engine, tenant):
    await call(answered_at=datetime.now(UTC), answered_by={"category": "human"}, outcome="call_back")
    failed = await call(end_reason="failed", error={"code": "number_not_in_service", "message": "…"})
    async with engine.begin() as conn:
        await conn.execute(
            update(pools).where(pools.c.workspace_id == tenant.workspace_id).values(used_outbound=3, used_inbound=1)
        )
    page = (await viewer.get("/")).text
    assert re.search(r"4 <span class=\"of\">of 15", page)
    assert "number_not_in_service" in page
    assert '<a href="/calls?outcome=call_back">Call back</a>' in page
    assert f'href="/calls/{failed}"' in page
    assert 'data-live="/live/overview"' in page
    for part in PARTS:
        assert re.search(rf'id="overview-{part}" data-part', page), part


async def test_what_needs_attention_is_said_with_what_to_do(viewer, call, engine):
    await call(end_reason="failed", error={"code": "bad_credentials", "message": "Twilio did not accept them."})
    unknown = await call(state="dialing", end_reason=None)
    async with engine.begin() as conn:
        account_id = await conn.scalar(carrier_accounts.select().with_only_columns(carrier_accounts.c.id))
        await conn.execute(
            insert(attempts).values(
                id=new_id("att"),
                call_id=unknown,
                number=1,
                carrier="twilio",
                state="dialing",
                stream_token_hash=b"",
                unknown_since=datetime.now(UTC),
            )
        )
    await count_refused(engine, account_id)
    page = (await viewer.get("/")).text
    assert "Twilio did not accept them. Replace the credentials in Settings, Carriers." in page
    assert "It isn't known whether Twilio dialled a call" in page
    assert "1 callback in the name of Twilio refused" in page
    numbers_page = (await viewer.get("/phone-numbers")).text
    assert "Needs attention" in numbers_page


async def test_words_of_strangers_are_escaped(viewer, call):
    await call(end_reason="failed", error={"code": "no_funds", "message": "<script>alert(1)</script>"})
    page = (await viewer.get("/")).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize("zone", ["Europe/Vienna", "Nowhere/Town", "../../etc/passwd", '"><script>'])
async def test_a_time_zone_that_is_none_is_utc(viewer, call, zone):
    await call()
    viewer.cookies.set("outdial_zone", zone)
    assert (await viewer.get("/")).status_code == 200


async def test_live_parts_are_the_elements_of_the_page(services, tenant, call):
    await call()
    view = overview_view(services, tenant.workspace_id, "UTC")
    rendered = await view.render(None)
    assert [part.id for part in rendered.parts] == [f"overview-{name}" for name in PARTS]
    for part in rendered.parts:
        assert f'id="{part.id}"' in part.html
    assert not rendered.over


async def test_live_parts_say_nothing_while_nothing_happens(services, tenant, call):
    await call()
    first, second = [await overview_parts(services, tenant.workspace_id, "UTC") for _ in range(2)]
    assert first == second


async def test_the_live_overview_wants_somebody_who_is_signed_in(app):
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="https://voice.example") as stranger:
        assert (await stranger.get("/live/overview", headers={"Accept": "text/event-stream"})).status_code == 401
        assert (await stranger.get("/")).headers["location"] == "/sign-in"


async def test_newcomers_with_a_simulator_may_start_with_the_browser_phone(app, services, browser_of):
    settings = services.settings.model_copy(update={"simulator_url": "http://127.0.0.1:9"})
    app.state.services = replace(services, settings=settings)
    assert "Open the browser phone" in (await (await browser_of(Role.EDITOR)).get("/")).text
