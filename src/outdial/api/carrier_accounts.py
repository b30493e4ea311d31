"""Accounts at carriers: list, look at, change credentials, region and pace."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path
from fastapi.responses import JSONResponse
from pydantic import Field
from typing_extensions import TypedDict

from outdial.accounts.changes import MAX_CALLS_PER_SECOND, MIN_CALLS_PER_SECOND, AccountChanges
from outdial.accounts.views import AccountView, get_account, list_accounts
from outdial.api import example_carrier
from outdial.api.auth import ApiRoute, Caller
from outdial.api.bodies import CleanId, StrictBody
from outdial.api.docs import errors, example
from outdial.api.services import Use
from outdial.calls.request import CleanText
from outdial.db.engine import reading
from outdial.numbers.reconnecting import change_account

router = APIRouter(route_class=ApiRoute, tags=["Carrier accounts"])

AccountId = Annotated[str, Path(description="Id of a carrier account")]
NO_ACCOUNT = {"s404_carrier_account_not_found": "There is no such carrier account."}

_ACCOUNT: dict[str, Any] = {
    "id": "acct_5z8x1q4m7k0t3w6y9r2v",
    "carrier": example_carrier.CARRIER.name,
    "account": example_carrier.ACCOUNT,
    "region": example_carrier.CARRIER.regions[0].name,
    "base_url": None,
    "calls_per_second": 1.0,
    "numbers": [{"id": "num_4m1q8x5z2v7k0t3w6y9r", "e164": "+15551230002", "name": "Front desk"}],
    "created_at": "2026-01-31T09:00:00Z",
}
_CHANGES = {
    "credentials": {"summary": "A new secret", "value": {"credentials": example_carrier.SECRET}},
    "pace": {"summary": "More calls a second", "value": {"calls_per_second": 5}},
    "region": {
        "summary": "Another region, with its own secret",
        "value": {"region": example_carrier.CARRIER.regions[-1].name, "credentials": example_carrier.SECRET},
    },
}
_REFUSED = {
    "s409_account_in_use": "2 calls of this account are running; wait for their end.",
    "s409_number_not_owned": "This number does not belong to the carrier account. Give the credentials of the account "
    "it belongs to.",
    "s503_carrier_unreachable": example_carrier.UNREACHABLE,
}


class AccountList(TypedDict):
    carrier_accounts: list[AccountView]


class AccountPatch(StrictBody):
    """Fields that are left out stay as they are."""

    # Factories, because their results aren't documented: a default here would be a lie.
    credentials: dict[str, CleanText | None] = Field(default_factory=dict)
    """Those that are left out stay, null takes an optional one away; never given back."""
    region: CleanId = Field(default_factory=str)
    """Where the carrier handles the calls, by its name."""
    calls_per_second: Annotated[float, Field(ge=MIN_CALLS_PER_SECOND, le=MAX_CALLS_PER_SECOND)] = Field(
        default_factory=float
    )
    """New calls the account may place a second, from all of its numbers. More than the carrier has agreed to gains
    nothing."""


@router.get(
    "/v1/carrier-accounts",
    summary="List carrier accounts",
    operation_id="list_carrier_accounts",
    description="An account comes with its first number and goes with its last.",
    response_model=AccountList,
    responses=example({"carrier_accounts": [_ACCOUNT]}) | errors(),
)
async def get_accounts(services: Use, caller: Caller) -> JSONResponse:
    async with reading(services.engine) as conn:
        return JSONResponse(AccountList(carrier_accounts=await list_accounts(conn, caller.workspace_id)))


@router.get(
    "/v1/carrier-accounts/{account_id}",
    summary="Get a carrier account",
    operation_id="get_carrier_account",
    description="With the numbers that came with it; credentials are never shown.",
    response_model=AccountView,
    responses=example(_ACCOUNT) | errors(**NO_ACCOUNT),
)
async def get_one_account(services: Use, caller: Caller, account_id: AccountId) -> JSONResponse:
    async with reading(services.engine) as conn:
        return JSONResponse(await get_account(conn, caller.workspace_id, account_id))


@router.patch(
    "/v1/carrier-accounts/{account_id}",
    summary="Change a carrier account",
    operation_id="change_carrier_account",
    description=(
        "New credentials and another region are kept once the carrier has accepted them. Where a carrier's regions "
        "know nothing of each other, the account's numbers are connected anew in the new one."
    ),
    response_model=AccountView,
    responses=example(_ACCOUNT) | errors(413, 415, 422, **NO_ACCOUNT, **_REFUSED),
)
async def patch_account(
    services: Use,
    caller: Caller,
    account_id: AccountId,
    body: Annotated[AccountPatch, Body(openapi_examples=_CHANGES)],
) -> JSONResponse:
    changes = AccountChanges(**body.model_dump(exclude_unset=True))
    account = await change_account(
        services.connector, caller.workspace_id, account_id, changes, by=caller.actor
    )
    return JSONResponse(account)
