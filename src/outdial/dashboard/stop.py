"""The dialog by which dialling is paused and what waits is canceled: for the workspace, and for a number."""

from fastapi import APIRouter, Response

from outdial.calls.cancel_waiting import what_waits
from outdial.dashboard.page import Here, Page, PageRoute, needs
from outdial.db.engine import reading
from outdial.numbers.views import get_number
from outdial.policy.pauses import read_pause
from outdial.workspaces.access import STOP_CALLS

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/stop")
@needs(STOP_CALLS)
async def stop_workspace(page: Here) -> Response:
    return await _stop(page, None)


@router.get("/phone-numbers/{number_id}/stop")
@needs(STOP_CALLS)
async def stop_number(page: Here, number_id: str) -> Response:
    return await _stop(page, number_id)


async def _stop(page: Page, number_id: str | None) -> Response:
    engine, number = page.services.engine, None
    async with reading(engine) as conn:
        if number_id is not None:
            public_url = page.services.settings.base_url
            number = await get_number(conn, page.workspace_id, number_id, public_url=public_url)
        of_workspace = await read_pause(conn, page.workspace_id)
    return page.part(
        "parts/stop.html",
        number=number,
        pause=of_workspace if number is None else number["pause"],
        workspace_is_paused=of_workspace is not None,
        left=await what_waits(engine, page.workspace_id, number_id),
    )
