"""How long a workspace keeps what its calls brought, and an agent of it that has its own days.

A change takes effect an hour after it was made, with the next run; until then the longer of the old and the new days
hold, and it can be undone. The only writer of `retention_rules`, but for the first rule of a new workspace.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from sqlalchemy import RowMapping, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import TypedDict

from outdial.db.retention_tables import retention_rules
from outdial.db.tables import agents
from outdial.instants import to_json
from outdial.refusals import Conflict, Invalid, NotFound
from outdial.workspaces.audit import Actor, record

FOR_EVER = 0
MAX_DAYS = 36_500
SECOND_THOUGHTS = timedelta(hours=1)


class Kept(StrEnum):
    """What a call brought, by how long it is kept."""

    RECORDINGS = "recordings"
    TRANSCRIPTS = "transcripts"  # what was said, what was noted, wrap-ups
    DETAILS = "details"          # the other party's number, variables, metadata: with them all that is personal goes


OF_AGENT = tuple(f"{kept}_days" for kept in Kept)
CALLBACKS = "callbacks_days"  # of a workspace alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """After a call's end; 0: for ever; None: an agent's are its workspace's, and callbacks are kept as long as the
    server keeps them."""

    recordings_days: int | None
    transcripts_days: int | None
    details_days: int | None
    callbacks_days: int | None = None

    def of(self, kept: Kept) -> int | None:
        days: int | None = getattr(self, f"{kept}_days")
        return days

    def to_json(self) -> dict[str, int | None]:
        return {name: getattr(self, name) for name in (*OF_AGENT, CALLBACKS)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(**{name: stored.get(name) for name in (*OF_AGENT, CALLBACKS)})


NEVER = Days(recordings_days=FOR_EVER, transcripts_days=FOR_EVER, details_days=FOR_EVER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`agent_id` None: of the workspace. `before`: the days that still count where they are longer, and that an undo
    brings back."""

    workspace_id: str
    agent_id: str | None
    days: Days
    before: Days | None = None
    changed_at: datetime | None = None
    callbacks_until: datetime | None = None

    @classmethod
    def of(cls, row: RowMapping) -> Self:
        before = row["before"]
        return cls(
            workspace_id=row["workspace_id"],
            agent_id=row["agent_id"],
            days=Days.from_json(dict(row)),
            before=None if before is None else Days.from_json(before),
            changed_at=row["changed_at"],
            callbacks_until=row["callbacks_until"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Those of one workspace."""

    workspace: Rule
    agents: Mapping[str, Rule]

    def days(self, kept: Kept, agent_id: str | None) -> int:
        """That hold now: of a change that may be undone still, the longer ones."""
        of_workspace, own = self.workspace, self.agents.get(agent_id or "")
        now = _days(of_workspace.days, None if own is None else own.days, kept)
        then = _days(
            of_workspace.before or of_workspace.days, None if own is None else own.before or own.days, kept
        )
        return longer(now, then)

    def after(self, agent_id: str | None, days: Days) -> "Rules":
        """With other days, that nothing is held back of."""
        changed = Rule(workspace_id=self.workspace.workspace_id, agent_id=agent_id, days=days)
        if agent_id is None:
            return Rules(workspace=changed, agents=self.agents)
        return Rules(workspace=self.workspace, agents={**self.agents, agent_id: changed})


class DaysView(TypedDict):
    recordings_days: int | None
    transcripts_days: int | None
    details_days: int | None
    callbacks_days: int | None


class RuleView(DaysView):
    """Days after a call's end, 0: for ever. Of an agent, null: as its workspace has it. `callbacks_days` is the
    workspace's alone; null: as long as the server keeps them. `before`: the days that an undo brings back; null: there
    is nothing to undo (any more). `applies_at`: when the change takes effect, with the next run."""

    before: DaysView | None
    changed_at: str | None
    applies_at: str | None


class AgentRuleView(RuleView):
    agent_id: str
    agent_name: str


class RetentionView(TypedDict):
    """`agents`: those that have days of their own."""

    workspace: RuleView
    agents: list[AgentRuleView]


def longer(one: int, other: int) -> int:
    return FOR_EVER if FOR_EVER in (one, other) else max(one, other)


async def read_rules(conn: AsyncConnection, workspace_id: str) -> Rules:
    """A workspace without a rule keeps everything for ever."""
    query = select(retention_rules).where(retention_rules.c.workspace_id == workspace_id)
    found = [Rule.of(row) for row in (await conn.execute(query)).mappings()]
    of_agents = {rule.agent_id: rule for rule in found if rule.agent_id is not None}
    nothing = Rule(workspace_id=workspace_id, agent_id=None, days=NEVER)
    return Rules(workspace=next((rule for rule in found if rule.agent_id is None), nothing), agents=of_agents)


async def workspaces_with_rules(conn: AsyncConnection) -> list[str]:
    query = select(retention_rules.c.workspace_id).distinct().order_by(retention_rules.c.workspace_id)
    return list((await conn.execute(query)).scalars())


async def retention_view(conn: AsyncConnection, workspace_id: str) -> RetentionView:
    rules = await read_rules(conn, workspace_id)
    query = select(agents.c.id, agents.c.name).where(agents.c.id.in_(rules.agents)).order_by(agents.c.name)
    rows = (await conn.execute(query)).all()
    return RetentionView(
        workspace=_view(rules.workspace),
        agents=[AgentRuleView(**_view(rules.agents[row.id]), agent_id=row.id, agent_name=row.name) for row in rows],
    )


async def set_days(
    engine: AsyncEngine, workspace_id: str, agent_id: str | None, days: Days, *, by: Actor
) -> RetentionView:
    """Raises Invalid, and NotFound (the agent)."""
    async with engine.begin() as conn:
        name = await _subject_name(conn, workspace_id, agent_id)
        _check(days, agent_id)
        rules = await read_rules(conn, workspace_id)
        held = rules.workspace if agent_id is None else rules.agents.get(agent_id)
        inherits = Days(recordings_days=None, transcripts_days=None, details_days=None)
        earlier = inherits if held is None else held.before or held.days
        values = {
            "subject_id": agent_id or workspace_id,
            "workspace_id": workspace_id,
            "agent_id": agent_id,
            **days.to_json(),
            "before": None if earlier == days else earlier.to_json(),
            "changed_at": func.clock_timestamp(),
            "callbacks_until": None,
        }
        stored = insert(retention_rules).values(values)
        await conn.execute(stored.on_conflict_do_update(index_elements=["subject_id"], set_=values))
        details = {"days": days.to_json(), "before": earlier.to_json()}
        subject = agent_id or workspace_id
        await record(
            conn, workspace_id, by, "retention.changed", subject_id=subject, subject_name=name, details=details
        )
        return await retention_view(conn, workspace_id)


async def undo(engine: AsyncEngine, workspace_id: str, agent_id: str | None, *, by: Actor) -> RetentionView:
    """Bring back the days from before the last change. Raises Conflict where a run has gone by the new ones."""
    async with engine.begin() as conn:
        name = await _subject_name(conn, workspace_id, agent_id)
        subject = agent_id or workspace_id
        query = select(retention_rules).where(retention_rules.c.subject_id == subject).with_for_update()
        row = (await conn.execute(query)).mappings().one_or_none()
        rule = None if row is None else Rule.of(row)
        if rule is None or rule.before is None:
            raise Conflict("nothing_to_undo", "There is no change that could be undone: it has taken effect by now.")
        values = {**rule.before.to_json(), "before": None}
        await conn.execute(update(retention_rules).where(retention_rules.c.subject_id == subject).values(values))
        details = {"days": rule.before.to_json(), "before": rule.days.to_json()}
        await record(
            conn, workspace_id, by, "retention.undone", subject_id=subject, subject_name=name, details=details
        )
        return await retention_view(conn, workspace_id)


async def take_effect(conn: AsyncConnection, workspace_id: str) -> None:
    """A run goes by what was changed long enough ago: from now on that can't be undone."""
    rule = retention_rules.c
    is_settled = rule.changed_at < func.clock_timestamp() - SECOND_THOUGHTS
    of_workspace = (rule.workspace_id == workspace_id) & rule.before.is_not(None)
    await conn.execute(update(retention_rules).where(of_workspace, is_settled).values(before=None))


async def callbacks_gone(conn: AsyncConnection, workspace_id: str, until: datetime) -> None:
    rule = retention_rules.c
    await conn.execute(update(retention_rules).where(rule.subject_id == workspace_id).values(callbacks_until=until))


def _days(of_workspace: Days, own: Days | None, kept: Kept) -> int:
    """Nothing outlives the details: with them a call's recording and transcript go as well."""
    each = None if own is None else own.of(kept)
    days = each if each is not None else of_workspace.of(kept)
    return FOR_EVER if days is None else days


def _check(days: Days, agent_id: str | None) -> None:
    for name, given in days.to_json().items():
        if given is None and agent_id is None and name != CALLBACKS:
            raise Invalid(name, "is a number of days; 0 keeps for ever")
        if given is not None and not 0 <= given <= MAX_DAYS:
            raise Invalid(name, f"is 0 (for ever) to {MAX_DAYS} days")
    if agent_id is not None and days.callbacks_days is not None:
        raise Invalid(CALLBACKS, "is the workspace's alone")


async def _subject_name(conn: AsyncConnection, workspace_id: str, agent_id: str | None) -> str:
    if agent_id is None:
        return "Workspace"
    query = select(agents.c.name).where(agents.c.id == agent_id, agents.c.workspace_id == workspace_id)
    name = await conn.scalar(query)
    if name is None:
        raise NotFound("agent_not_found", "There is no such agent.")
    return str(name)


def _view(rule: Rule) -> RuleView:
    applies_at = None
    if rule.before is not None and rule.changed_at is not None:
        applies_at = to_json(rule.changed_at + SECOND_THOUGHTS)
    return RuleView(
        **_days_view(rule.days),
        before=None if rule.before is None else _days_view(rule.before),
        changed_at=None if rule.changed_at is None else to_json(rule.changed_at),
        applies_at=applies_at,
    )


def _days_view(days: Days) -> DaysView:
    return DaysView(
        recordings_days=days.recordings_days,
        transcripts_days=days.transcripts_days,
        details_days=days.details_days,
        callbacks_days=days.callbacks_days,
    )
