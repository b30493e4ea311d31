"""Do not call: the numbers that a workspace doesn't call, searched, added, imported and taken off."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from outdial.dashboard.page import Here, PageRoute
from outdial.dashboard.words import SOURCES
from outdial.db.engine import reading
from outdial.policy.do_not_call import MAX_REASON_CHARS, Source, list_entries

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/do-not-call")
async def do_not_call(
    page: Here,
    number: Annotated[str, Query(max_length=40)] = "",
    source: Source | Literal[""] = "",
    cursor: Annotated[str | None, Query(max_length=100)] = None,
) -> Response:
    async with reading(page.services.engine) as conn:
        found = await list_entries(conn, page.workspace_id, number=number, source=source or None, cursor=cursor)
    return await page.render(
        "do_not_call.html",
        found=found,
        number=number,
        source=source,
        sources=SOURCES,
        is_first=cursor is None,
        max_reason_chars=MAX_REASON_CHARS,
    )
