"""What models may cost a workspace a day: against agents that talk in circles, and loops that nobody meant.

Counted are all answers of models, as they come, also of workspaces without a limit; those that were cut off are
estimated. A day is one of UTC. Beyond the limit no call of an agent with a model is dialled, and one that talks ends
with a sentence. As what an answer costs is known afterwards, each call that talks may go beyond it by one answer. The
only writer of `spend_limits` and `model_spend`.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from sqlalchemy import (
    ColumnElement,
    Date,
    DateTime,
    Executable,
    Text,
    and_,
    bindparam,
    cast,
    delete,
    func,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import TypedDict

from outdial import clock
from outdial.db.clearing import Clearing
from outdial.db.engine import autocommit, reading
from outdial.db.spend_tables import model_spend, spend_limits
from outdial.instants import to_json
from outdial.policy.gate import next_day
from outdial.workspaces.audit import Actor, record
from outdial.workspaces.store import workspace_name

MAX_DOLLARS = 1_000_000
MAX_TOKENS = 10**15
OLD_SPEND = Clearing(table=model_spend, since=cast(model_spend.c.day, DateTime(timezone=True)))
KEPT = timedelta(days=90)


class UsedView(TypedDict):
    """Of today. `estimated_tokens`: those of `tokens` that are estimated, of answers that were cut off and of servers
    that don't tell. `dollars`: where the model's price is known."""

    tokens: int
    estimated_tokens: int
    dollars: float


class SpendLimitView(TypedDict):
    """`dollars` and `tokens` a day, null: no limit of that kind. `passed`: one of them is reached, until
    `resets_at`."""

    dollars: float | None
    tokens: int | None
    used: UsedView
    passed: bool
    resets_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """What some answers of models cost."""

    tokens: int = 0
    estimated_tokens: int = 0
    dollars: Decimal = Decimal(0)

    def __add__(self, other: "Spend") -> "Spend":
        return Spend(
            tokens=self.tokens + other.tokens,
            estimated_tokens=self.estimated_tokens + other.estimated_tokens,
            dollars=self.dollars + other.dollars,
        )

    def __bool__(self) -> bool:
        return bool(self.tokens or self.dollars)


def is_spent(workspace_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Part of a query: whether models have cost the workspace today what they may."""
    limit, used = spend_limits.c, model_spend.c
    of_today = and_(used.workspace_id == limit.workspace_id, used.day == _today())
    reached = or_(func.coalesce(used.tokens, 0) >= limit.tokens, func.coalesce(used.dollars, 0) >= limit.dollars)
    passed = select(limit.workspace_id).outerjoin(model_spend, of_today)
    return passed.where(limit.workspace_id == workspace_id, reached).exists()


def _today() -> ColumnElement[date]:
    return cast(func.timezone("UTC", func.now()), Date)


def _add_spend() -> Executable:
    """Count it for today, and whether the limit is reached then: one statement, built once. There is one for each
    answer of a model's, and building it takes longer than running it and leaves circles of thousands of objects, whose
    collection the calls would hear."""
    used, limit = model_spend.c, spend_limits.c
    counts = (used.tokens, used.estimated_tokens, used.dollars)
    new = {column.name: bindparam(f"new_{column.name}", type_=column.type) for column in (used.workspace_id, *counts)}
    upserted = upsert(model_spend).values({"day": _today()} | new)
    counted = (
        upserted.on_conflict_do_update(
            index_elements=[used.workspace_id, used.day],
            set_={column.name: column + upserted.excluded[column.name] for column in counts},
        )
        .returning(used.workspace_id, used.tokens, used.dollars)
        .cte("counted")
    )
    reached = or_(counted.c.tokens >= limit.tokens, counted.c.dollars >= limit.dollars)
    return select(select(counted).where(limit.workspace_id == counted.c.workspace_id, reached).exists())


ADD_SPEND = _add_spend()
SPENT_TODAY = select(is_spent(bindparam("of_workspace_id", type_=Text)))


async def add_spend(engine: AsyncEngine, workspace_id: str, spend: Spend) -> bool:
    """Count it for today; whether the limit is reached now. Database errors pass: where nobody knows whether it was
    counted, counting again errs on the safe side."""
    counted = {
        "new_workspace_id": workspace_id,
        "new_tokens": spend.tokens,
        "new_estimated_tokens": spend.estimated_tokens,
        "new_dollars": spend.dollars,
    }
    async with autocommit(engine) as conn:
        return bool(await conn.scalar(ADD_SPEND, counted))


async def spent_today(conn: AsyncConnection, workspace_id: str) -> bool:
    return bool(await conn.scalar(SPENT_TODAY, {"of_workspace_id": workspace_id}))


async def is_spent_now(engine: AsyncEngine, workspace_id: str) -> bool:
    """`spent_today` on a connection of its own."""
    async with reading(engine) as conn:
        return await spent_today(conn, workspace_id)


async def get_spend_limit(conn: AsyncConnection, workspace_id: str) -> SpendLimitView:
    limit = (
        await conn.execute(select(spend_limits).where(spend_limits.c.workspace_id == workspace_id))
    ).one_or_none()
    used = (
        await conn.execute(
            select(model_spend).where(model_spend.c.workspace_id == workspace_id, model_spend.c.day == _today())
        )
    ).one_or_none()
    return SpendLimitView(
        dollars=None if limit is None or limit.dollars is None else float(limit.dollars),
        tokens=None if limit is None else limit.tokens,
        used=UsedView(
            tokens=0 if used is None else used.tokens,
            estimated_tokens=0 if used is None else used.estimated_tokens,
            dollars=0.0 if used is None else round(float(used.dollars), 6),
        ),
        passed=await spent_today(conn, workspace_id),
        resets_at=to_json(next_day(clock.now())),
    )


async def change_spend_limit(
    engine: AsyncEngine, workspace_id: str, *, dollars: Decimal | None, tokens: int | None, by: Actor
) -> SpendLimitView:
    """None: no limit of that kind any more. Raises NotFound."""
    async with engine.begin() as conn:
        name = await workspace_name(conn, workspace_id)
        before = await get_spend_limit(conn, workspace_id)
        new = {"dollars": dollars, "tokens": tokens}
        if (before["dollars"], before["tokens"]) != (None if dollars is None else float(dollars), tokens):
            if dollars is None and tokens is None:
                await conn.execute(delete(spend_limits).where(spend_limits.c.workspace_id == workspace_id))
            else:
                set_ = upsert(spend_limits).values({"workspace_id": workspace_id} | new)
                await conn.execute(set_.on_conflict_do_update(index_elements=["workspace_id"], set_=new))
            details = {
                "dollars": None if dollars is None else float(dollars),
                "tokens": tokens,
                "before": {"dollars": before["dollars"], "tokens": before["tokens"]},
            }
            act = "spend_limit.changed"
            await record(conn, workspace_id, by, act, subject_id=workspace_id, subject_name=name, details=details)
        return await get_spend_limit(conn, workspace_id)
