"""All that a workspace has of one person's number, erased: every call from it and to it, also where it was transferred
to. What is wanted is stored first, so that it is done whatever happens to this process; then the number itself goes."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import RowMapping, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import TypedDict

from outdial.calls.erasing import erase_transfers_to, lock_ended
from outdial.calls.refused import canceled, end_waiting
from outdial.db.engine import reading
from outdial.db.retention_tables import erasures
from outdial.db.tables import numbers
from outdial.ids import new_id
from outdial.instants import to_json
from outdial.jobs.job import Job, add_job_named
from outdial.policy.do_not_call import listed_now
from outdial.policy.erased_entries import SETTLED_S, Box, hash_entry
from outdial.refusals import Invalid, NotFound
from outdial.retention.erase_call import forget_call, not_ended
from outdial.telephony.e164 import number_hint
from outdial.webhooks.erasing import forget_listing, forget_told
from outdial.workspaces.audit import Actor, ActorKind, ActorView, record

ERASE_NUMBER = "erasing.number"  # the job's name
BATCH = 100
AT_ONCE_S = 5.0  # that whoever asks waits for; the rest is a job's
AGAIN_S = 30.0   # what somebody else had locked
PAGE = 50


class ErasureView(TypedDict):
    """`number`: a hint of it. `calls`: how many were erased, or freed of the number, so far. `finished_at` null: the
    rest is done by a running server."""

    id: str
    number: str
    calls: int
    by: ActorView
    wanted_at: str
    finished_at: str | None


class NumberFound(TypedDict):
    """What there is of a number: calls with its holder that have ended, that wait and that go on, and calls that were
    transferred to it. `on_do_not_call_list`: it is, and stays there as a hash."""

    calls: int
    waiting: int
    live: int
    transfers: int
    on_do_not_call_list: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An erasure that isn't finished."""

    id: str
    workspace_id: str
    number: str
    wanted_at: datetime
    calls: int


async def erase_number(
    engine: AsyncEngine, box: Box, workspace_id: str, number: str, *, by: Actor
) -> ErasureView:
    """`number` is E.164. What waits to be dialled to it is canceled. Again, it is harmless.

    Raises Conflict while its holder is on the phone (`call_not_ended`), and Invalid for a number of the workspace's.
    """
    erasure_id = new_id("erase")
    async with engine.begin() as conn:
        own = select(numbers.c.id).where(numbers.c.workspace_id == workspace_id, numbers.c.e164 == number)
        if await conn.scalar(select(own.exists())):
            raise Invalid("number", "is one of this workspace's own numbers, and nobody's who was called")
        found = await what_is_there(conn, workspace_id, number)
        if found["live"]:
            raise not_ended("A call with this number goes on. Hang up first; then the number can be erased.")
        waiting = (await conn.execute(_WAITING, {"workspace": workspace_id, "number": number})).scalars().all()
        if waiting:
            await end_waiting(conn, list(waiting), canceled())
        values = {
            "id": erasure_id,
            "workspace_id": workspace_id,
            "number": number,
            "hint": number_hint(number),
            "actor_kind": by.kind,
            "actor_id": by.id,
            "actor_name": by.name,
            "wanted_at": func.clock_timestamp(),
        }
        await conn.execute(insert(erasures).values(values))
        await add_job_named(conn, ERASE_NUMBER, in_s=AGAIN_S, erasure_id=erasure_id)
        details = {**found, "canceled": len(waiting)}
        await record(
            conn, workspace_id, by, "erasure.number", subject_id=erasure_id, subject_name=number_hint(number),
            details=details,
        )  # fmt: skip
    await carry_on(engine, box, erasure_id, for_s=AT_ONCE_S)
    return await erasure_view(engine, workspace_id, erasure_id)


async def what_is_there(conn: AsyncConnection, workspace_id: str, number: str) -> NumberFound:
    wanted = {"workspace": workspace_id, "number": number}
    row = (await conn.execute(_COUNT, wanted)).mappings().one()
    return NumberFound(
        calls=row["calls"],
        waiting=row["waiting"],
        live=row["live"],
        transfers=row["transfers"],
        on_do_not_call_list=row["on_do_not_call_list"],
    )


async def carry_on(engine: AsyncEngine, box: Box, erasure_id: str, *, for_s: float | None = None) -> bool:
    """Do what is left of an erasure; whether it is finished. What somebody has locked is left, and it isn't finished
    then. May be done by several at once, and be cut short at any time."""
    loop = asyncio.get_running_loop()
    until = None if for_s is None else loop.time() + for_s
    async with reading(engine) as conn:
        wanted = await _unfinished(conn, erasure_id)
    if wanted is None:
        return True
    after = ""
    while True:
        async with engine.begin() as conn:
            ids = await _of_party(conn, wanted, after)
            erased = await lock_ended(conn, ids)
            if erased:
                await forget_call(conn, box, erased)
                await _count(conn, wanted, len(erased))
        if len(ids) < BATCH:
            break
        after = ids[-1]
        if until is not None and loop.time() > until:
            return False
    async with engine.begin() as conn:
        transferred = await lock_ended(conn, await _transferred(conn, wanted))
        if transferred:
            await forget_told(conn, transferred)
            await erase_transfers_to(conn, transferred, wanted.number)
            await _count(conn, wanted, len(transferred))
    return await _finish(engine, box, wanted)


async def erasure_view(engine: AsyncEngine, workspace_id: str, erasure_id: str) -> ErasureView:
    """Raises NotFound."""
    async with reading(engine) as conn:
        query = select(erasures).where(erasures.c.id == erasure_id, erasures.c.workspace_id == workspace_id)
        row = (await conn.execute(query)).mappings().one_or_none()
    if row is None:
        raise NotFound("erasure_not_found", "There is no such erasure.")
    return _view(row)


async def list_erasures(conn: AsyncConnection, workspace_id: str, *, limit: int = PAGE) -> list[ErasureView]:
    """Newest first."""
    query = select(erasures).where(erasures.c.workspace_id == workspace_id).order_by(erasures.c.wanted_at.desc())
    return [_view(row) for row in (await conn.execute(query.limit(limit))).mappings()]


def erase_number_jobs(engine: AsyncEngine, box: Box) -> Sequence[Job]:
    """One erasure at a time; and, now and then, those whose job was lost."""

    async def run(*, erasure_id: str) -> None:
        if not await carry_on(engine, box, erasure_id):
            async with engine.begin() as conn:
                await add_job_named(conn, ERASE_NUMBER, in_s=SETTLED_S, erasure_id=erasure_id)

    async def find_lost() -> None:
        async with reading(engine) as conn:
            query = select(erasures.c.id).where(erasures.c.finished_at.is_(None)).order_by(erasures.c.wanted_at)
            left = (await conn.execute(query.limit(PAGE))).scalars().all()
        for erasure_id in left:
            await carry_on(engine, box, erasure_id)

    return (Job(name=ERASE_NUMBER, run=run), Job(name="erasing.left", run=find_lost, every="*/10 * * * *"))


async def _unfinished(conn: AsyncConnection, erasure_id: str) -> Wanted | None:
    query = select(erasures).where(erasures.c.id == erasure_id, erasures.c.finished_at.is_(None))
    row = (await conn.execute(query)).mappings().one_or_none()
    if row is None:
        return None
    names = ("id", "workspace_id", "number", "wanted_at", "calls")
    return Wanted(**{name: row[name] for name in names})


async def _of_party(conn: AsyncConnection, wanted: Wanted, after: str) -> list[str]:
    place = {"workspace": wanted.workspace_id, "number": wanted.number, "after": after, "at_most": BATCH}
    return list((await conn.execute(_PARTY, place | {"wanted_at": wanted.wanted_at})).scalars())


async def _transferred(conn: AsyncConnection, wanted: Wanted) -> list[str]:
    return list(
        (await conn.execute(_TRANSFERRED, {"workspace": wanted.workspace_id, "number": wanted.number})).scalars()
    )


async def _count(conn: AsyncConnection, wanted: Wanted, many: int) -> None:
    query = update(erasures).where(erasures.c.id == wanted.id).values(calls=erasures.c.calls + many)
    await conn.execute(query)


async def _finish(engine: AsyncEngine, box: Box, wanted: Wanted) -> bool:
    async with engine.begin() as conn:
        left = await _of_party(conn, wanted, "") or await _transferred(conn, wanted)
        if left:
            return False
        listed = await listed_now(conn, wanted.workspace_id, wanted.number)
        if listed and not await hash_entry(conn, box(), wanted.workspace_id, wanted.number):
            return False
        await forget_listing(conn, wanted.workspace_id, wanted.number)
        done = {"finished_at": func.clock_timestamp(), "number": None}
        await conn.execute(update(erasures).where(erasures.c.id == wanted.id).values(done))
    return True


def _view(row: RowMapping) -> ErasureView:
    return ErasureView(
        id=row["id"],
        number=row["hint"],
        calls=row["calls"],
        by=ActorView(kind=ActorKind(row["actor_kind"]), id=row["actor_id"], name=row["actor_name"]),
        wanted_at=to_json(row["wanted_at"]),
        finished_at=to_json(row["finished_at"]),
    )


# -- statements ------------------------------------------------------------------------------------------------

# The other party of a call, by whose number it is looked for: ours is in all of them.
_OTHER = """calls.workspace_id = :workspace AND (
    (calls."to" = :number AND calls.direction = 'outbound')
    OR (calls."from" = :number AND calls.direction <> 'outbound')
)"""
_COUNT = text(f"""
    SELECT count(*) FILTER (WHERE state = 'ended') AS calls, count(*) FILTER (WHERE state = 'queued') AS waiting,
        count(*) FILTER (WHERE state NOT IN ('queued', 'ended')) AS live,
        (SELECT count(DISTINCT transfers.call_id) FROM transfers JOIN calls ON calls.id = transfers.call_id
            WHERE transfers."to" = :number AND calls.workspace_id = :workspace) AS transfers,
        EXISTS (SELECT FROM do_not_call AS entry WHERE entry.workspace_id = :workspace AND entry.number = :number)
            AS on_do_not_call_list
    FROM calls WHERE {_OTHER}
""")  # noqa: S608 - put together of constants
_WAITING = text(f"SELECT id FROM calls WHERE {_OTHER} AND state = 'queued' ORDER BY id FOR NO KEY UPDATE")  # noqa: S608
_PARTY = text(f"""
    SELECT id FROM calls
    WHERE {_OTHER} AND id > :after AND created_at <= CAST(:wanted_at AS timestamptz) ORDER BY id LIMIT :at_most
""")  # noqa: S608 - put together of constants
_TRANSFERRED = text("""
    SELECT DISTINCT transfers.call_id FROM transfers JOIN calls ON calls.id = transfers.call_id
    WHERE transfers."to" = :number AND calls.workspace_id = :workspace
""")
