"""Alerts: what is raised now and was, the rules with their undo, and who is told by e-mail."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.alerts.notices import MOST, get_notices
from outdial.alerts.rule import LONGEST_MIN, SHAPES, SHORTEST_MIN, STEP_MIN, Kind, Unit
from outdial.alerts.rules import AlertRuleView, list_rules, removed_rules
from outdial.alerts.verdict import Because
from outdial.alerts.views import AlertState, AlertView, list_alerts
from outdial.alerts.watching import postbox
from outdial.alerts.words import CLEARED, NAMES, WATCHED, duration, shown
from outdial.api.services import Services
from outdial.dashboard.calls import live
from outdial.dashboard.live import Part, Rendered, View
from outdial.dashboard.live_views import frame_parts
from outdial.dashboard.page import Here, PageRoute, templates
from outdial.db.engine import reading
from outdial.telephony.failures import FailureCode

router = APIRouter(include_in_schema=False, route_class=PageRoute)

ON_A_PAGE = 25
MOST_RAISED = 200
ADDABLE = {kind: NAMES[kind] for kind in Kind if SHAPES[kind].most is not None}


@router.get("/alerts")
async def alerts(page: Here, cursor: Annotated[str | None, Query(max_length=100)] = None) -> Response:
    base_url = page.services.settings.base_url
    can_mail = postbox(page.services.settings) is not None
    async with reading(page.services.engine) as conn:
        raised = await _raised_now(conn, page.workspace_id, base_url)
        past = await list_alerts(
            conn, page.workspace_id, base_url=base_url, state=AlertState.CLEARED, cursor=cursor, limit=ON_A_PAGE
        )
        rules = await list_rules(conn, page.workspace_id)
        removed = await removed_rules(conn, page.workspace_id)
        notices = await get_notices(conn, page.workspace_id, can_mail=can_mail)
    return await page.render(
        "alerts.html",
        raised_now=raised,
        past=[_alert(each, base_url) for each in past["alerts"]],
        next_cursor=past["next_cursor"],
        rules=[_rule(each) for each in rules],
        removed=[_rule(each) for each in removed],
        notices=notices,
        most_addresses=MOST,
        addable=ADDABLE,
        codes=list(FailureCode),
        minutes={"min": SHORTEST_MIN, "max": LONGEST_MIN, "step": STEP_MIN},
        is_first=cursor is None,
    )


@router.get("/live/alerts")
async def live_alerts(page: Here) -> Response:
    return live(page, alerts_view(page.services, page.workspace_id))


def alerts_view(services: Services, workspace_id: str) -> View:
    """What is raised now. It is looked at again and again: that a call has changed says nothing of it."""

    async def render(changed: frozenset[str] | None) -> Rendered:
        if changed is not None:
            return Rendered(parts=[])
        async with reading(services.engine) as conn:
            frame = await frame_parts(conn, workspace_id, changed)
            raised = await _raised_now(conn, workspace_id, services.settings.base_url)
        html = templates().get_template("parts/alerts_raised.html").render(raised_now=raised)
        return Rendered(parts=[*frame, Part(id="alerts-raised", html=html)])

    return View(key=f"{workspace_id}/alerts", render=render, workspace_id=workspace_id)


async def _raised_now(conn: AsyncConnection, workspace_id: str, base_url: str) -> list[dict[str, Any]]:
    found = await list_alerts(conn, workspace_id, base_url=base_url, state=AlertState.RAISED, limit=MOST_RAISED)
    return [_alert(each, base_url) for each in found["alerts"]]


def _alert(view: AlertView, base_url: str) -> dict[str, Any]:
    unit, because = view["unit"], view["cleared_because"]
    return {
        **view,
        "name": NAMES[view["kind"]],
        "now": shown(view["now_figure"], unit),
        "path": view["url"].removeprefix(base_url),
        "because": None if because is None else CLEARED[Because(because)],
    }


def _rule(view: AlertRuleView) -> dict[str, Any]:
    shape, window = SHAPES[view["kind"]], view["window_min"]
    threshold, is_share = view["threshold"], shape.unit is Unit.SHARE
    is_of_calls = shape.least_calls is not None
    return {
        **view,
        "name": NAMES[view["kind"]],
        "watched": WATCHED[view["kind"]],
        "limit": None if threshold is None else f"{'≤' if shape.is_below else '≥'} {shown(threshold, shape.unit)}",
        "window": None if window is None else duration(window),
        "is_share": is_share,
        "unit_name": "%" if is_share else {Unit.MS: "ms", Unit.DOLLARS: "$"}.get(shape.unit, ""),
        "threshold_shown": None if threshold is None else f"{threshold * (100 if is_share else 1):g}",
        "threshold_most": None if shape.most is None else f"{shape.most * (100 if is_share else 1):g}",
        "calls_most": shape.least_calls if is_of_calls else None,
        "has_code": shape.has_code,
    }
