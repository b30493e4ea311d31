"""The first page: how a workspace is doing, live; for newcomers the three steps to their first call."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from outdial.agents.store import list_agents
from outdial.dashboard.calls import live
from outdial.dashboard.chart import SPANS
from outdial.dashboard.live_views import overview_parts, overview_view
from outdial.dashboard.page import Here, Page, PageRoute
from outdial.db.engine import reading
from outdial.history.call_filter import CallFilter
from outdial.history.periods import Days
from outdial.history.views import list_calls
from outdial.instants import zone_named
from outdial.numbers.views import list_numbers

router = APIRouter(include_in_schema=False, route_class=PageRoute)

ZONE_COOKIE = "outdial_zone"  # written by times.js; says nothing but whose today to count


Shown = Annotated[Days, Query()]


@router.get("/")
async def overview(page: Here, days: Shown = Days.ONE) -> Response:
    base_url = page.services.settings.base_url
    async with reading(page.services.engine) as conn:
        latest = await list_calls(conn, page.workspace_id, CallFilter(limit=1), base_url=base_url)
        if not latest["calls"]:
            return await page.render(
                "first_steps.html",
                numbers=await list_numbers(conn, page.workspace_id, public_url=base_url),
                agents=await list_agents(conn, page.workspace_id),
            )
        parts = await overview_parts(conn, page.workspace_id, days, time_zone(page), base_url=base_url)
    return await page.render(
        "overview.html", parts={part.id: part.html for part in parts}, days=days, spans=SPANS, span=SPANS[days]
    )


@router.get("/live/overview")
async def live_overview(page: Here, days: Shown = Days.ONE) -> Response:
    return live(page, overview_view(page.services, page.workspace_id, days, time_zone(page)))


def time_zone(page: Page) -> str:
    """The reader's; UTC for who has told none, or nonsense."""
    told = page.request.cookies.get(ZONE_COOKIE, "UTC")
    try:
        zone_named(told)
    except ValueError:
        return "UTC"
    return told
