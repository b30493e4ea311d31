"""Calls over time by how they ended: stacked bars, and the same in words for a table. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from outdial.dashboard.words import END_REASONS
from outdial.history.period_counts import PeriodCounts
from outdial.history.periods import Days
from outdial.instants import parse_instant, zone_named
from outdial.telephony.end_kind import EndKind

# From the bottom of a bar to its top, and in the legend from left to right.
KINDS: Mapping[EndKind, str] = {
    EndKind.COMPLETED: END_REASONS["completed"][0],
    EndKind.MACHINE: END_REASONS["machine"][0],
    EndKind.NO_ANSWER: END_REASONS["no_answer"][0],
    EndKind.BUSY_OR_DECLINED: "Busy or declined",
    EndKind.FAILED: END_REASONS["failed"][0],
    EndKind.CANCELED_OR_EXPIRED: "Canceled or expired",
}
STEP, GAP = 10.0, 2.0  # from bar to bar, and between two of them; a bar may be HEIGHT high
HEIGHT = 100.0
CUT = 0.5              # between two pieces of a bar


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """How the days of an overview are called: on the switch, after a heading, in a sentence; what its bars are of."""

    switch: str
    after: str
    in_words: str
    went: str
    a_time: str
    labels_every: int  # bars; counted so that the first hour and the last day have one


SPANS: Mapping[Days, Span] = {
    Days.ONE: Span(
        switch="Today",
        after=" today",
        in_words="today",
        went="how today went so far",
        a_time="hour",
        labels_every=3,
    ),
    Days.WEEK: Span(
        switch="7 days",
        after=", 7 days",
        in_words="in the last 7 days",
        went="how the last 7 days went",
        a_time="day",
        labels_every=1,
    ),
    Days.MONTH: Span(
        switch="30 days",
        after=", 30 days",
        in_words="in the last 30 days",
        went="how the last 30 days went",
        a_time="day",
        labels_every=5,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Of a bar, `y` from the top."""

    kind: EndKind
    y: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """`label` stands below it, "" where there is no room; `when` names its time in full."""

    x: float
    label: str
    when: str
    counts: Sequence[int]  # in the order of KINDS
    pieces: Sequence[Piece]
    url: str               # of the calls that were made then

    @property
    def calls(self) -> int:
        return sum(self.counts)

    @property
    def in_words(self) -> str:
        parts = [f"{name} {count:,}" for name, count in zip(KINDS.values(), self.counts, strict=True) if count]
        return f"{self.when}: {', '.join(parts) or 'no calls'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """`top` is the number of calls at its upper edge. `totals`: of every kind, its name and how many calls."""

    bars: Sequence[Bar]
    top: int
    totals: Sequence[tuple[EndKind, str, int]]

    @property
    def width(self) -> float:
        return STEP * len(self.bars)

    @property
    def calls(self) -> int:
        return sum(calls for _, _, calls in self.totals)


def chart_of(period: PeriodCounts) -> Chart:
    zone = zone_named(period["time_zone"])
    span = SPANS[period["days"]]
    counts_of_bars = [[each[kind.value] for kind in KINDS] for each in period["intervals"]]
    top = even_top(max(map(sum, counts_of_bars)))
    edges = [each["since"] for each in period["intervals"]] + [period["until"]]
    bars = []
    for place, counts in enumerate(counts_of_bars):
        at = parse_instant(edges[place]).astimezone(zone)
        labelled = (place if period["days"] is Days.ONE else len(counts_of_bars) - 1 - place) % span.labels_every == 0
        bars.append(
            Bar(
                x=round(place * STEP + GAP / 2, 2),
                label=_label(at, period["days"]) if labelled else "",
                when=f"{at:%H:%M}" if period["days"] is Days.ONE else f"{at:%a} {at.day} {at:%b}",
                counts=counts,
                pieces=_pieces(counts, top),
                url=_made_between(edges[place], edges[place + 1]),
            )
        )
    totals = [(kind, name, period["ends"][kind.value]) for kind, name in KINDS.items()]
    return Chart(bars=bars, top=top, totals=totals)


def even_top(most: int) -> int:
    """The least even number that `most` fits under and that reads well: 2, 4, 6, 8, 10, 12, 16, 20, 30, 40 …"""
    size = 1
    while True:
        for digits in (2, 4, 6, 8, 10, 12, 16):
            if digits * size >= most:
                return digits * size
        size *= 10


def _pieces(counts: Sequence[int], top: int) -> list[Piece]:
    """However few calls there are of a kind, its piece can be seen."""
    pieces: list[Piece] = []
    floor = HEIGHT
    for kind, count in zip(KINDS, counts, strict=True):
        if count:
            height = max(HEIGHT * count / top, 2 * CUT)
            floor -= height
            pieces.append(Piece(kind=kind, y=round(floor, 2), height=round(height - CUT, 2)))
    return pieces


def _label(at: datetime, days: Days) -> str:
    if days is Days.ONE:
        return f"{at:%H:%M}"
    return f"{at:%a} {at.day}" if days is Days.WEEK else f"{at.day} {at:%b}"


def _made_between(since: str, until: str) -> str:
    return f"/calls?{urlencode({'created_after': since, 'created_before': until})}"
