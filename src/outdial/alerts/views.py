"""Alerts as users see them: on the page, in the API, in webhooks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from sqlalchemy import RowMapping, func, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import TypedDict

from outdial.alerts.rule import SHAPES, Kind, Unit
from outdial.alerts.verdict import Because
from outdial.alerts.words import Found, advice, message, path
from outdial.db.alert_tables import alerts
from outdial.db.tables import workspaces
from outdial.instants import to_json
from outdial.refusals import Invalid, NotFound

PAGE = 50
MAX_PAGE = 200


class AlertState(StrEnum):
    RAISED = "raised"
    CLEARED = "cleared"


class WorkspaceRef(TypedDict):
    id: str
    name: str


class SubjectRef(TypedDict):
    """The number (`number`) or webhook endpoint (`webhook`) that an alert is of, by its id; or a currency
    (`currency`), by its code."""

    kind: str
    id: str


class AlertView(TypedDict):
    """What a rule has found, of its `kind`: a `figure` in `unit` (`share`: 0 to 1), of so many `calls`, in the last
    `window_min` minutes, that is beyond `threshold`. All that is as it was when the alert was raised; `now_figure` is
    the last one. `subject`: of number_health, webhook_failing and charges_day. `code`: the failure it is of. `advice`:
    what to do next, `url`: where. While it is `raised` it isn't raised again; `cleared_because` says why it is over."""

    id: str
    state: AlertState
    workspace: WorkspaceRef
    rule_id: str
    kind: Kind
    subject: SubjectRef | None
    code: str | None
    figure: float
    unit: Unit
    threshold: float | None
    window_min: int | None
    calls: int | None
    details: dict[str, Any]
    now_figure: float
    message: str
    advice: str
    url: str
    raised_at: str
    cleared_at: str | None
    cleared_because: Because | None


class AlertPage(TypedDict):
    """Newest first. `next_cursor` gets the next page, null on the last one."""

    alerts: list[AlertView]
    next_cursor: str | None


_SUBJECTS = {Kind.NUMBER_HEALTH: "number", Kind.WEBHOOK_FAILING: "webhook", Kind.CHARGES_DAY: "currency"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A row of `alerts`, with the name of its workspace."""

    found: Found
    workspace_name: str
    now_figure: float
    cleared_at: datetime | None
    cleared_because: Because | None

    @classmethod
    def of(cls, row: RowMapping) -> Self:
        because = row["cleared_because"]
        return cls(
            found=Found(
                id=row["id"],
                workspace_id=row["workspace_id"],
                rule_id=row["rule_id"],
                kind=Kind(row["kind"]),
                subject=row["subject"],
                code=row["code"],
                figure=row["figure"],
                threshold=row["threshold"],
                window_min=row["window_min"],
                calls=row["calls"],
                details=row["details"],
                raised_at=row["raised_at"],
            ),
            workspace_name=row["workspace_name"],
            now_figure=row["now_figure"],
            cleared_at=row["cleared_at"],
            cleared_because=None if because is None else Because(because),
        )

    def view(self, base_url: str, *, as_raised: bool = False) -> AlertView:
        """`as_raised`: as it was then, whatever has become of it."""
        found, kind = self.found, self.found.kind
        subject = SubjectRef(kind=_SUBJECTS[kind], id=found.subject) if kind in _SUBJECTS else None
        is_over = self.cleared_at is not None and not as_raised
        return AlertView(
            id=found.id,
            state=AlertState.CLEARED if is_over else AlertState.RAISED,
            workspace=WorkspaceRef(id=found.workspace_id, name=self.workspace_name),
            rule_id=found.rule_id,
            kind=kind,
            subject=subject,
            code=found.code,
            figure=_short(found.figure),
            unit=SHAPES[kind].unit,
            threshold=found.threshold,
            window_min=found.window_min,
            calls=found.calls,
            details=dict(found.details),
            now_figure=_short(found.figure if as_raised else self.now_figure),
            message=message(found),
            advice=advice(found),
            url=base_url + path(found),
            raised_at=to_json(found.raised_at),
            cleared_at=to_json(self.cleared_at) if is_over else None,
            cleared_because=self.cleared_because if is_over else None,
        )


def _short(figure: float) -> float:
    return round(figure, 4)


ROWS = select(*alerts.c, workspaces.c.name.label("workspace_name")).join(
    workspaces, workspaces.c.id == alerts.c.workspace_id
)


async def alerts_by_id(conn: AsyncConnection, ids: Sequence[str]) -> Mapping[str, Alert]:
    rows = (await conn.execute(ROWS.where(alerts.c.id.in_(ids)))).mappings()
    return {row["id"]: Alert.of(row) for row in rows}


async def list_alerts(
    conn: AsyncConnection,
    workspace_id: str,
    *,
    base_url: str,
    state: AlertState | None = None,
    cursor: str | None = None,
    limit: int = PAGE,
) -> AlertPage:
    """Raises Invalid for a cursor that isn't one of ours."""
    query = ROWS.where(alerts.c.workspace_id == workspace_id)
    if state is not None:
        over = alerts.c.cleared_at
        query = query.where(over.is_(None) if state is AlertState.RAISED else over.is_not(None))
    if cursor is not None:
        query = query.where(tuple_(alerts.c.raised_at, alerts.c.id) < await _place(conn, workspace_id, cursor))
    query = query.order_by(alerts.c.raised_at.desc(), alerts.c.id.desc()).limit(limit + 1)
    found = [Alert.of(row).view(base_url) for row in (await conn.execute(query)).mappings()]
    page = found[:limit]
    return AlertPage(alerts=page, next_cursor=page[-1]["id"] if len(found) > limit else None)


async def get_alert(conn: AsyncConnection, workspace_id: str, alert_id: str, *, base_url: str) -> AlertView:
    """Raises NotFound, also for one of another workspace."""
    query = ROWS.where(alerts.c.workspace_id == workspace_id, alerts.c.id == alert_id)
    row = (await conn.execute(query)).mappings().one_or_none()
    if row is None:
        raise NotFound("alert_not_found", "There is no such alert.")
    return Alert.of(row).view(base_url)


async def count_raised(conn: AsyncConnection, workspace_id: str) -> int:
    query = select(func.count()).where(alerts.c.workspace_id == workspace_id, alerts.c.cleared_at.is_(None))
    return int(await conn.scalar(query) or 0)


async def _place(conn: AsyncConnection, workspace_id: str, cursor: str) -> Any:
    """Behind the alert of that id."""
    query = select(alerts.c.raised_at).where(alerts.c.workspace_id == workspace_id, alerts.c.id == cursor)
    raised_at = await conn.scalar(query)
    if raised_at is None:
        raise Invalid("cursor", "is not a cursor of this API")
    return tuple_(literal(raised_at), literal(cursor))
