"""Settings, Who answered: how the carriers' detection and Outdial's own compare, and the calls on which they differ."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial import clock
from outdial.carriers.registry import carrier_named
from outdial.dashboard.page import Here, PageRoute
from outdial.dashboard.words import ANSWERED_BY, carrier_label
from outdial.history.agreement import Agreement, Comparison, ConfusionCell, compare
from outdial.history.compared_calls import ComparedFilter, ComparedPage, Which, list_compared
from outdial.instants import to_json
from outdial.telephony.verdict import AnsweredBy, DetectedBy

router = APIRouter(include_in_schema=False, route_class=PageRoute)

PATH = "/settings/who-answered"
PAGE_SIZE = 25
LISTS = {
    Which.DIFFER: "Where they differ",
    Which.BOTH: "All compared",
    Which.LABELLED: "Labelled",
}
DETECTORS = {
    DetectedBy.CARRIER: "The carrier is asked",
    DetectedBy.LOCAL: "Outdial finds out",
    DetectedBy.BOTH: "Both are asked, and compared",
}


class Span(IntEnum):
    """Days up to now."""

    WEEK = 7
    MONTH = 30
    QUARTER = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """`share` of all calls of the table, `url` of the list of these."""

    calls: int
    share: float
    agrees: bool
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """Rows are what Outdial said, columns what the carrier said; None where there was no such call."""

    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell | None]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Of a carrier, or of all together."""

    id: str
    title: str
    found: Agreement
    confusion: Confusion


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the address asks for: the days, and which calls are listed. A cell is (Outdial's, the carrier's)."""

    days: Span
    which: Which
    cell: tuple[AnsweredBy, AnsweredBy] | None
    carrier: str | None

    def url(self, path: str = PATH, **more: str) -> str:
        return f"{path}?{urlencode({'days': str(self.days.value), **self.of_list(), **more})}"

    def of_list(self) -> Mapping[str, str]:
        cell = {} if self.cell is None else {"local": self.cell[0].value, "carrier_said": self.cell[1].value}
        carrier = {} if self.carrier is None else {"carrier": self.carrier}
        return {"which": self.which.value, **cell, **carrier}

    @property
    def title(self) -> str:
        if self.cell is None:
            title = LISTS[self.which]
        else:
            local, theirs = (ANSWERED_BY[each].lower() for each in self.cell)
            title = f"Outdial: {local}, the carrier: {theirs}"
        return title if self.carrier is None else f"{title}, {carrier_label(self.carrier)}"


Category = Annotated[AnsweredBy | None, Query()]


@router.get(PATH)
async def who_answered(
    page: Here,
    days: Annotated[Span, Query()] = Span.MONTH,
    which: Annotated[Which, Query()] = Which.DIFFER,
    local: Category = None,
    carrier_said: Category = None,
    carrier: Annotated[str | None, Query(max_length=40)] = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    cell = None if local is None or carrier_said is None else (local, carrier_said)
    known = carrier_named(carrier) if carrier else None
    asked = Asked(days=days, which=Which.BOTH if cell else which, cell=cell, carrier=known)
    until = clock.now()
    since = until - timedelta(days=days)
    wanted = ComparedFilter.model_validate(
        {**asked.of_list(), "since": to_json(since), "limit": PAGE_SIZE, "cursor": cursor}
    )
    default = page.services.settings.amd_by

    async def ask(conn: AsyncConnection) -> tuple[Comparison, ComparedPage]:
        found = await compare(conn, page.workspace_id, since=since, until=until, default=default)
        return found, await list_compared(conn, page.workspace_id, wanted)

    found, listed = (await page.services.history.read(ask, fresh=True)).value
    return await page.render(
        "settings/who_answered.html",
        asked=asked,
        found=found,
        sections=_sections(found, days),
        listed=listed,
        is_first=cursor is None,
        spans=list(Span),
        lists=LISTS,
        detectors=DETECTORS,
        categories=ANSWERED_BY,
        csv=f"/v1/who-answered/calls.csv?{urlencode({**asked.of_list(), 'since': to_json(since)})}",
    )


def _sections(found: Comparison, days: Span) -> list[Section]:
    """All together only where there are several carriers."""
    of_carriers = [(each["carrier"], carrier_label(each["carrier"]), each) for each in found["carriers"]]
    every: list[tuple[str, str, Agreement]] = [("all", "All carriers", found["all"])]
    shown = [*of_carriers] if len(of_carriers) == 1 else [*every, *of_carriers]
    return [
        Section(id=name, title=title, found=each, confusion=_confusion(each, days, None if name == "all" else name))
        for name, title, each in shown
    ]


def _confusion(found: Agreement, days: Span, carrier: str | None) -> Confusion:
    cells = {(each["local"], each["carrier"]): each for each in found["confusion"]}
    rows, columns = _seen(local for local, _ in cells), _seen(theirs for _, theirs in cells)

    def cell(local: AnsweredBy, theirs: AnsweredBy) -> Cell | None:
        known: ConfusionCell | None = cells.get((local, theirs))
        if known is None:
            return None
        asked = Asked(days=days, which=Which.BOTH, cell=(local, theirs), carrier=carrier)
        share = known["calls"] / found["both"]
        return Cell(calls=known["calls"], share=share, agrees=local is theirs, url=asked.url() + "#compared-calls")

    return Confusion(
        columns=[ANSWERED_BY[theirs] for theirs in columns],
        rows=[(ANSWERED_BY[local], [cell(local, theirs) for theirs in columns]) for local in rows],
    )


def _seen(categories: Iterable[AnsweredBy]) -> list[AnsweredBy]:
    found = set(categories)
    return [category for category in AnsweredBy if category in found]
