"""How two detectors of who answered compare: the carriers' and our own, on the calls that both were asked about.

Of a period, by carrier: what each said of the same calls, how often that was the same, which knew first, how often each
changed its mind; and how often each was wrong, by what people have said of calls. Counted over the newest calls of the
period, MOST_CALLS at most, so that it is quick however many there are.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Text, text
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import TypedDict

from outdial.carriers.name import CarrierName
from outdial.carriers.registry import KnownCarrier
from outdial.history.shares import Share, share
from outdial.instants import to_json
from outdial.telephony.verdict import MACHINES, UNDECIDED, AnsweredBy, DetectedBy

MOST_CALLS = 50_000


class ConfusionCell(TypedDict):
    """Calls of which the local detector said one thing and the carrier another, or the same."""

    local: AnsweredBy
    carrier: AnsweredBy
    calls: int


class Lead(TypedDict):
    """Of the calls that this one knew first, and by how much: from its first verdict that says who it is to the other
    one's."""

    calls: int
    median_ms: int | None
    p95_ms: int | None


class Revised(TypedDict):
    """Calls of which it said another thing later, and how often that was."""

    calls: int
    revisions: int


class Leads(TypedDict):
    local: Lead
    carrier: Lead


class Revisions(TypedDict):
    local: Revised
    carrier: Revised


class Errors(TypedDict):
    """Against labels. `wrong` said something else; `undecided` didn't know; `people_as_machines`: of the people, how
    many it took for a machine, the network or a fax; `machines_as_people` the other way round. `differing`: labelled
    calls on which the two detectors differ, and how many of these it was wrong about."""

    wrong: Share
    undecided: Share
    people_as_machines: Share
    machines_as_people: Share
    differing: Share


class Labelled(TypedDict):
    """`calls` were labelled, whichever detector was asked; each detector's errors are of those that it spoke of."""

    calls: int
    local: Errors
    carrier: Errors


class Agreement(TypedDict):
    """`both`: calls of which both have said something, with `confusion` and `agree`; of the others one has spoken, or
    none. `first` is of those of `both` where each knew who it is."""

    both: int
    only_local: int
    only_carrier: int
    agree: Share
    confusion: list[ConfusionCell]
    first: Leads
    revised: Revisions
    labelled: Labelled


class CarrierAgreement(Agreement):
    carrier: KnownCarrier


class Comparison(TypedDict):
    """Calls that were answered from `since` to `until`. Where there were more than can be counted, `whole` is false and
    `since` is that of the oldest that was. A call that was answered on two dials counts twice. `default` is this
    server's word for `"amd": true`."""

    since: str
    until: str
    whole: bool
    default: DetectedBy
    all: Agreement
    carriers: list[CarrierAgreement]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Calls that are the same in what is compared. `truth`: of labelled ones."""

    carrier: str
    local: AnsweredBy | None
    theirs: AnsweredBy | None
    calls: int
    local_revised: int = 0
    local_revisions: int = 0
    carrier_revised: int = 0
    carrier_revisions: int = 0
    truth: AnsweredBy | None = None

    @property
    def is_both(self) -> bool:
        return self.local is not None and self.theirs is not None

    def said(self, by: str) -> AnsweredBy | None:
        return self.local if by == "local" else self.theirs


async def compare(
    conn: AsyncConnection, workspace_id: str, *, since: datetime, until: datetime, default: DetectedBy
) -> Comparison:
    period = {"workspace": workspace_id, "since": since, "until": until, "at_most": MOST_CALLS}
    last = (await conn.scalars(_LAST_COUNTED, period)).all()
    is_whole = len(last) < 2
    since = since if is_whole else last[0]
    period["since"] = since
    groups = [_group(row) for row in (await conn.execute(_COUNTS, period)).mappings()]
    labels = [_group(row) for row in (await conn.execute(_LABELS, period)).mappings()]
    leads = {(row.carrier, row.winner): _lead(row) for row in await conn.execute(_LEADS, period)}
    carriers = sorted({each.carrier for each in (*groups, *labels)})
    return Comparison(
        since=to_json(since),
        until=to_json(until),
        whole=is_whole,
        default=default,
        all=_agreement(groups, labels, leads, None),
        carriers=[
            CarrierAgreement(
                carrier=CarrierName(name),
                **_agreement(_of(groups, name), _of(labels, name), leads, name),
            )
            for name in carriers
        ],
    )


# -- inside ------------------------------------------------------------------------------------------------------

_Leads = Mapping[tuple[str | None, str], Lead]  # by carrier (None: all together) and who knew first


def _of(groups: Sequence[_Group], carrier: str) -> list[_Group]:
    return [each for each in groups if each.carrier == carrier]


def _agreement(
    groups: Sequence[_Group], labels: Sequence[_Group], leads: _Leads, carrier: str | None
) -> Agreement:
    both = [each for each in groups if each.is_both]
    none = Lead(calls=0, median_ms=None, p95_ms=None)
    return Agreement(
        both=_sum(both),
        only_local=_sum(each for each in groups if each.local is not None and each.theirs is None),
        only_carrier=_sum(each for each in groups if each.local is None and each.theirs is not None),
        agree=share(_sum(each for each in both if each.local is each.theirs), _sum(both)),
        confusion=_confusion(both),
        first=Leads(local=leads.get((carrier, "local"), none), carrier=leads.get((carrier, "carrier"), none)),
        revised=Revisions(
            local=Revised(
                calls=sum(each.local_revised for each in groups),
                revisions=sum(each.local_revisions for each in groups),
            ),
            carrier=Revised(
                calls=sum(each.carrier_revised for each in groups),
                revisions=sum(each.carrier_revisions for each in groups),
            ),
        ),
        labelled=Labelled(calls=_sum(labels), local=_errors(labels, "local"), carrier=_errors(labels, "carrier")),
    )


def _confusion(both: Sequence[_Group]) -> list[ConfusionCell]:
    """The most frequent first."""
    counts: dict[tuple[AnsweredBy, AnsweredBy], int] = {}
    for each in both:
        assert each.local is not None
        assert each.theirs is not None
        counts[each.local, each.theirs] = counts.get((each.local, each.theirs), 0) + each.calls
    ordered = sorted(counts.items(), key=lambda cell: (-cell[1], cell[0]))
    return [ConfusionCell(local=local, carrier=theirs, calls=calls) for (local, theirs), calls in ordered]


def _errors(labels: Sequence[_Group], by: str) -> Errors:
    spoken = [each for each in labels if each.said(by) is not None]
    people = [each for each in spoken if each.truth is AnsweredBy.HUMAN]
    machines = [each for each in spoken if each.truth in MACHINES]
    differing = [each for each in spoken if each.is_both and each.local is not each.theirs]
    wrong = [each for each in spoken if each.said(by) not in (each.truth, *UNDECIDED)]
    unknown = [each for each in spoken if each.said(by) in UNDECIDED and each.said(by) is not each.truth]
    return Errors(
        wrong=share(_sum(wrong), _sum(spoken)),
        undecided=share(_sum(unknown), _sum(spoken)),
        people_as_machines=share(_sum(each for each in people if each.said(by) in MACHINES), _sum(people)),
        machines_as_people=share(
            _sum(each for each in machines if each.said(by) is AnsweredBy.HUMAN), _sum(machines)
        ),
        differing=share(_sum(each for each in differing if each in wrong), _sum(differing)),
    )


def _sum(groups: Iterable[_Group]) -> int:
    return sum(each.calls for each in groups)


def _group(row: Mapping[Any, Any]) -> _Group:
    counts = {name: row[name] for name in _REVISED if name in row}
    return _Group(
        carrier=row["carrier"],
        local=_category(row["local_category"]),
        theirs=_category(row["carrier_category"]),
        calls=row["calls"],
        truth=_category(row.get("truth")),
        **counts,
    )


_REVISED = ("local_revised", "local_revisions", "carrier_revised", "carrier_revisions")


def _category(stored: str | None) -> AnsweredBy | None:
    return None if stored is None else AnsweredBy(stored)


def _lead(row: Any) -> Lead:
    median, p95 = row.leads
    return Lead(calls=row.calls, median_ms=round(median), p95_ms=round(p95))


# -- statements: of each the rows that ix_detections_both (or ix_detections_truth) has, and no others ---------------

_IN_PERIOD = "workspace_id = :workspace AND at >= :since AND at < :until"
# When the oldest call was answered that is counted; a second row where there are more.
_LAST_COUNTED = text(f"""
    SELECT at FROM detections WHERE {_IN_PERIOD} AND asked = 'both' ORDER BY at DESC OFFSET :at_most - 1 LIMIT 2
""")  # noqa: S608 - put together of constants
_COUNTS = text(f"""
    SELECT carrier, local_category, carrier_category, count(*) AS calls,
        count(*) FILTER (WHERE local_revisions > 0) AS local_revised, sum(local_revisions) AS local_revisions,
        count(*) FILTER (WHERE carrier_revisions > 0) AS carrier_revised, sum(carrier_revisions) AS carrier_revisions
    FROM detections WHERE {_IN_PERIOD} AND asked = 'both' GROUP BY carrier, local_category, carrier_category
""")  # noqa: S608 - put together of constants
_LEADS = text(f"""
    SELECT carrier, winner, count(*) AS calls,
        percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY abs(lead_ms)) AS leads
    FROM (
        SELECT carrier, lead_ms, CASE WHEN lead_ms > 0 THEN 'local' ELSE 'carrier' END AS winner
        FROM (
            SELECT carrier, extract(epoch FROM carrier_known_at - local_known_at)::float8 * 1000 AS lead_ms
            FROM detections
            WHERE {_IN_PERIOD} AND asked = 'both' AND local_known_at IS NOT NULL AND carrier_known_at IS NOT NULL
        ) AS timed
    ) AS led
    GROUP BY GROUPING SETS ((carrier, winner), (winner))
""").columns(carrier=Text)  # noqa: S608 - put together of constants
_LABELS = text(f"""
    SELECT carrier, truth, local_category, carrier_category, count(*) AS calls
    FROM detections WHERE {_IN_PERIOD} AND truth IS NOT NULL GROUP BY carrier, truth, local_category, carrier_category
""")  # noqa: S608 - put together of constants
