"""Phone numbers: the list, the modal "Outbound call API", and changing one."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from outdial.agents.store import list_agents
from outdial.api.auth import JsonRequest
from outdial.api.docs import CONSENT
from outdial.api.problems import at_path
from outdial.dashboard.outbound_form import OutboundForm, outbound_form
from outdial.dashboard.page import Here, Page, PageRoute, needs
from outdial.dashboard.snippets import EXAMPLE_TO, PLACEHOLDER, Snippet, snippets
from outdial.db.engine import reading
from outdial.history.number_health import number_health
from outdial.numbers.views import NumberView, get_number, list_numbers
from outdial.refusals import Conflict
from outdial.workspaces.access import EDIT, READ

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
    number = await _number_that_dials(page, number_id)
    form = await _form(page, number)
    return page.part(
        "parts/outbound_call_api.html",
        number=number,
        form=form,
        snippets=_snippets(number, {} if form is None else form.request),
        placeholder=PLACEHOLDER,
        example_to=EXAMPLE_TO,
        consent=CONSENT,
    )


@router.get("/phone-numbers/{number_id}/outbound-call-api/variables")
@needs(EDIT)
async def outbound_variables(page: Here, number_id: str, version: Annotated[str, Query(max_length=10)]) -> Response:
    """Those of another version of the number's agent."""
    number = await _number(page, number_id)
    form = await _form(page, number, version)
    return page.part("parts/outbound_variables.html", variables=[] if form is None else form.variables)


@router.post("/phone-numbers/{number_id}/outbound-call-api/code")
@needs(READ)
async def outbound_code(page: Here, number_id: str) -> Response:
    """The code for a request that is the body, as far as it has been filled in. Changes nothing."""
    number = await _number_that_dials(page, number_id)
    body = await JsonRequest(page.request.scope, page.request.receive).json()
    if not isinstance(body, dict):
        raise at_path((), "must be an object")
    try:
        written = _snippets(number, body)
    except RecursionError:
        raise at_path((), "is nested too deeply") from None
    return page.part("parts/outbound_code.html", snippets=written, placeholder=PLACEHOLDER)


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


async def _form(page: Page, number: NumberView, version: str | None = None) -> OutboundForm | None:
    """None where nobody talks on the number."""
    if number["agent"] is None:
        return None
    async with reading(page.services.engine) as conn:
        return await outbound_form(conn, page.workspace_id, number["agent"], version)


async def _number_that_dials(page: Page, number_id: str) -> NumberView:
    number = await _number(page, number_id)
    if number["outbound_url"] is None:
        raise Conflict("number_cannot_dial_out", "This phone number is set up for inbound calls only.")
    return number


def _snippets(number: NumberView, request: dict[str, Any]) -> list[Snippet]:
    return snippets(number["outbound_url"] or "", {"to": EXAMPLE_TO} | request)


def _choices(agents: Any) -> list[tuple[str, str]]:
    return [(agent["id"], agent["name"]) for agent in agents]
