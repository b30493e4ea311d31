"""All that is personal of one person's number, erased. Of one call: api.calls."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, Field
from typing_extensions import TypedDict

from outdial.api.auth import ApiRoute, Caller
from outdial.api.bodies import StrictBody
from outdial.api.docs import errors, example
from outdial.api.services import Use
from outdial.calls.request import CleanText
from outdial.db.engine import reading
from outdial.retention.erase_number import (
    ErasureView,
    NumberFound,
    erase_number,
    erasure_view,
    list_erasures,
    what_is_there,
)
from outdial.telephony.e164 import normal_e164

router = APIRouter(route_class=ApiRoute, tags=["Erasure"])

_ERASURE: dict[str, Any] = {
    "id": "erase_5z8x1q4m7k0t3w6y9r2v",
    "number": "+155…67",
    "calls": 3,
    "by": {"kind": "person", "id": "person_4m1q8x5z2v7k0t3w6y9r", "name": "Jane Doe"},
    "wanted_at": "2026-02-03T14:00:00.120000Z",
    "finished_at": "2026-02-03T14:00:00.480000Z",
}
_FOUND = {"calls": 3, "waiting": 1, "live": 0, "transfers": 0, "on_do_not_call_list": True}
_NUMBER = {"number": {"value": {"number": "+15551234567"}}}


class NumberToErase(StrictBody):
    number: Annotated[CleanText, Field(max_length=40), AfterValidator(normal_e164)]
    """With its country code; spaces, dots, hyphens and parentheses don't matter."""


class Erasures(TypedDict):
    """Newest first."""

    erasures: list[ErasureView]


@router.post(
    "/v1/erase",
    summary="Erase a number",
    operation_id="erase_number",
    description=(
        "All that this workspace has of a person's number: every call from and to it is erased, calls that wait for it "
        "are canceled, and calls that were transferred to it are freed of it. A do-not-call entry stays, as a keyed "
        "hash: the number is still refused. What takes longer than a few seconds a running server does afterwards "
        "(`finished_at` null); ask for the erasure by its `id`. Again it is harmless."
    ),
    response_model=ErasureView,
    responses=example(_ERASURE)
    | errors(
        413,
        415,
        422,
        s409_call_not_ended="A call with this number goes on. Hang up first; then the number can be erased.",
    ),
)
async def post_erase(
    services: Use, caller: Caller, body: Annotated[NumberToErase, Body(openapi_examples=_NUMBER)]
) -> JSONResponse:
    view = await erase_number(
        services.engine, lambda: services.secret_box, caller.workspace_id, body.number, by=caller.actor
    )
    return JSONResponse(view)


@router.post(
    "/v1/erase/preview",
    summary="See what there is of a number",
    operation_id="preview_erase",
    description="What erasing it would take. Changes nothing.",
    response_model=NumberFound,
    responses=example(_FOUND) | errors(413, 415, 422),
)
async def post_preview(
    services: Use, caller: Caller, body: Annotated[NumberToErase, Body(openapi_examples=_NUMBER)]
) -> JSONResponse:
    async with reading(services.engine) as conn:
        return JSONResponse(await what_is_there(conn, caller.workspace_id, body.number))


@router.get(
    "/v1/erasures",
    summary="List erasures of numbers",
    operation_id="list_erasures",
    description="The newest 50, with a hint of each number: the number itself is gone.",
    response_model=Erasures,
    responses=example({"erasures": [_ERASURE]}) | errors(),
)
async def get_erasures(services: Use, caller: Caller) -> JSONResponse:
    async with reading(services.engine) as conn:
        return JSONResponse(Erasures(erasures=await list_erasures(conn, caller.workspace_id)))


@router.get(
    "/v1/erasures/{erasure_id}",
    summary="Get an erasure",
    operation_id="get_erasure",
    description="How far it has come.",
    response_model=ErasureView,
    responses=example(_ERASURE) | errors(s404_erasure_not_found="There is no such erasure."),
)
async def get_erasure(
    services: Use, caller: Caller, erasure_id: Annotated[str, Path(description="`id` of the answer that took it on")]
) -> JSONResponse:
    return JSONResponse(await erasure_view(services.engine, caller.workspace_id, erasure_id))
