"""All rules of all workspaces evaluated: what is found is written down in one transaction, and with it what is to be
told of it (rows for webhooks by triggers, rows for e-mails here). So nothing is told that isn't so, and nothing is
lost or told twice when a process dies in between.

Any number of processes may try: one has the clock's row, and in a minute it is done once. Done twice it does no harm: a
condition that is raised can't be raised again, which the database holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.alerts.figures import Known, figures_of, read
from outdial.alerts.mail_queue import add_cleared, add_raised
from outdial.alerts.rule import Rule
from outdial.alerts.rules import rules_of_all
from outdial.alerts.verdict import Because, Figure, Verdict, judge
from outdial.calls.ended_counts import fold_ended_counts
from outdial.db.alert_tables import alert_clock, alerts
from outdial.db.tables import workspaces
from outdial.ids import new_id

EVERY = timedelta(minutes=1)
EARLY = timedelta(seconds=5)  # a clock that is looked at a little too early counts as well


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """An alert that is raised now."""

    id: str
    workspace_id: str
    rule_id: str
    subject: str
    code: str | None
    now_figure: float


@dataclass(frozen=True, slots=True, kw_only=True)
class New:
    workspace_id: str
    rule: Rule
    figure: Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What is to be written: new alerts, those that are over and why, and figures that have changed, by alert."""

    new: Sequence[New]
    cleared: Mapping[str, Because]
    figures: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """How many were raised and cleared. `mails`: there are e-mails to be sent."""

    raised: int = 0
    cleared: int = 0
    mails: bool = False


async def evaluate(engine: AsyncEngine, *, mail: bool, now: datetime | None = None) -> Evaluated | None:
    """Once a minute, whoever asks how often: None where it isn't time, or another process is at it. `mail`: the server
    can send e-mails. `now`: by the database's clock, where nothing else is given."""
    async with engine.begin() as conn:
        at = now or (await conn.execute(select(func.clock_timestamp()))).scalar_one()
        if not await _take_clock(conn, at):
            return None
        await fold_ended_counts(conn, now=at)
        rules = await rules_of_all(conn, (await conn.scalars(select(workspaces.c.id))).all())
        raised = await _raised(conn)
        enabled = {each: [rule for rule in of if rule.setting.enabled] for each, of in rules.items()}
        decided = decide(enabled, await read(conn, enabled, now=at), raised)
        return await _write(conn, decided, mail=mail, now=at)


def decide(rules: Mapping[str, Sequence[Rule]], known: Known, raised: Sequence[Raised]) -> Decided:
    """`rules`: by workspace, those that are switched on. Pure."""
    there = {(each.workspace_id, each.rule_id, each.subject): each for each in raised}
    new: list[New] = []
    cleared: dict[str, Because] = {}
    figures: dict[str, float] = {}
    seen = set()
    for workspace_id, of in rules.items():
        for rule in of:
            for figure in figures_of(rule, workspace_id, known):
                place = (workspace_id, rule.id, figure.subject)
                seen.add(place)
                alert = there.get(place)
                judged = judge(rule, figure, is_raised=alert is not None, code=None if alert is None else alert.code)
                if judged.verdict is Verdict.RAISED:
                    new.append(New(workspace_id=workspace_id, rule=rule, figure=figure))
                elif alert is not None:
                    if judged.because is not None:
                        cleared[alert.id] = judged.because
                    if figure.value != alert.now_figure:
                        figures[alert.id] = figure.value
    by_id = {(workspace_id, rule.id): rule for workspace_id, of in rules.items() for rule in of}
    for place, alert in there.items():
        if place not in seen:
            its = by_id.get((alert.workspace_id, alert.rule_id))
            judged = judge(its, None, is_raised=True, code=alert.code)
            if judged.because is not None:
                cleared[alert.id] = judged.because
    return Decided(new=new, cleared=cleared, figures=figures)


# -- inside --------------------------------------------------------------------------------------------------


async def _take_clock(conn: AsyncConnection, at: datetime) -> bool:
    """Whether it is this process's turn; others see that it was, once the transaction is committed."""
    first = upsert(alert_clock).values(one=True, evaluated_at=at - EVERY).on_conflict_do_nothing()
    await conn.execute(first)
    last = (await conn.execute(select(alert_clock.c.evaluated_at).with_for_update(skip_locked=True))).scalar()
    if last is None or at - last < EVERY - EARLY:
        return False
    await conn.execute(update(alert_clock).values(evaluated_at=at))
    return True


async def _raised(conn: AsyncConnection) -> Sequence[Raised]:
    alert = alerts.c
    query = select(alert.id, alert.workspace_id, alert.rule_id, alert.subject, alert.code, alert.now_figure)
    rows = (await conn.execute(query.where(alert.cleared_at.is_(None)).with_for_update())).mappings()
    return [Raised(**row) for row in rows]


async def _write(conn: AsyncConnection, decided: Decided, *, mail: bool, now: datetime) -> Evaluated:
    raised = mails = 0
    if decided.figures:
        given = {"ids": list(decided.figures), "figures": list(decided.figures.values())}
        await conn.execute(_FIGURES, given)
    for alert_id, because in decided.cleared.items():
        over = {"cleared_at": now, "cleared_because": because}
        await conn.execute(update(alerts).where(alerts.c.id == alert_id).values(over))
        mails += await add_cleared(conn, alert_id, now=now)
    for new in decided.new:
        row = _row(new, now)
        stored = upsert(alerts).values(row).on_conflict_do_nothing().returning(alerts.c.id)
        if await conn.scalar(stored) is not None:
            raised += 1
            mails += await add_raised(conn, new.workspace_id, row["id"], now=now) if mail else 0
    return Evaluated(raised=raised, cleared=len(decided.cleared), mails=mails > 0)


def _row(new: New, now: datetime) -> dict[str, Any]:
    rule, figure = new.rule, replace(new.figure, value=round(new.figure.value, 6))
    return {
        "id": new_id("alert"),
        "workspace_id": new.workspace_id,
        "rule_id": rule.id,
        "kind": rule.kind,
        "subject": figure.subject,
        "code": figure.code,
        "figure": figure.value,
        "threshold": rule.setting.threshold,
        "window_min": rule.setting.window_min,
        "calls": figure.calls,
        "details": dict(figure.details),
        "now_figure": figure.value,
        "raised_at": now,
    }


_FIGURES = text("""
    UPDATE alerts SET now_figure = changed.figure
    FROM unnest(CAST(:ids AS text[]), CAST(:figures AS float[])) AS changed (id, figure)
    WHERE alerts.id = changed.id
""")
