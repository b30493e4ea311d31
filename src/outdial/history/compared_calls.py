"""The calls that two detectors of who answered were asked about, or that somebody has labelled: a list, page by page,
and the same for spreadsheets."""

import base64
import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import Select, and_, literal_column, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import TypedDict

from outdial.calls.request import Instant
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import KnownCarrier, must_be_known
from outdial.db.detection_tables import detections
from outdial.db.tables import attempts, calls
from outdial.history.csv_export import BYTE_ORDER_MARK, lines
from outdial.history.reading import History
from outdial.history.verdicts import TruthView, truth_view
from outdial.ids import is_id
from outdial.instants import parse_instant, to_json
from outdial.refusals import Invalid
from outdial.telephony.state import CallDirection
from outdial.telephony.verdict import AnsweredBy, DetectedBy

PAGE = 200
COLUMNS = (
    "call_id", "attempt", "answered_at", "carrier", "asked", "local", "carrier_said", "agree", "first", "lead_ms",
    "local_revisions", "carrier_revisions", "truth",
)  # fmt: skip


class Which(StrEnum):
    """Of the calls of a period."""

    DIFFER = "differ"      # both have spoken, and not alike
    BOTH = "both"          # both detectors were asked
    LABELLED = "labelled"  # somebody has said who answered


def must_be_in_order(since: datetime | None, until: datetime | None) -> None:
    """Raises ValueError for a period in which there is no instant."""
    if since is not None and until is not None and since >= until:
        raise ValueError("since must be before until")


class ComparedSearch(BaseModel):
    """Several filters must all hold."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    which: Which = Which.DIFFER
    """`differ`: calls on which the two detectors differ; `both`: all that both were asked about; `labelled`: those of
    which somebody has said who answered, whichever detector was asked."""
    local: AnsweredBy | None = None
    """What the local detector said; together with `carrier_said` it is a cell of the table of confusion, also where
    they agree."""
    carrier_said: AnsweredBy | None = None
    """What the carrier said."""
    carrier: Annotated[KnownCarrier, AfterValidator(must_be_known)] | None = None
    """Calls through this carrier."""
    since: Instant | None = None
    """Answered at or after this instant; without it, 30 days before `until`."""
    until: Instant | None = None
    """Answered before this instant; without it, now."""

    @model_validator(mode="after")
    def _whole_cell(self) -> "ComparedSearch":
        if (self.local is None) is not (self.carrier_said is None):
            raise ValueError("local and carrier_said go together")
        return self

    @model_validator(mode="after")
    def _in_order(self) -> "ComparedSearch":
        must_be_in_order(self.since, self.until)
        return self

    @property
    def is_cell(self) -> bool:
        return self.local is not None


class ComparedFilter(ComparedSearch):
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    """Calls a page."""
    cursor: Annotated[str | None, Field(max_length=200)] = None
    """`next_cursor` of another page."""


class ComparedCall(TypedDict):
    """`local` and `carrier_said` are null where that one has said nothing. `lead_ms`: how much earlier the local
    detector knew who it was, negative where the carrier did, null where one of them never knew. `party` is who was
    called, or who called."""

    call_id: str
    attempt: int
    party: str
    answered_at: str
    carrier: KnownCarrier
    asked: DetectedBy | None
    local: AnsweredBy | None
    carrier_said: AnsweredBy | None
    lead_ms: int | None
    local_revisions: int
    carrier_revisions: int
    truth: TruthView | None


class ComparedPage(TypedDict):
    """Newest first. `next_cursor` gets the next page, null on the last one."""

    calls: list[ComparedCall]
    next_cursor: str | None


async def list_compared(conn: AsyncConnection, workspace_id: str, wanted: ComparedFilter) -> ComparedPage:
    """Raises Invalid for a cursor that isn't one of ours."""
    rows = (await conn.execute(_page(workspace_id, wanted))).mappings().all()
    page = rows[: wanted.limit]
    last = page[-1] if len(rows) > wanted.limit else None
    return ComparedPage(
        calls=[_view(row) for row in page],
        next_cursor=None if last is None else _cursor(last["at"], last["attempt_id"]),
    )


async def csv_of_compared(history: History, workspace_id: str, wanted: ComparedSearch) -> AsyncIterator[str]:
    """The header, then calls, newest first, in pieces; each page is read by itself."""
    yield BYTE_ORDER_MARK + lines([COLUMNS])
    cursor: str | None = None
    while True:
        page = ComparedFilter.model_validate(wanted.model_dump() | {"limit": PAGE, "cursor": cursor})

        async def ask(conn: AsyncConnection, page: ComparedFilter = page) -> ComparedPage:
            return await list_compared(conn, workspace_id, page)

        found = (await history.read(ask)).value
        if found["calls"]:
            yield lines(_row(call) for call in found["calls"])
        cursor = found["next_cursor"]
        if cursor is None:
            return


# -- inside ------------------------------------------------------------------------------------------------------


def _page(workspace_id: str, wanted: ComparedFilter) -> Select[Any]:
    """The rows of a page first, by the index that has them in order; then their calls."""
    kept = detections.c
    query = select(detections).where(kept.workspace_id == workspace_id, _which(wanted))
    if wanted.carrier is not None:
        query = query.where(kept.carrier == wanted.carrier)
    if wanted.since is not None:
        query = query.where(kept.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(kept.at < wanted.until)
    if wanted.cursor is not None:
        query = query.where(tuple_(kept.at, kept.attempt_id) < _place(wanted.cursor))
    page = query.order_by(kept.at.desc(), kept.attempt_id.desc()).limit(wanted.limit + 1).subquery()
    found = page.join(attempts, attempts.c.id == page.c.attempt_id).join(calls, calls.c.id == page.c.call_id)
    of_call = (calls.c.direction, calls.c.to, calls.c.from_)
    return (
        select(page, attempts.c.number, *of_call)
        .select_from(found)
        .order_by(page.c.at.desc(), page.c.attempt_id.desc())
    )


def _which(wanted: ComparedSearch) -> Any:
    """Written out, as the indexes have it."""
    kept = detections.c
    is_both = kept.asked == literal_column("'both'")
    if wanted.is_cell:
        cell = and_(kept.local_category == wanted.local, kept.carrier_category == wanted.carrier_said)
        return and_(kept.truth.is_not(None), cell) if wanted.which is Which.LABELLED else and_(is_both, cell)
    if wanted.which is Which.LABELLED:
        return kept.truth.is_not(None)
    return is_both if wanted.which is Which.BOTH else and_(is_both, kept.local_category != kept.carrier_category)


def _cursor(at: datetime, attempt_id: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([to_json(at), attempt_id]).encode()).decode()


def _place(cursor: str) -> tuple[datetime, str]:
    try:
        instant, attempt_id = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
        at = parse_instant(instant).astimezone(UTC)
    except (ValueError, TypeError, RecursionError):
        raise Invalid("cursor", "is not a cursor of this API") from None
    if not (isinstance(attempt_id, str) and is_id(attempt_id, "att")):
        raise Invalid("cursor", "is not a cursor of this API")
    return at, attempt_id


def _view(row: Mapping[Any, Any]) -> ComparedCall:
    local, carrier = row["local_known_at"], row["carrier_known_at"]
    is_known = local is not None and carrier is not None
    is_outbound = row[calls.c.direction] == CallDirection.OUTBOUND
    return ComparedCall(
        call_id=row["call_id"],
        attempt=row[attempts.c.number],
        party=row[calls.c.to] if is_outbound else row[calls.c.from_],
        answered_at=to_json(row["at"]),
        carrier=CarrierName(row["carrier"]),
        asked=None if row["asked"] is None else DetectedBy(row["asked"]),
        local=_category(row["local_category"]),
        carrier_said=_category(row["carrier_category"]),
        lead_ms=round((carrier - local).total_seconds() * 1000) if is_known else None,
        local_revisions=row["local_revisions"],
        carrier_revisions=row["carrier_revisions"],
        truth=truth_view(row["truth"], row["truth_at"]),
    )


def _row(call: ComparedCall) -> list[Any]:
    lead_ms, spoken = call["lead_ms"], call["local"] is not None and call["carrier_said"] is not None
    first = None if lead_ms is None else "local" if lead_ms > 0 else "carrier"
    return [
        call["call_id"],
        call["attempt"],
        call["answered_at"],
        call["carrier"],
        call["asked"],
        call["local"],
        call["carrier_said"],
        call["local"] == call["carrier_said"] if spoken else None,
        first,
        None if lead_ms is None else abs(lead_ms),
        call["local_revisions"],
        call["carrier_revisions"],
        None if call["truth"] is None else call["truth"]["category"],
    ]


def _category(stored: str | None) -> AnsweredBy | None:
    return None if stored is None else AnsweredBy(stored)
