import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import delete, insert, update

from outdial.accounts.refused_callbacks import count_refused
from outdial.dashboard.live_views import overview_parts, overview_view
from outdial.db.engine import reading
from outdial.db.tables import attempts, calls, carrier_accounts, numbers, pools
from outdial.history.periods import Days
from outdial.ids import new_id
from outdial.workspaces.access import Role

PARTS = [
    "attention", "lines", "queue", "answer-rate", "latency", "chart", "chart-table", "funnel", "failures", "carriers",
    "recent",
]  # fmt: skip


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


async def test_what_is_next_stands_out_from_what_is_done_and_what_comes_later(browser_of, engine):
    async def kinds() -> list[str]:
        page = (await operator.get("/")).text
        assert page.count('aria-current="step"') == 1
        assert page.partition("<main")[2].count("button primary") == 1  # the one that leads on
        return re.findall(r'data-kind="(\w+)"', page)

    operator = await browser_of(Role.OPERATOR)
    assert await kinds() == ["done", "done", "next"]
    async with engine.begin() as conn:
        await conn.execute(update(numbers).values(agent_id=None))
    assert await kinds() == ["done", "next", "later"]
    async with engine.begin() as conn:
        await conn.execute(delete(numbers))
    assert await kinds() == ["next", "later", "later"]


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
    assert 'data-live="/live/overview?days=1"' in page
    for part in PARTS:
        assert re.search(rf'id="overview-{part}" data-part', page), part


@pytest.fixture
def dial(engine):
    async def dial(call_id, *, carrier="twilio", seconds=90, price=None, currency=None):
        at = datetime.now(UTC) - timedelta(seconds=seconds)
        times = {"answered_at": at, "ended_at": at + timedelta(seconds=seconds), "created_at": at}
        row = {"id": new_id("att"), "call_id": call_id, "number": 1, "carrier": carrier, "state": "ended"} | times
        async with engine.begin() as conn:
            cost = {"price": price, "price_currency": currency}
            await conn.execute(insert(attempts).values(row | cost | {"stream_token_hash": b""}))

    return dial


async def test_days_are_chosen_on_the_page_and_stand_in_its_address(viewer, call):
    await call(created_at=datetime.now(UTC) - timedelta(days=3))
    for days, bars in ((7, 7), (30, 30)):
        page = (await viewer.get(f"/?days={days}")).text
        assert f'<a href="/?days={days}" aria-current="page">{days} days</a>' in page
        assert f'data-live="/live/overview?days={days}"' in page
        assert len(re.findall(r"<tr><th scope=\"row\">", page.partition("<tbody>")[2].partition("</tbody>")[0])) == bars
        assert "<title>" in page.partition('class="chart-plot"')[2]
    page = (await viewer.get("/")).text
    assert '<a href="/" aria-current="page">Today</a>' in page
    assert "No call that was made today has ended yet." in page
    assert (await viewer.get("/?days=2")).status_code == 422


async def test_every_bar_has_its_row_in_the_table_and_every_colour_its_words(viewer, call):
    when = datetime.now(UTC) - timedelta(days=2)
    await call(created_at=when, answered_by={"category": "machine"})
    for reason in ("completed", "no_answer", "busy", "declined", "failed", "expired"):
        await call(created_at=when, end_reason=reason)
    await call(created_at=when, state="queued", end_reason=None)
    page = (await viewer.get("/?days=7")).text
    day = f"{when:%a} {when.day} {when:%b}"
    in_words = "Completed 1, Machine 1, No answer 1, Busy or declined 2, Failed 1, Canceled or expired 1"
    assert f"<title>{day}: {in_words}</title>" in page
    row = page.partition(f">{day}</a></th>")[2].partition("</tr>")[0]
    assert re.findall(r">(\d+)</td>", row) == ["7", "1", "1", "1", "2", "1", "1"]
    assert len(re.findall(r'<rect data-end="\w+"', page)) == 6
    assert len(re.findall(r'class="swatch" data-end="\w+"', page)) == 6
    assert "1 more call not over yet" in page


async def test_the_answer_rate_says_what_is_counted(viewer, call):
    await call(answered_at=datetime.now(UTC))
    await call(end_reason="busy")
    await call(end_reason="canceled")  # was never dialled
    page = (await viewer.get("/?days=30")).text
    rate = page.partition('id="overview-answer-rate"')[2].partition("</section>")[0]
    assert '<span class="value">50%</span>' in rate
    assert "1 of 2 outbound calls that were dialled, answered by a person or a machine." in rate


async def test_currencies_are_kept_apart_and_what_is_not_told_is_no_zero(viewer, call, dial):
    for currency, price in (("USD", "0.014"), ("USD", "1.5"), ("EUR", "0.02")):
        await dial(await call(), price=price, currency=currency)
    await dial(await call())
    page = (await viewer.get("/?days=7")).text
    (twilio,) = re.findall(r"<tr>\s*<th scope=\"row\">Twilio.*?</tr>", page, re.DOTALL)
    assert '<span class="amount">1.51 USD</span>' in twilio
    assert '<span class="amount">0.0200 EUR</span>' in twilio
    assert "not told yet of 1 dial" in twilio
    assert "4 dials answered" in twilio
    assert '<td class="number">6.0</td>' in twilio  # minutes


async def test_of_a_carrier_that_has_told_no_price_there_is_no_amount(viewer, call, dial):
    await dial(await call(), carrier="telnyx")
    page = (await viewer.get("/?days=7")).text
    (telnyx,) = re.findall(r"<tr>\s*<th scope=\"row\">Telnyx.*?</tr>", page, re.DOTALL)
    assert "not told yet" in telnyx
    assert "amount" not in telnyx


async def test_whoever_looks_at_the_same_days_in_the_same_zone_shares_what_is_rendered(services, tenant):
    shown = [(Days.MONTH, "UTC"), (Days.MONTH, "UTC"), (Days.MONTH, "Asia/Tokyo"), (Days.WEEK, "UTC")]
    keys = [overview_view(services, tenant.workspace_id, days, zone).key for days, zone in shown]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


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
    view = overview_view(services, tenant.workspace_id, Days.MONTH, "UTC")
    rendered = await view.render(None)
    assert [part.id for part in rendered.parts] == [
        "pause-banner",
        "alerts-mark",
        *(f"overview-{name}" for name in PARTS),
    ]
    for part in rendered.parts:
        assert f'id="{part.id}"' in part.html
    assert not rendered.over


async def test_live_parts_say_nothing_while_nothing_happens(services, tenant, call):
    await call()
    async with reading(services.engine) as conn:
        first, second = [
            await overview_parts(conn, tenant.workspace_id, Days.ONE, "UTC", base_url="") for _ in range(2)
        ]
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
