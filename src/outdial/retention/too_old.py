"""Which calls keep something longer than they may: counted, and erased a few at a time, each time in a transaction of
its own. Whatever ends a run, the next one goes on where it was: what is left is found by its index."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import TextClause, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.calls.erasing import erase_callbacks, erase_details, erase_recordings, erase_transcripts, lock_ended
from outdial.db.engine import reading
from outdial.policy.erased_entries import Box
from outdial.retention.erase_call import forget_entries
from outdial.retention.rules import (
    FOR_EVER,
    Kept,
    Rules,
    callbacks_gone,
    read_rules,
    take_effect,
    workspaces_with_rules,
)
from outdial.webhooks.erasing import forget_told
from outdial.workspaces.audit import SERVER, amend, record

BATCH = 200     # calls in a transaction
PAUSE_S = 0.05  # after each: the others' turn
COUNTED = (*Kept, "callbacks")

_ERASE = {Kept.RECORDINGS: erase_recordings, Kept.TRANSCRIPTS: erase_transcripts, Kept.DETAILS: erase_details}


@dataclass(frozen=True, slots=True, kw_only=True)
class TooOld:
    """Calls of an agent (None: of none) that ended before an instant, and keep something of which kind."""

    kept: Kept
    workspace_id: str
    agent_id: str | None
    before: datetime
    days: int

    def parameters(self) -> dict[str, Any]:
        return {"workspace": self.workspace_id, "agent": self.agent_id, "before": self.before}


async def erase_too_old(
    engine: AsyncEngine, box: Box, *, batch: int = BATCH, pause_s: float = PAUSE_S
) -> Mapping[str, int]:
    """How many calls lost something of each kind. May be cut short at any time, and may run twice at once."""
    erased: Counter[str] = Counter(dict.fromkeys(COUNTED, 0))
    async with reading(engine) as conn:
        workspaces = await workspaces_with_rules(conn)
    for workspace_id in workspaces:
        async with engine.begin() as conn:
            await take_effect(conn, workspace_id)
        erased.update(await _erase_of(engine, box, workspace_id, batch, pause_s))
    return dict(erased)


async def count_too_old(conn: AsyncConnection, rules: Rules) -> dict[str, int]:
    """How many calls of a workspace keep something longer than these rules let them, by kind."""
    await conn.execute(text("SET LOCAL statement_timeout = 0"))
    counted: Counter[str] = Counter(dict.fromkeys(COUNTED, 0))
    async for each in _each(conn, rules):
        counted[each.kept] += await conn.scalar(_COUNT[each.kept, each.agent_id is None], each.parameters()) or 0
    since, until = await _callbacks_between(conn, rules)
    if until is not None:
        window = {"workspace": rules.workspace.workspace_id, "since": since, "until": until, "after_id": ""}
        counted["callbacks"] = await conn.scalar(_COUNT_WITH_CALLBACKS, window) or 0
    return dict(counted)


async def count_all_too_old(engine: AsyncEngine) -> Mapping[str, int]:
    """What a run would erase now, of all workspaces."""
    counted: Counter[str] = Counter(dict.fromkeys(COUNTED, 0))
    async with engine.connect() as conn:
        for workspace_id in await workspaces_with_rules(conn):
            counted.update(await count_too_old(conn, await read_rules(conn, workspace_id)))
    return dict(counted)


async def _erase_of(
    engine: AsyncEngine, box: Box, workspace_id: str, batch: int, pause_s: float
) -> Mapping[str, int]:
    async with reading(engine) as conn:
        rules = await read_rules(conn, workspace_id)
        due = [each async for each in _each(conn, rules)]
        since, until = await _callbacks_between(conn, rules)
    erased: Counter[str] = Counter()
    for each in due:
        gone = await _erase(engine, box, each, batch, pause_s)
        erased[each.kept] += gone
    if until is not None:
        erased["callbacks"] = await _erase_callbacks(engine, workspace_id, since, until, batch, pause_s)
    return erased


async def _erase(engine: AsyncEngine, box: Box, due: TooOld, batch: int, pause_s: float) -> int:
    """What somebody has locked is left for the next time."""
    erased, entry_id = 0, None
    after = (datetime.min.replace(tzinfo=due.before.tzinfo), "")
    query = _FIND[due.kept, due.agent_id is None]
    while True:
        async with engine.begin() as conn:
            place = {"after": after[0], "after_id": after[1], "at_most": batch}
            rows = (await conn.execute(query, due.parameters() | place)).all()
            ids = await lock_ended(conn, [row.id for row in rows]) if rows else []
            if ids:
                if due.kept is Kept.DETAILS:
                    await forget_entries(conn, box, ids)
                if due.kept is not Kept.RECORDINGS:
                    await forget_told(conn, ids)
                await _ERASE[due.kept](conn, ids)
                entry_id = await _audit(conn, due, erased + len(ids), entry_id)
        erased += len(ids)
        if len(rows) < batch:
            return erased
        after = (rows[-1].ended_at, rows[-1].id)
        await asyncio.sleep(pause_s)


async def _audit(conn: AsyncConnection, due: TooOld, calls: int, entry_id: int | None) -> int:
    """One entry of a run for each rule, that grows with it: a run that is cut short has told what it did."""
    details = {"what": due.kept, "calls": calls, "days": due.days}
    if entry_id is not None:
        await amend(conn, entry_id, details)
        return entry_id
    subject = due.agent_id or due.workspace_id
    return await record(conn, due.workspace_id, SERVER, "retention.erased", subject_id=subject, details=details)


async def _each(conn: AsyncConnection, rules: Rules) -> AsyncIterator[TooOld]:
    """The details first: with them all else of a call goes."""
    now: datetime = (await conn.execute(select(func.now()))).scalar_one()
    workspace_id = rules.workspace.workspace_id
    for kept in (Kept.DETAILS, Kept.TRANSCRIPTS, Kept.RECORDINGS):
        found = (await conn.execute(_AGENTS[kept], {"workspace": workspace_id})).scalars().all()
        for agent_id in (*found, None):
            if (days := rules.days(kept, agent_id)) != FOR_EVER:
                before = now - timedelta(days=days)
                yield TooOld(kept=kept, workspace_id=workspace_id, agent_id=agent_id, before=before, days=days)


async def _callbacks_between(conn: AsyncConnection, rules: Rules) -> tuple[datetime | None, datetime | None]:
    """Of calls that ended when: the callbacks that are to go, and didn't go in an earlier run."""
    days = rules.workspace.days.callbacks_days
    before = rules.workspace.before
    if not days or (before is not None and before.callbacks_days is None):
        return None, None
    if before is not None:
        days = longer_callbacks(days, before.callbacks_days)
    if not days:
        return None, None
    now: datetime = (await conn.execute(select(func.now()))).scalar_one()
    return rules.workspace.callbacks_until, now - timedelta(days=days)


def longer_callbacks(days: int, before: int | None) -> int:
    return FOR_EVER if not before else max(days, before)


async def _erase_callbacks(
    engine: AsyncEngine, workspace_id: str, since: datetime | None, until: datetime, batch: int, pause_s: float
) -> int:
    """How many calls had any."""
    erased, place = 0, {"since": since, "after_id": ""}
    while True:
        async with engine.begin() as conn:
            window = {"workspace": workspace_id, "until": until, "at_most": batch, **place}
            rows = (await conn.execute(_ENDED_BETWEEN, window)).all()
            if rows:
                await erase_callbacks(conn, [row.id for row in rows])
            last = rows[-1].ended_at if len(rows) == batch else until
            await callbacks_gone(conn, workspace_id, last)
        erased += len(rows)
        if len(rows) < batch:
            return erased
        place = {"since": last, "after_id": rows[-1].id}
        await asyncio.sleep(pause_s)


# -- statements: each condition is the one of the index that finds it ------------------------------------------

_KEEPS = {
    Kept.RECORDINGS: "state = 'ended' AND recording IS NOT NULL",
    Kept.TRANSCRIPTS: "state = 'ended' AND answered_at IS NOT NULL AND transcript_erased_at IS NULL",
    Kept.DETAILS: "state = 'ended' AND erased_at IS NULL",
}


def _of(kept: Kept, is_nobodys: bool) -> str:
    agent = "agent_id IS NULL" if is_nobodys else "agent_id = :agent"
    return f"workspace_id = :workspace AND {agent} AND {_KEEPS[kept]} AND ended_at < :before"


def _statements(form: str) -> Mapping[tuple[Kept, bool], TextClause]:
    return {
        (kept, is_nobodys): text(form.format(_of(kept, is_nobodys))) for kept in Kept for is_nobodys in (True, False)
    }


_FIND = _statements("""
    SELECT id, ended_at FROM calls
    WHERE {} AND (ended_at, id) > (CAST(:after AS timestamptz), :after_id) ORDER BY ended_at, id LIMIT :at_most
""")
_COUNT = _statements("SELECT count(*) FROM calls WHERE {}")
# From one agent to the next in the index, however many calls each has.
_AGENTS = {
    kept: text(f"""
        WITH RECURSIVE found AS (
            SELECT min(agent_id) AS agent_id FROM calls WHERE workspace_id = :workspace AND {condition}
            UNION ALL
            SELECT (
                SELECT min(agent_id) FROM calls
                WHERE workspace_id = :workspace AND agent_id > found.agent_id AND {condition}
            ) FROM found WHERE found.agent_id IS NOT NULL
        )
        SELECT agent_id FROM found WHERE agent_id IS NOT NULL
    """)  # noqa: S608 - put together of constants
    for kept, condition in _KEEPS.items()
}
_WINDOW = """
    workspace_id = :workspace AND state = 'ended' AND ended_at < CAST(:until AS timestamptz)
        AND (ended_at, id) > (coalesce(CAST(:since AS timestamptz), '-infinity'), :after_id)
"""
_ENDED_BETWEEN = text(f"SELECT id, ended_at FROM calls WHERE {_WINDOW} ORDER BY ended_at, id LIMIT :at_most")  # noqa: S608
_COUNT_WITH_CALLBACKS = text(f"""
    SELECT count(*) FROM calls WHERE {_WINDOW} AND EXISTS (
        SELECT FROM callbacks JOIN attempts ON attempts.id = callbacks.attempt_id WHERE attempts.call_id = calls.id)
""")  # noqa: S608 - put together of constants
