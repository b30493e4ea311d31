"""One run: whatever is older than it is to be kept is deleted, and it is noted how much that was."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.db.clearing import clear, count
from outdial.db.engine import autocommit, is_away, reading
from outdial.db.tables import retention_runs
from outdial.jobs.job import Job
from outdial.retention.kept import kept
from outdial.retention.too_old import count_all_too_old, erase_too_old
from outdial.settings import Settings
from outdial.workspaces.secrets import SecretBox

logger = logging.getLogger(__name__)

EVERY_HOUR = "17 * * * *"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one has removed: how many rows, by table."""

    started_at: datetime
    finished_at: datetime
    removed: Mapping[str, int]


def retention_job(engine: AsyncEngine, settings: Settings) -> Job:
    async def run() -> None:
        await run_retention(engine, settings)

    return Job(name="retention", run=run, every=EVERY_HOUR)


async def run_retention(engine: AsyncEngine, settings: Settings) -> Mapping[str, int]:
    """How many rows went, by table, and how many calls lost what their workspaces' rules say. A table where it fails is
    left for the next run, and told in the log.

    Raises what the database raises when it is away. May be cut short at any time, and may run twice at once.
    """
    started_at = await _now(engine)
    removed: dict[str, int] = {}
    for each in kept(settings):
        if each.kept_for is None:
            continue
        try:
            removed[each.name] = await clear(engine, each.clearing, started_at - each.kept_for)
        except Exception as error:
            if is_away(error):
                raise
            logger.exception("Retention failed for a table; trying again next time", extra={"table": each.name})
    try:
        removed |= _erased(await erase_too_old(engine, lambda: SecretBox.shared(settings)))
    except Exception as error:
        if is_away(error):
            raise
        logger.exception("Retention of calls failed; trying again next time")
    async with autocommit(engine) as conn:
        await conn.execute(insert(retention_runs).values(started_at=started_at, removed=removed))
    logger.info("Retention run finished", extra=dict(removed))
    return removed


async def would_go(engine: AsyncEngine, settings: Settings) -> Mapping[str, int]:
    """What a run would remove now. Changes nothing."""
    now = await _now(engine)
    counted: dict[str, int] = {}
    async with engine.connect() as conn:
        for each in kept(settings):
            if each.kept_for is not None:
                counted[each.name] = await count(conn, each.clearing, now - each.kept_for)
    return counted | _erased(await count_all_too_old(engine))


def _erased(calls: Mapping[str, int]) -> dict[str, int]:
    """Beside rows of tables."""
    return {f"erased_{kind}": number for kind, number in calls.items()}


async def last_run(conn: AsyncConnection) -> Run | None:
    query = select(retention_runs).order_by(retention_runs.c.id.desc()).limit(1)
    row = (await conn.execute(query)).one_or_none()
    if row is None:
        return None
    return Run(started_at=row.started_at, finished_at=row.finished_at, removed=row.removed)


async def _now(engine: AsyncEngine) -> datetime:
    """By the database's clock, as the rows are."""
    async with reading(engine) as conn:
        now: datetime = (await conn.execute(select(func.now()))).scalar_one()
    return now
