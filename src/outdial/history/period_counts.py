"""What is told of the calls of some days: how they went, how they ended and when, what they took and cost."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import TypedDict

from outdial.carriers.name import CarrierName
from outdial.carriers.registry import KnownCarrier
from outdial.history.counted import Charged, Ends, Group, charged_since, ends_since
from outdial.history.periods import Days, Period
from outdial.instants import to_json
from outdial.telephony.end_kind import EndKind
from outdial.telephony.state import CallDirection, EndReason
from outdial.telephony.verdict import MACHINES, AnsweredBy

MAX_OUTCOMES = 12  # an agent may name any number


class OutcomeCount(TypedDict):
    """`outcome` is null of calls that came to none, and of those that are still up."""

    outcome: str | None
    calls: int


class Today(TypedDict):
    """Calls made since `since`. Of the outbound calls that were dialled: how many were `answered`, how many of these by
    no machine (`by_people`; `undetected` of them without answering machine detection), and how many of these
    were completed. `outcomes` is what came of those `by_people`: the twelve most frequent, the most frequent first,
    null last; `other_outcomes` are the calls that came to a rarer one. `failed` ones ended with an error."""

    since: str
    outbound: int
    inbound: int
    dialled: int
    answered: int
    by_people: int
    undetected: int
    completed: int
    outcomes: list[OutcomeCount]
    other_outcomes: int
    failed: int


class EndCounts(TypedDict):
    """Calls by how they ended. `completed`: answered by a person, or nobody looked who it was; `machine`: answered by a
    machine or a fax, whoever hung up."""

    completed: int
    machine: int
    no_answer: int
    busy_or_declined: int
    failed: int
    canceled_or_expired: int


class Interval(EndCounts):
    """When the calls were made: from `since` to the next interval."""

    since: str


class Cost(TypedDict):
    """What the carrier has charged, a decimal."""

    currency: str
    amount: str


class CarrierUse(TypedDict):
    """Dials that were `answered` and have ended, of outbound and inbound calls; `duration_s` is from answer to end, all
    together. `costs` are also of the second calls of warm transfers. `unpriced` dials are in no cost: the carrier has
    not told what they cost."""

    carrier: KnownCarrier
    answered: int
    duration_s: float
    costs: list[Cost]
    unpriced: int


class PeriodCounts(Today):
    """The same for calls made in the last `days` days, as a reader in `time_zone` has them; today ends `until`. `ends`
    are of outbound and inbound calls; `unended` calls wait or are up. `answer_rate` is `answered` of `dialled`, null
    without any. `intervals` are hours of one day, and days of more."""

    days: Days
    time_zone: str
    until: str
    answer_rate: float | None
    ends: EndCounts
    unended: int
    intervals: list[Interval]
    carriers: list[CarrierUse]


async def period_counts(
    conn: AsyncConnection, workspace_id: str, period: Period, groups: Sequence[Group]
) -> PeriodCounts:
    """`groups`: the calls that were made since the period began."""
    counts = counts_of(groups, period.since)
    ends = await ends_since(conn, workspace_id, period.starts)
    together = {kind: sum(each[kind] for each in ends) for kind in EndKind}
    return PeriodCounts(
        **counts,
        days=period.days,
        time_zone=period.time_zone,
        until=to_json(period.until),
        answer_rate=round(counts["answered"] / counts["dialled"], 4) if counts["dialled"] else None,
        ends=_ends(together),
        unended=max(0, counts["outbound"] + counts["inbound"] - sum(together.values())),
        intervals=[
            Interval(since=to_json(start), **_ends(each)) for start, each in zip(period.starts, ends, strict=True)
        ],
        carriers=_carriers(await charged_since(conn, workspace_id, period.since)),
    )


def counts_of(groups: Sequence[Group], since: datetime) -> Today:
    """The calls that were made since then."""
    outbound = [group for group in groups if group.direction is CallDirection.OUTBOUND]
    dialled = [group for group in outbound if group.is_dialled]
    answered = [group for group in dialled if group.is_answered]
    by_people = [group for group in answered if group.category not in MACHINES]
    outcomes = _outcomes(by_people)
    return Today(
        since=to_json(since),
        outbound=_sum(outbound),
        inbound=_sum(group for group in groups if group.direction is CallDirection.INBOUND),
        dialled=_sum(dialled),
        answered=_sum(answered),
        by_people=_sum(by_people),
        undetected=_sum(group for group in by_people if group.category != AnsweredBy.HUMAN),
        completed=_sum(group for group in by_people if group.end_reason is EndReason.COMPLETED),
        outcomes=outcomes,
        other_outcomes=_sum(by_people) - sum(each["calls"] for each in outcomes),
        failed=_sum(group for group in groups if group.end_reason is EndReason.FAILED),
    )


# -- inside --------------------------------------------------------------------------------------------------


def _ends(ends: Ends) -> EndCounts:
    return EndCounts(
        completed=ends[EndKind.COMPLETED],
        machine=ends[EndKind.MACHINE],
        no_answer=ends[EndKind.NO_ANSWER],
        busy_or_declined=ends[EndKind.BUSY_OR_DECLINED],
        failed=ends[EndKind.FAILED],
        canceled_or_expired=ends[EndKind.CANCELED_OR_EXPIRED],
    )


def _carriers(charged: Sequence[Charged]) -> list[CarrierUse]:
    """The one that was used longest first."""
    uses: dict[str, CarrierUse] = {}
    for each in charged:
        empty = CarrierUse(carrier=CarrierName(each.carrier), answered=0, duration_s=0.0, costs=[], unpriced=0)
        use = uses.setdefault(each.carrier, empty)
        use["answered"] += each.answered
        use["duration_s"] = round(use["duration_s"] + each.duration_s, 1)
        if each.currency is None:
            use["unpriced"] += each.answered
        else:
            use["costs"].append(Cost(currency=each.currency, amount=f"{each.cost:f}"))
    return sorted(uses.values(), key=lambda use: (-use["duration_s"], use["carrier"]))


def _outcomes(groups: Sequence[Group]) -> list[OutcomeCount]:
    counts: dict[str | None, int] = {}
    for group in groups:
        counts[group.outcome] = counts.get(group.outcome, 0) + group.calls
    none = counts.pop(None, 0)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0] or ""))[:MAX_OUTCOMES]
    return [OutcomeCount(outcome=word, calls=count) for word, count in ordered + ([(None, none)] if none else [])]


def _sum(groups: Iterable[Group]) -> int:
    return sum(group.calls for group in groups)
