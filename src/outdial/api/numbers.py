"""Phone numbers: connect, look at, give an agent, remove."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, Field
from typing_extensions import TypedDict

from outdial.api import example_carrier
from outdial.api.auth import ApiRoute, Caller
from outdial.api.bodies import CleanId, Name, StrictBody
from outdial.api.docs import errors, example
from outdial.api.services import Services, Use
from outdial.calls.request import E164, CleanText
from outdial.carriers.registry import CARRIERS, KnownCarrier, must_be_known
from outdial.db.engine import reading
from outdial.numbers import new_number
from outdial.numbers.connecting import NumberCheck, RemovedNumber
from outdial.numbers.new_number import Direction, Version
from outdial.numbers.owned import OwnedNumbersView, owned_numbers
from outdial.numbers.store import change_number
from outdial.numbers.views import NumberView, get_number, list_numbers
from outdial.refusals import Invalid

router = APIRouter(route_class=ApiRoute, tags=["Phone numbers"])

NumberId = Annotated[str, Path(description="Id of a phone number")]
NO_NUMBER = {"s404_number_not_found": "There is no such phone number."}

_NUMBER: dict[str, Any] = {
    "id": "num_4m1q8x5z2v7k0t3w6y9r",
    "e164": "+15551230002",
    "name": "Front desk",
    "carrier": example_carrier.CARRIER.name,
    "account": example_carrier.ACCOUNT,
    "direction": "both",
    "agent": {"id": "agent_7k2v5x8z1q4m0t3w6y9r", "name": "Reminder", "version": "published"},
    "outbound_url": "https://voice.example/v1/phone-number/num_4m1q8x5z2v7k0t3w6y9r/outbound",
    "pause": None,
    "created_at": "2026-01-31T09:00:00Z",
}
_CHECKED = {
    name: {
        "summary": f"A {CARRIERS[name].label} number",
        "value": {"carrier": name, "e164": "+15551230002", "credentials": credentials},
    }
    for name, credentials in example_carrier.CREDENTIALS.items()
}
_NEW = {
    name: {
        "summary": f"A {CARRIERS[name].label} number",
        "value": {
            "carrier": name,
            "e164": "+15551230002",
            "name": "Front desk",
            "credentials": credentials,
            "agent_id": "agent_7k2v5x8z1q4m0t3w6y9r",
        },
    }
    for name, credentials in example_carrier.CREDENTIALS.items()
}
_LABEL = example_carrier.CARRIER.label
_INBOUND_URL = (
    f"https://voice.example/callbacks/{example_carrier.CARRIER.name}/accounts/acct_5z8x1q4m7k0t3w6y9r2v/inbound"
)
_SEARCHED = {
    name: {"summary": f"A {CARRIERS[name].label} account", "value": {"carrier": name, "credentials": credentials}}
    for name, credentials in example_carrier.CREDENTIALS.items()
}
_OWNED = {
    "carrier": example_carrier.CARRIER.name,
    "numbers": [
        {"e164": "+15551230002", "name": "Front desk", "can_call": True, "connected": False},
        {"e164": "+15551230004", "name": None, "can_call": False, "connected": False},
    ],
    "more": False,
}
_CHECK = {
    "carrier": example_carrier.CARRIER.name,
    "e164": "+15551230002",
    "answered_by": "https://old.example/answer",
    "changes": [f"Calls will be announced at {_INBOUND_URL} instead of https://old.example/answer."],
    "problems": [],
}
_REFUSED = {
    "s409_number_exists": "This phone number is connected already.",
    "s409_number_not_owned": f"This number does not belong to the {_LABEL} account. Buy or port it there, or give the "
    "credentials of its account.",
    "s409_number_in_use": f"This number belongs to a SIP trunk. Remove it from the trunk at {_LABEL}, then connect it "
    "again.",
    "s409_other_region": "This carrier account is connected already, in another region. Change the account's region, "
    "or leave it out here.",
    "s409_no_public_url": "Carriers can't reach this server: it has no public https address. Set OUTDIAL_PUBLIC_URL, "
    "then connect again.",
}
_UNREACHABLE = {"s503_carrier_unreachable": example_carrier.UNREACHABLE}


_REGION = (
    f"Where the carrier handles the account's calls, by its name ({example_carrier.REGIONS}). Default: as it is for an "
    "account that is known already, else the first."
)


class NumberList(TypedDict):
    numbers: list[NumberView]


class Account(StrictBody):
    carrier: Annotated[KnownCarrier, AfterValidator(must_be_known)]
    credentials: dict[str, CleanText]
    """What the carrier asks for; stored encrypted, never given back."""
    simulated: bool = False
    """`true`: of the carrier simulator that this server runs beside (`OUTDIAL_SIMULATOR_URL`)."""
    region: Annotated[CleanId | None, Field(description=_REGION)] = None

    def base_url(self, services: Services) -> str | None:
        """Raises Invalid where no simulator is beside this server."""
        return _simulator_url(services) if self.simulated else None


class SearchedAccount(Account):
    search: Annotated[str, Field(max_length=32)] = ""
    """Digits that have to stand in the number, in this order."""

    def given(self, services: Services) -> new_number.GivenAccount:
        """Raises Invalid where no simulator is beside this server."""
        fields = self.model_dump(exclude={"simulated", "search"})
        return new_number.GivenAccount(**fields, base_url=self.base_url(services))


class NumberOfAccount(Account):
    e164: E164

    def asked(self, services: Services) -> new_number.NewNumber:
        """Raises Invalid where no simulator is beside this server."""
        fields = self.model_dump(exclude={"simulated"})
        return new_number.NewNumber(**fields, base_url=self.base_url(services))


class NewNumber(NumberOfAccount):
    name: Name | None = None
    """Default: the number itself."""
    agent_id: CleanId | None = None
    agent_version: Version = "published"
    direction: Direction = "both"
    """`inbound`: this number doesn't dial out."""
    configure_carrier: bool = True
    """`false`: nothing is changed at the carrier, so no call to the number reaches us; it only dials out."""


class NumberChanges(StrictBody):
    """Fields that are left out stay as they are."""

    # Factories, because their results aren't documented: a default here would be a lie.
    name: Name = Field(default_factory=str)
    agent_id: CleanId | None = Field(default_factory=lambda: None)
    """null takes the agent away."""
    agent_version: Version = Field(default_factory=lambda: "published")
    direction: Direction = Field(default_factory=lambda: "both")


@router.get(
    "/v1/phone-numbers",
    summary="List phone numbers",
    operation_id="list_numbers",
    description="Each with the agent that answers it and the URL that calls from it.",
    response_model=NumberList,
    responses=example({"numbers": [_NUMBER]}) | errors(),
)
async def get_numbers(services: Use, caller: Caller) -> JSONResponse:
    async with reading(services.engine) as conn:
        found = await list_numbers(conn, caller.workspace_id, public_url=services.settings.base_url)
    return JSONResponse(NumberList(numbers=found))


@router.post(
    "/v1/phone-numbers/owned",
    summary="List the phone numbers of a carrier account",
    operation_id="list_owned_numbers",
    description=(
        "Those the account has at its carrier, to choose one to connect: the first hundred, or those that have the "
        "digits of `search` in them. `more`: there are others. Changes and stores nothing."
    ),
    response_model=OwnedNumbersView,
    responses=example(_OWNED) | errors(413, 415, 422, **_UNREACHABLE),
)
async def post_owned_numbers(
    services: Use, caller: Caller, body: Annotated[SearchedAccount, Body(openapi_examples=_SEARCHED)]
) -> JSONResponse:
    found = await owned_numbers(services.connector, caller.workspace_id, body.given(services), body.search)
    return JSONResponse(found)


@router.post(
    "/v1/phone-numbers/check",
    summary="See what connecting a phone number changes",
    operation_id="check_number",
    description=(
        "Checks the credentials and that the account owns the number; tells what answers it now and what would be "
        "changed at the carrier. Changes and stores nothing."
    ),
    response_model=NumberCheck,
    responses=example(_CHECK) | errors(413, 415, 422, **_UNREACHABLE),
)
async def check_number(
    services: Use, caller: Caller, body: Annotated[NumberOfAccount, Body(openapi_examples=_CHECKED)]
) -> JSONResponse:
    check = await services.connector.check(caller.workspace_id, body.asked(services))
    return JSONResponse(check)


@router.post(
    "/v1/phone-numbers",
    summary="Connect a phone number",
    operation_id="add_number",
    description=(
        "Checks credentials and number, then has the carrier announce calls to the number here. Of an account that is "
        "known already, the credentials are replaced by these."
    ),
    status_code=201,
    response_model=NumberView,
    responses=example(_NUMBER, "Connected", status=201) | errors(413, 415, 422, **_REFUSED, **_UNREACHABLE),
)
async def post_number(
    services: Use, caller: Caller, body: Annotated[NewNumber, Body(openapi_examples=_NEW)]
) -> JSONResponse:
    number = await services.connector.connect(caller.workspace_id, body.asked(services), by=caller.actor)
    return JSONResponse(number, status_code=201)


@router.get(
    "/v1/phone-numbers/{number_id}",
    summary="Get a phone number",
    operation_id="get_number",
    description="With the agent that answers it and the URL that calls from it.",
    response_model=NumberView,
    responses=example(_NUMBER) | errors(**NO_NUMBER),
)
async def get_one_number(services: Use, caller: Caller, number_id: NumberId) -> JSONResponse:
    async with reading(services.engine) as conn:
        number = await get_number(
            conn, caller.workspace_id, number_id, public_url=services.settings.base_url
        )
    return JSONResponse(number)


@router.patch(
    "/v1/phone-numbers/{number_id}",
    summary="Change a phone number",
    operation_id="change_number",
    description="Only the fields given are changed. Calls that go on keep the agent they began with.",
    response_model=NumberView,
    responses=example(_NUMBER) | errors(413, 415, 422, **NO_NUMBER),
)
async def patch_number(
    services: Use,
    caller: Caller,
    number_id: NumberId,
    body: Annotated[
        NumberChanges,
        Body(openapi_examples={"agent": {"value": {"agent_id": _NUMBER["agent"]["id"], "agent_version": "draft"}}}),
    ],
) -> JSONResponse:
    number = await change_number(
        services.engine,
        caller.workspace_id,
        number_id,
        body.model_dump(exclude_unset=True),
        public_url=services.settings.base_url,
        by=caller.actor,
    )
    return JSONResponse(number)


@router.delete(
    "/v1/phone-numbers/{number_id}",
    summary="Remove a phone number",
    operation_id="remove_number",
    description=(
        "The carrier's settings are put back as they were before it was connected, unless they have been changed "
        "since. Its calls stay in the history. Credentials go with the last number of their account."
    ),
    response_model=RemovedNumber,
    responses=example({"id": _NUMBER["id"], "carrier": "restored", "message": None}, "Removed")
    | errors(
        422,
        **NO_NUMBER,
        **_UNREACHABLE,
        s409_number_in_use="2 calls of this phone number are waiting or running; end them first.",
    ),
)
async def delete_number(
    services: Use,
    caller: Caller,
    number_id: NumberId,
    configure_carrier: Annotated[bool, Query(description="`false`: leave the carrier's settings as they are")] = True,
) -> JSONResponse:
    removed = await services.connector.remove(
        caller.workspace_id, number_id, configure_carrier=configure_carrier, by=caller.actor
    )
    return JSONResponse(removed)


def _simulator_url(services: Services) -> str:
    if services.settings.simulator_url is None:
        raise Invalid("simulated", "can't be had: this server runs beside no simulator (OUTDIAL_SIMULATOR_URL)")
    return services.settings.simulator_url
