"""Calls: the list, one call, and both of them live."""

from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.agents.store import agent_names
from outdial.api.docs import CONSENT
from outdial.api.event_stream import event_streams
from outdial.conversation.understanding.language import ENGLISH, language_of
from outdial.dashboard.call_filters import PAGE_SIZE, read_filters
from outdial.dashboard.latency import PARTS
from outdial.dashboard.live import LivePages, View
from outdial.dashboard.live_views import call_view, calls_view
from outdial.dashboard.one_call import read_one_call
from outdial.dashboard.page import Here, Page, PageRoute, safe_headers
from outdial.db.engine import reading
from outdial.history.callback_log import list_callbacks
from outdial.history.search import outcomes_seen
from outdial.history.views import CallPage, call_state, get_call, list_calls
from outdial.numbers.views import number_names
from outdial.workspaces.listening import get_listening_notice

router = APIRouter(include_in_schema=False, route_class=PageRoute)

NO_CALLS: CallPage = {"calls": [], "next_cursor": None, "previous_cursor": None}


@router.get("/calls")
async def calls(page: Here) -> Response:
    filters = read_filters(page.request.query_params)

    async def ask(conn: AsyncConnection) -> tuple[CallPage, list[str]]:
        found = NO_CALLS
        if filters.wanted is not None:
            base_url = page.services.settings.base_url
            found = await list_calls(conn, page.workspace_id, filters.wanted, base_url=base_url)
        return found, await outcomes_seen(conn, page.workspace_id)

    found, outcomes = (await page.services.history.read(ask)).value
    async with reading(page.services.engine) as conn:
        numbers = await number_names(conn, page.workspace_id)
        agents = await agent_names(conn, page.workspace_id)
    if filters.cursor is not None and found["previous_cursor"] is None:
        return RedirectResponse(filters.url("/calls"), 303)  # the newest again: the page that is live, and full
    return await page.render(
        "calls.html",
        status=422 if filters.errors else 200,
        filters=filters,
        found=found,
        numbers=numbers,
        agents=agents,
        outcomes=outcomes,
        page_size=PAGE_SIZE,
    )


@router.get("/calls/{call_id}")
async def one_call(page: Here, call_id: str) -> Response:
    async with reading(page.services.engine) as conn:
        shown = await read_one_call(
            conn, page.workspace_id, call_id, base_url=page.services.settings.base_url
        )
        notice = await get_listening_notice(conn, page.workspace_id)
    return await page.render(
        "call.html",
        shown=shown,
        call=shown.call,
        consent=CONSENT,
        redial=_redial(shown.call),
        latency_parts=PARTS,
        notice=notice,
        connecting=language_of(ENGLISH).texts["taking_over"],
    )


@router.get("/calls/{call_id}/callbacks")
async def callbacks(page: Here, call_id: str) -> Response:
    async with reading(page.services.engine) as conn:
        found = await list_callbacks(conn, page.workspace_id, call_id)
    return page.part("parts/call_callbacks.html", callbacks=found)


@router.get("/calls/{call_id}/watch")
async def watched_call(page: Here, call_id: str) -> Response:
    """A call to be followed where it was placed."""
    async with reading(page.services.engine) as conn:
        call = await get_call(conn, page.workspace_id, call_id, base_url=page.services.settings.base_url)
    return page.part("parts/watched_call.html", call=call)


@router.get("/live/calls")
async def live_calls(page: Here) -> Response:
    return live(page, calls_view(page.services, page.workspace_id))


@router.get("/live/calls/{call_id}")
async def live_call(page: Here, call_id: str) -> Response:
    async with reading(page.services.engine) as conn:
        await call_state(conn, page.workspace_id, call_id)  # whether there is such a call here
    return live(page, call_view(page.services, page.workspace_id, call_id))


def live(page: Page, view: View) -> Response:
    """A channel as server-sent events."""
    pages: LivePages = page.request.app.state.live_pages
    messages = pages.follow(view, still_allowed=page.still_allowed)
    return event_streams(page.request).respond(messages, of=page.person.principal.actor, headers=safe_headers())


def _redial(call: Any) -> dict[str, Any] | None:
    """The same call once more, as a request; None when its number is gone, or the other party's was erased."""
    if call["number_id"] is None or call["erased_at"] is not None:
        return None
    to = call["to"] if call["direction"] == "outbound" else call["from"]
    return {"to": to, "variables": call["variables"], "amd": call["amd"]}
