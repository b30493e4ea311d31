"""The simulator's phone: a page that is a phone with a number of its own."""

from fastapi import APIRouter, Response

from outdial.api.docs import CONSENT
from outdial.dashboard.page import Here, PageRoute
from outdial.db.engine import reading
from outdial.numbers.views import list_numbers
from outdial.refusals import NotFound

router = APIRouter(include_in_schema=False, route_class=PageRoute)

PHONE = "/_simulator/phone"  # docs/simulator.md


@router.get("/phone")
async def phone(page: Here) -> Response:
    if page.simulator_url is None:
        raise NotFound(
            "no_simulator",
            "There is a phone in the browser only where Outdial runs beside the carrier simulator: outdial demo starts "
            "both, OUTDIAL_SIMULATOR_URL says where one runs.",
        )
    async with reading(page.services.engine) as conn:
        numbers = await list_numbers(conn, page.workspace_id, public_url=page.services.settings.base_url)
    return await page.render(
        "phone.html",
        numbers=[number for number in numbers if number["agent"] is not None],
        phone_url="ws" + page.simulator_url.removeprefix("http") + PHONE,
        consent=CONSENT,
    )
