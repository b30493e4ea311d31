"""Phone numbers: the list, the modal "Outbound call API", and changing one."""

from typing import Any

from fastapi import APIRouter, Response

from outdial.agents.store import list_agents
from outdial.api.docs import CONSENT
from outdial.dashboard.page import Here, PageRoute, needs
from outdial.dashboard.snippets import snippets
from outdial.db.engine import reading
from outdial.history.number_health import number_health
from outdial.numbers.views import NumberView, get_number, list_numbers
from outdial.workspaces.access import EDIT

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/phone-numbers")
async def phone_numbers(page: Here) -> Response:
    async with reading(page.services.engine) as conn:
        numbers = await list_numbers(conn, page.workspace_id, public_url=page.services.settings.base_url)
        health = {one["number_id"]: one for one in await number_health(conn, page.workspace_id)}
    return await page.render("phone_numbers.html", numbers=numbers, health=health)


@router.get("/phone-numbers/{number_id}/outbound-call-api")
async def outbound_call_api(page: Here, number_id: str) -> Response:
    """The modal behind **View**."""
    number = await _number(page, number_id)
    url = number["outbound_url"]
    return page.part(
        "parts/outbound_call_api.html",
        number=number,
        snippets=[] if url is None else snippets(url),
        consent=CONSENT,
    )


@router.get("/phone-numbers/{number_id}/edit")
@needs(EDIT)
async def edit_number(page: Here, number_id: str) -> Response:
    number = await _number(page, number_id)
    async with reading(page.services.engine) as conn:
        agents = await list_agents(conn, page.workspace_id)
    return page.part("parts/edit_number.html", number=number, agents=_choices(agents))


async def _number(page: Here, number_id: str) -> NumberView:
    async with reading(page.services.engine) as conn:
        return await get_number(
            conn, page.workspace_id, number_id, public_url=page.services.settings.base_url
        )


def _choices(agents: Any) -> list[tuple[str, str]]:
    return [(agent["id"], agent["name"]) for agent in agents]
