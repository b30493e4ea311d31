"""Calls: the list, one call, and both of them live."""

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from outdial.calls.views import call_state, get_call
from outdial.dashboard.live import LivePages, View
from outdial.dashboard.live_views import call_view
from outdial.dashboard.page import Here, Page, PageRoute, safe_headers
from outdial.db.engine import reading

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/calls/{call_id}/watch")
async def watched_call(page: Here, call_id: str) -> Response:
    """A call to be followed where it was placed."""
    async with reading(page.services.engine) as conn:
        call = await get_call(conn, page.workspace_id, call_id, base_url=page.services.settings.base_url)
    return page.part("parts/watched_call.html", call=call)


@router.get("/live/calls/{call_id}")
async def live_call(page: Here, call_id: str) -> Response:
    async with reading(page.services.engine) as conn:
        await call_state(conn, page.workspace_id, call_id)  # whether there is such a call here
    return live(page, call_view(page.services, page.workspace_id, call_id))


def live(page: Page, view: View) -> StreamingResponse:
    """A channel as server-sent events."""
    pages: LivePages = page.request.app.state.live_pages
    return StreamingResponse(
        pages.follow(view, still_allowed=page.still_allowed),
        media_type="text/event-stream",
        headers=safe_headers() | {"X-Accel-Buffering": "no"},
    )
