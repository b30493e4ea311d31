"""A workspace at a glance: lines and queue now, how the calls of some days went, and what needs attention."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select, true, union_all
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import TypedDict

from outdial.accounts.refused_callbacks import RefusedCallbacks, refused_lately
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import KnownCarrier
from outdial.db.tables import ENDED, UP, attempts, callbacks, calls, pools, turns, workspaces
from outdial.db.webhook_tables import webhooks
from outdial.history.counted import Group, groups_since, queued
from outdial.history.number_health import NumberHealth, number_health
from outdial.history.period_counts import PeriodCounts, Today, counts_of, period_counts
from outdial.history.periods import Period
from outdial.instants import to_json
from outdial.net.urls import host_of
from outdial.refusals import NotFound
from outdial.telephony.failures import FailureCode
from outdial.telephony.state import CallState, EndReason
from outdial.workspaces.plans import Plan

LATENCY_CALLS = 200  # the latest ones: enough for a median, and quick however many there were
MAX_UNKNOWN = 20
FAILING_AFTER = timedelta(minutes=15)  # a webhook endpoint: it may only be restarting
STUCK_AFTER = timedelta(minutes=1)  # callbacks are worked through within a second


class Lines(TypedDict):
    """`used_outbound` and `used_inbound` of `lines` are taken; `reserved_inbound` are for callers only."""

    plan: Plan
    lines: int
    reserved_inbound: int
    used_outbound: int
    used_inbound: int


class Queue(TypedDict):
    """`waiting` calls are due, the first of them since `oldest_due_at`; `scheduled` ones are due later."""

    waiting: int
    scheduled: int
    oldest_due_at: str | None


class FailureCount(TypedDict):
    code: FailureCode
    meaning: str
    calls: int


class Latency(TypedDict):
    """From the end of what a callee said to the start of the agent's reply: the median of `turns` replies, in the
    latest calls of these days. Null without any."""

    median_ms: int | None
    turns: int


class UnknownCall(TypedDict):
    """It can't be known (yet) whether the carrier dialled. The call holds its line and isn't dialled again."""

    call_id: str
    carrier: KnownCarrier
    since: str


class FailingWebhook(TypedDict):
    """An endpoint that nothing was accepted by since then, for a quarter of an hour at least; `off`: it is switched
    off. `host`: of its URL."""

    webhook_id: str
    host: str
    off: bool
    since: str


class Attention(TypedDict):
    """`unknown_calls`: the oldest 20. `stuck_callbacks` are verified, but not worked through after a minute."""

    numbers: list[NumberHealth]
    unknown_calls: list[UnknownCall]
    stuck_callbacks: int
    refused_callbacks: list[RefusedCallbacks]
    webhooks: list[FailingWebhook]


class Overview(TypedDict):
    """`failures` and `latency` are of the calls of `period`."""

    lines: Lines
    queue: Queue
    today: Today
    period: PeriodCounts
    failures: list[FailureCount]
    latency: Latency
    attention: Attention


async def get_overview(conn: AsyncConnection, workspace_id: str, period: Period) -> Overview:
    """Raises NotFound."""
    lines = await _lines(conn, workspace_id)
    groups = await groups_since(conn, workspace_id, period.since)
    of_today = groups if period.today == period.since else await groups_since(conn, workspace_id, period.today)
    return Overview(
        lines=lines,
        queue=await _queue(conn, workspace_id),
        today=counts_of(of_today, period.today),
        period=await period_counts(conn, workspace_id, period, groups),
        failures=_failures(groups),
        latency=await _latency(conn, workspace_id, period.since),
        attention=await _attention(conn, workspace_id),
    )


# -- inside --------------------------------------------------------------------------------------------------


async def _lines(conn: AsyncConnection, workspace_id: str) -> Lines:
    row = (
        await conn.execute(
            select(workspaces.c.plan, pools)
            .join(pools, pools.c.workspace_id == workspaces.c.id)
            .where(workspaces.c.id == workspace_id)
        )
    ).one_or_none()
    if row is None:
        raise NotFound("workspace_not_found", "There is no such workspace.")
    return Lines(
        plan=Plan(row.plan),
        lines=row.lines,
        reserved_inbound=row.reserved_inbound,
        used_outbound=row.used_outbound,
        used_inbound=row.used_inbound,
    )


async def _queue(conn: AsyncConnection, workspace_id: str) -> Queue:
    queue = await queued(conn, workspace_id)
    return Queue(waiting=queue.waiting, scheduled=queue.scheduled, oldest_due_at=to_json(queue.oldest_due_at))


def _failures(groups: Sequence[Group]) -> list[FailureCount]:
    """The most frequent first."""
    counts: dict[FailureCode, int] = {}
    for group in groups:
        if group.end_reason is EndReason.FAILED and group.code is not None:
            code = FailureCode(group.code)
            counts[code] = counts.get(code, 0) + group.calls
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [FailureCount(code=code, meaning=code.meaning, calls=count) for code, count in ordered]


async def _latency(conn: AsyncConnection, workspace_id: str, since: datetime) -> Latency:
    made = select(calls.c.id).where(calls.c.workspace_id == workspace_id, calls.c.created_at >= since)
    ended = made.where(ENDED).order_by(calls.c.created_at.desc()).limit(LATENCY_CALLS).subquery()
    latest = union_all(select(ended.c.id), made.where(UP)).subquery()
    replies = (
        select(turns.c.latency["total"].as_integer().label("total"))
        .where(turns.c.call_id == latest.c.id, turns.c.speaker == "agent", turns.c.latency.is_not(None))
        .offset(0)  # with it PostgreSQL looks call by call; it may guess that there are many, and read all turns
        .subquery()
        .lateral()
    )
    row = (
        await conn.execute(
            select(
                func.percentile_cont(0.5).within_group(replies.c.total).label("median_ms"),
                func.count(replies.c.total).label("turns"),
            )
            .select_from(latest)
            .join(replies, true())
        )
    ).one()
    return Latency(median_ms=None if row.median_ms is None else round(row.median_ms), turns=row.turns)


async def _attention(conn: AsyncConnection, workspace_id: str) -> Attention:
    ours = calls.c.workspace_id == workspace_id
    unknown = await conn.execute(
        select(attempts.c.call_id, attempts.c.carrier, attempts.c.unknown_since)
        .join(calls, calls.c.id == attempts.c.call_id)
        .where(ours, attempts.c.state != CallState.ENDED, attempts.c.unknown_since.is_not(None))
        .order_by(attempts.c.unknown_since)
        .limit(MAX_UNKNOWN)
    )
    stuck = await conn.scalar(
        select(func.count())
        .select_from(callbacks)
        .join(attempts, attempts.c.id == callbacks.c.attempt_id)
        .join(calls, calls.c.id == attempts.c.call_id)
        .where(ours, callbacks.c.handled_at.is_(None), callbacks.c.received_at < func.now() - STUCK_AFTER)
    )
    return Attention(
        numbers=[one for one in await number_health(conn, workspace_id) if one["trouble"] is not None],
        unknown_calls=[
            UnknownCall(call_id=row.call_id, carrier=CarrierName(row.carrier), since=to_json(row.unknown_since))
            for row in unknown
        ],
        stuck_callbacks=stuck or 0,
        refused_callbacks=await refused_lately(conn, workspace_id),
        webhooks=await _failing_webhooks(conn, workspace_id),
    )


async def _failing_webhooks(conn: AsyncConnection, workspace_id: str) -> list[FailingWebhook]:
    hook = webhooks.c
    since = func.coalesce(hook.failing_since, hook.off_at)
    query = (
        select(hook.id, hook.url, hook.off_at, since.label("since"))
        .where(hook.workspace_id == workspace_id, hook.url.is_not(None), hook.removed_at.is_(None))
        .where(hook.off_at.is_not(None) | (hook.failing_since < func.now() - FAILING_AFTER))
        .order_by(since)
    )
    return [
        FailingWebhook(webhook_id=row.id, host=host_of(row.url), off=row.off_at is not None, since=to_json(row.since))
        for row in await conn.execute(query)
    ]
