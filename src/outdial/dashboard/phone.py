"""The simulator's phone: a page that is a phone with a number of its own."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from outdial.agents.store import get_agent
from outdial.api.docs import CONSENT
from outdial.dashboard.page import Here, PageRoute
from outdial.db.engine import reading
from outdial.numbers.views import list_numbers
from outdial.refusals import NotFound

router = APIRouter(include_in_schema=False, route_class=PageRoute)

PHONE = "/_simulator/phone"  # docs/simulator.md


@router.get("/phone")
async def phone(page: Here, agent_id: Annotated[str | None, Query(alias="agent")] = None) -> Response:
    """`agent`: whose draft is to call, instead of the number's own."""
    if page.simulator_url is None:
        raise NotFound(
            "no_simulator",
            "There is a phone in the browser only where Outdial runs beside the carrier simulator: outdial demo starts "
            "both, OUTDIAL_SIMULATOR_URL says where one runs.",
        )
    async with reading(page.services.engine) as conn:
        numbers = await list_numbers(conn, page.workspace_id, public_url=page.services.settings.base_url)
        tried = None if agent_id is None else await get_agent(conn, page.workspace_id, agent_id)
    return await page.render(
        "phone.html",
        numbers=[number for number in numbers if number["agent"] is not None],
        phone_url="ws" + page.simulator_url.removeprefix("http") + PHONE,
        consent=CONSENT,
        tried=tried,
    )
