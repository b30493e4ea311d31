"""That a call is to have a wrap-up: written in the transaction that ends it, where its agent's version asks for one."""

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.db.wrap_up_tables import wrap_ups
from outdial.jobs.job import add_job_named

WRAP_UP = "wrap_up"  # the job's name


async def want_wrap_up(conn: AsyncConnection, call_id: str) -> None:
    """Its row, and the job that makes it, if it has none yet."""
    wanted = insert(wrap_ups).values(call_id=call_id, state="pending").on_conflict_do_nothing()
    if await conn.scalar(wanted.returning(wrap_ups.c.call_id)) is not None:
        await add_wrap_up_job(conn, call_id)


async def add_wrap_up_job(conn: AsyncConnection, call_id: str, *, round_: int = 1, in_s: float = 0.0) -> None:
    await add_job_named(conn, WRAP_UP, in_s=in_s, call_id=call_id, round_=round_)
