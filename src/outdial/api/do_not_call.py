"""The do-not-call list: shown, searched, added to, imported, exported, taken off."""

from collections.abc import AsyncIterator
from tempfile import SpooledTemporaryFile
from typing import Annotated, Any, BinaryIO, cast

from fastapi import APIRouter, Body, Path, Query, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.api.auth import ApiRoute, Caller
from outdial.api.bodies import StrictBody
from outdial.api.docs import errors, example
from outdial.api.problems import Problem, invalid
from outdial.api.services import Use
from outdial.calls.do_not_call import ImportReport, import_numbers, list_number
from outdial.calls.request import CleanText
from outdial.db.engine import reading
from outdial.history.csv_export import BYTE_ORDER_MARK, lines
from outdial.policy.do_not_call import (
    MAX_PAGE,
    MAX_REASON_CHARS,
    PAGE,
    EntryPage,
    EntryView,
    Source,
    list_entries,
    remove_entry,
)
from outdial.policy.import_file import ImportFile, clean_reason
from outdial.telephony.e164 import normal_e164
from outdial.workspaces.audit import ActorKind

router = APIRouter(route_class=ApiRoute, tags=["Do not call"])

IMPORT_PATH = "/v1/do-not-call/import"
MAX_IMPORT_BYTES = 64_000_000  # a million numbers, with a reason each
_IN_MEMORY_BYTES = 1_000_000   # of an import; the rest waits in a file without a name

COLUMNS = ("number", "reason", "source", "call_id", "added_by", "created_at")

_ENTRY: dict[str, Any] = {
    "number": "+12025550115",
    "reason": None,
    "source": "callee",
    "call_id": "call_8r5v1kz3m0q4t7w2x9y6",
    "by": None,
    "created_at": "2026-01-31T09:00:31.204211Z",
}
_ADDED = _ENTRY | {
    "reason": "Asked by mail",
    "source": "api",
    "call_id": None,
    "by": {"kind": "api_key", "id": "key_4m1q8x5z2v7k0t3w6y9r", "name": "Backend"},
}
_CSV: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The list",
        "content": {
            "text/csv": {
                "schema": {"type": "string"},
                "example": f"{','.join(COLUMNS)}\r\n+12025550115,Asked by mail,api,,Backend,2026-01-31T09:00:31Z\r\n",
            }
        },
    }
}
_NO_ENTRY = {"s404_not_on_the_list": "This number is not on the do-not-call list."}


class Added(EntryView):
    """`added`: it is new on the list. `canceled`: how many calls waited for the number, and wait no more."""

    added: bool
    canceled: int


class ListFilter(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    number: Annotated[CleanText, Field(max_length=40)] | None = None
    """How the number begins, where this begins with +; else some of its digits."""
    source: Source | None = None
    """How it came onto the list."""
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = PAGE
    """Numbers a page."""
    cursor: Annotated[CleanText, Field(max_length=100)] | None = None
    """`next_cursor` of the page before."""


class NumberToAdd(StrictBody):
    number: Annotated[CleanText, Field(max_length=40), AfterValidator(normal_e164)]
    """With its country code; spaces, dots, hyphens and parentheses don't matter."""
    reason: Annotated[CleanText, Field(max_length=MAX_REASON_CHARS)] | None = None
    """For people who read the list."""


@router.get(
    "/v1/do-not-call",
    summary="List who isn't called",
    operation_id="list_do_not_call",
    description="Newest first. Pass `next_cursor` as `cursor` to get the next page.",
    response_model=EntryPage,
    responses=example({"entries": [_ENTRY, _ADDED], "next_cursor": None, "erased": 0}) | errors(422),
)
async def get_list(services: Use, caller: Caller, wanted: Annotated[ListFilter, Query()]) -> JSONResponse:
    async with reading(services.engine) as conn:
        return JSONResponse(await list_entries(conn, caller.workspace_id, **wanted.model_dump()))


@router.get(
    "/v1/do-not-call.csv",
    summary="Export who isn't called",
    operation_id="export_do_not_call",
    description="The whole list as CSV (RFC 4180) in UTF-8 with a byte order mark. It can be imported as it is.",
    response_class=StreamingResponse,
    responses=_CSV | errors(),
)
async def get_csv(services: Use, caller: Caller) -> StreamingResponse:
    return StreamingResponse(
        _csv_of_list(services.engine, caller.workspace_id),
        media_type="text/csv",
        headers={"Content-Disposition": 'attachment; filename="do-not-call.csv"', "Cache-Control": "no-store"},
    )


@router.post(
    "/v1/do-not-call",
    summary="Add a number",
    operation_id="add_do_not_call",
    description=(
        "The workspace doesn't call this number any more: calls that wait for it end at once (`canceled`, with the "
        "error `do_not_call`), one that rings is hung up, new ones are refused with 409. A call that is being talked "
        "on goes on. Adding a number again is harmless and answers with the entry as it is."
    ),
    status_code=201,
    response_model=Added,
    responses=example(_ADDED | {"added": False, "canceled": 0}, "On the list already")
    | example(_ADDED | {"added": True, "canceled": 2}, "On the list now", status=201)
    | errors(413, 415, 422),
)
async def post_number(
    services: Use,
    caller: Caller,
    body: Annotated[
        NumberToAdd,
        Body(openapi_examples={"number": {"value": {"number": "+12025550115", "reason": "Asked by mail"}}}),
    ],
) -> JSONResponse:
    listed = await list_number(
        services.engine,
        caller.workspace_id,
        body.number,
        reason=clean_reason(body.reason or ""),
        source=Source.PAGE if caller.actor.kind is ActorKind.PERSON else Source.API,
        by=caller.actor,
    )
    answer = Added(**listed.entry, added=listed.added, canceled=listed.canceled)
    return JSONResponse(answer, status_code=201 if listed.added else 200)


@router.delete(
    "/v1/do-not-call/{number}",
    summary="Take a number off",
    operation_id="remove_do_not_call",
    description=(
        "The number may be called again; the audit log says who decided that. Calls that were refused "
        "meanwhile stay refused."
    ),
    response_model=EntryView,
    responses=example(_ENTRY, "Taken off") | errors(422, **_NO_ENTRY),
)
async def delete_number(
    services: Use, caller: Caller, number: Annotated[str, Path(description="E.164, the + as it is or as %2B")]
) -> JSONResponse:
    try:
        normal = normal_e164(number)
    except ValueError as error:
        raise invalid([{"field": "number", "message": str(error)}]) from None
    return JSONResponse(
        await remove_entry(
            services.engine, caller.workspace_id, normal, by=caller.actor, box=services.secret_box
        )
    )


@router.post(
    IMPORT_PATH,
    summary="Import numbers",
    operation_id="import_do_not_call",
    description=(
        "A CSV file as the body, up to 64 MB: a number a row, and a reason beside it if you like. A header (`number`, "
        "`phone`, …; `reason`) says which columns they are in, else they are the first two. Commas, semicolons and "
        "tabs are understood. Rows without a usable number are refused one by one, by their line; all others are "
        "entered together, and calls that waited for them end. One import at a time."
    ),
    response_model=ImportReport,
    responses=example(
        {
            "added": 998,
            "already_there": 1,
            "refused": 1,
            "canceled": 3,
            "refused_rows": [{"line": 17, "reason": "has no number"}],
        }
    )
    | errors(
        413,
        422,
        s409_import_under_way="Another import into this list is under way; try again when it is done.",
        s415_not_csv="The body has to be a CSV file, with Content-Type: text/csv.",
    ),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "text/csv": {
                    "schema": {"type": "string"},
                    "example": "number,reason\r\n+12025550115,Asked by mail\r\n+1 (202) 555-0116,\r\n",
                }
            },
        }
    },
)
async def post_import(request: Request, services: Use, caller: Caller) -> JSONResponse:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "text/csv":
        message = "The body has to be a CSV file, with Content-Type: text/csv."
        raise Problem(415, "not_csv", message, headers={"Accept": "text/csv"})
    # Read to its end first: no transaction waits for somebody's slow upload.
    with SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as file:
        async for chunk in request.stream():
            file.write(chunk)
        file.seek(0)
        rows = ImportFile(cast(BinaryIO, file))
        return JSONResponse(await import_numbers(services.engine, caller.workspace_id, rows, by=caller.actor))


async def _csv_of_list(engine: AsyncEngine, workspace_id: str) -> AsyncIterator[str]:
    """Page by page, so that no connection is held while somebody downloads slowly."""
    yield BYTE_ORDER_MARK + lines([COLUMNS])
    cursor: str | None = None
    while True:
        async with reading(engine) as conn:
            found = await list_entries(conn, workspace_id, cursor=cursor, limit=MAX_PAGE)
        yield lines(
            (
                entry["number"],
                entry["reason"],
                entry["source"],
                entry["call_id"],
                entry["by"] and entry["by"]["name"],
                entry["created_at"],
            )
            for entry in found["entries"]
        )
        cursor = found["next_cursor"]
        if cursor is None:
            return
