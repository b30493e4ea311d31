"""The page Alerts: what is raised, with a mark in the navigation; rules, undo; and for whom there are buttons."""

import re
from datetime import UTC, datetime

import pytest
from sqlalchemy import insert

from outdial.dashboard.alerts import alerts_view
from outdial.dashboard.live_views import calls_view
from outdial.dashboard.page import templates
from outdial.db.alert_tables import alerts
from outdial.workspaces.access import Role


@pytest.fixture
async def browser(browser_of):
    return await browser_of(Role.OPERATOR)


@pytest.fixture
async def raised(engine, tenant):
    row = {
        "workspace_id": tenant.workspace_id, "kind": "failure_share", "figure": 0.5, "now_figure": 0.4,
        "threshold": 0.2, "window_min": 30, "calls": 40,
        "details": {"failed": 20, "dialled": 40, "codes": {"no_funds": 20}},
    }  # fmt: skip
    over = {"cleared_at": datetime.now(UTC), "cleared_because": "recovered"}
    async with engine.begin() as conn:
        await conn.execute(insert(alerts).values(row | {"id": "alert_1", "rule_id": "failure_share"}))
        await conn.execute(insert(alerts).values(row | over | {"id": "alert_2", "rule_id": "rule_1"}))


async def test_what_is_raised_is_shown_and_counted_on_every_page(browser, raised):
    page = (await browser.get("/alerts")).text
    assert "50 % of 40 calls in the last 30 minutes failed; the threshold is 20 %." in page
    assert "Top up the account at the carrier." in page
    assert "It is good again." in page
    assert re.search(r'data-tone="bad">1<span class="visually-hidden"> raised', (await browser.get("/calls")).text)


@pytest.mark.parametrize("view_of", [calls_view, alerts_view])
async def test_the_mark_and_what_is_raised_come_to_pages_that_are_open(services, tenant, raised, view_of):
    parts = {part.id: part.html for part in (await view_of(services, tenant.workspace_id).render(None)).parts}
    page = templates().get_template("parts/alerts_mark.html").render(raised=1)
    assert parts["alerts-mark"] == page
    assert "1<span" in page
    if view_of is alerts_view:
        assert "Top up the account at the carrier." in parts["alerts-raised"]


async def test_each_part_that_comes_has_its_place_on_the_page(browser, services, tenant, raised):
    page = (await browser.get("/alerts")).text
    assert 'data-live="/live/alerts"' in page
    for part in (await alerts_view(services, tenant.workspace_id).render(None)).parts:
        assert page.count(f'id="{part.id}"') == 1
    assert (await alerts_view(services, tenant.workspace_id).render(frozenset(["call_1"]))).parts == []


async def test_nothing_raised_is_no_mark(browser):
    page = (await browser.get("/alerts")).text
    assert "Nothing. All rules that are on were looked at." in page
    assert "raised</span>" not in page


async def test_operators_have_the_buttons_and_viewers_look(browser_of):
    for role, expected in ((Role.OPERATOR, True), (Role.EDITOR, False), (Role.VIEWER, False)):
        page = (await (await browser_of(role)).get("/alerts")).text
        assert ("PATCH /v1/alerts/rules/answer_rate" in page) is expected
        assert ("POST /v1/alerts/rules" in page) is expected


async def test_a_rule_that_was_removed_can_be_brought_back_there(browser):
    added = (await browser.post("/v1/alerts/rules", json={"kind": "failure_share", "code": "blocked"})).json()
    assert "Removed rules" not in (await browser.get("/alerts")).text
    await browser.delete(f"/v1/alerts/rules/{added['id']}")
    page = (await browser.get("/alerts")).text
    assert f"POST /v1/alerts/rules/{added['id']}/undo" in page
