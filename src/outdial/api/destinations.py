"""Where calls may go and how many a day: shown to everybody, changed by operators who are people."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, Field
from typing_extensions import TypedDict

from outdial.api.auth import ApiRoute, Caller
from outdial.api.bodies import StrictBody
from outdial.api.docs import errors, example
from outdial.api.problems import invalid
from outdial.api.services import Use
from outdial.calls.request import CleanText
from outdial.db.engine import reading
from outdial.policy.daily_limit import MAX_LIMIT, DailyLimitView, change_daily_limit, get_daily_limit
from outdial.policy.destination_match import parse_destination
from outdial.policy.destinations import DestinationSource, DestinationView, allow, list_destinations, take_away

router = APIRouter(route_class=ApiRoute, tags=["Destinations"])

MAX_TEXT = 40
_COUNTRY: dict[str, Any] = {
    "destination": "US",
    "calling_code": "+1",
    "special": None,
    "only_account": None,
    "source": "number",
    "by": {"kind": "person", "id": "person_4m1q8x5z2v7k0t3w6y9r", "name": "Jane Doe"},
    "warning": None,
    "created_at": "2026-01-31T09:00:00Z",
}
_PREFIX = _COUNTRY | {
    "destination": "+1900",
    "calling_code": "+1900",
    "special": "premium",
    "source": "person",
    "warning": "Lets in premium numbers, whose calls cost more, some of them many times more.",
}
_LIMIT = {"calls": 2000, "used": 312, "resets_at": "2026-02-01T00:00:00Z"}


class DestinationList(TypedDict):
    destinations: list[DestinationView]


class Allowed(DestinationView):
    """`added`: it is new in the list."""

    added: bool


class NewDestination(StrictBody):
    destination: Annotated[CleanText, Field(max_length=MAX_TEXT), AfterValidator(parse_destination)]
    """A country as two letters (ISO 3166: `DE`), or a prefix: `+` and the first digits of numbers."""


class NewDailyLimit(StrictBody):
    calls: Annotated[int, Field(ge=0, le=MAX_LIMIT)] | None
    """How many calls a day; null: no limit."""


@router.get(
    "/v1/destinations",
    summary="List allowed destinations",
    operation_id="list_destinations",
    description=(
        "Where calls and transfers may go: countries, then prefixes. Calls to any other number are refused. Premium, "
        "shared-cost and satellite numbers are in no country; a prefix that names them lets them in."
    ),
    response_model=DestinationList,
    responses=example({"destinations": [_COUNTRY, _PREFIX]}) | errors(),
)
async def get_destinations(services: Use, caller: Caller) -> JSONResponse:
    async with reading(services.engine) as conn:
        return JSONResponse(DestinationList(destinations=await list_destinations(conn, caller.workspace_id)))


@router.post(
    "/v1/destinations",
    summary="Allow a destination",
    operation_id="allow_destination",
    description="People only: an API key gets 403. Allowing one again is harmless.",
    status_code=201,
    response_model=Allowed,
    responses=example(_COUNTRY | {"added": False}, "Allowed already")
    | example(_PREFIX | {"added": True}, "Allowed now", status=201)
    | errors(
        413, 415, 422, s409_too_many_destinations="A workspace has at most 1000 destinations; remove some."
    ),
)
async def post_destination(
    services: Use,
    caller: Caller,
    body: Annotated[
        NewDestination,
        Body(
            openapi_examples={
                "country": {"summary": "A country", "value": {"destination": "DE"}},
                "prefix": {"summary": "Some numbers of one", "value": {"destination": "+4930"}},
            }
        ),
    ],
) -> JSONResponse:
    view, is_new = await allow(
        services.engine, caller.workspace_id, body.destination, source=DestinationSource.PERSON, by=caller.actor
    )
    return JSONResponse(Allowed(**view, added=is_new), status_code=201 if is_new else 200)


@router.delete(
    "/v1/destinations/{destination}",
    summary="Take a destination away",
    operation_id="remove_destination",
    description=(
        "Calls there are refused from now on. Those that wait end when they are due (`canceled`, with the error "
        "`destination_not_allowed`); who is called already is left to talk. People only: an API key gets 403."
    ),
    response_model=DestinationView,
    responses=example(_COUNTRY, "Taken away")
    | errors(422, s404_not_a_destination="DE is not among this workspace's destinations."),
)
async def delete_destination(
    services: Use,
    caller: Caller,
    destination: Annotated[str, Path(description="As the list has it, the + of a prefix as it is or as %2B")],
) -> JSONResponse:
    try:
        known = parse_destination(destination)
    except ValueError as error:
        raise invalid([{"field": "destination", "message": str(error)}]) from None
    return JSONResponse(await take_away(services.engine, caller.workspace_id, known, by=caller.actor))


@router.get(
    "/v1/daily-limit",
    summary="Get the daily limit",
    operation_id="get_daily_limit",
    description=(
        "How many calls the workspace may place in a day of UTC, and how many it has. A call counts once, when it is "
        "accepted, however often it is dialled again; a transfer counts as a call; calls that come in don't count."
    ),
    response_model=DailyLimitView,
    responses=example(_LIMIT) | errors(),
)
async def get_limit(services: Use, caller: Caller) -> JSONResponse:
    async with reading(services.engine) as conn:
        return JSONResponse(await get_daily_limit(conn, caller.workspace_id))


@router.put(
    "/v1/daily-limit",
    summary="Change the daily limit",
    operation_id="change_daily_limit",
    description="Holds at once, for what is left of today. People only: an API key gets 403.",
    response_model=DailyLimitView,
    responses=example(_LIMIT) | errors(413, 415, 422),
)
async def put_limit(
    services: Use,
    caller: Caller,
    body: Annotated[
        NewDailyLimit,
        Body(
            openapi_examples={
                "limit": {"summary": "So many calls a day", "value": {"calls": 5000}},
            }
        ),
    ],
) -> JSONResponse:
    return JSONResponse(await change_daily_limit(services.engine, caller.workspace_id, body.calls, by=caller.actor))
