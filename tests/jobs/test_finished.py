"""Failed jobs are kept for a while; what waits or runs never goes."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from outdial.db.clearing import clear, count
from outdial.jobs.finished import OLD_JOBS
from outdial.jobs.job import Job, add_job


async def nothing() -> None: ...


@pytest.mark.parametrize(
    ("status", "goes"),
    [("failed", True), ("cancelled", True), ("aborted", True), ("succeeded", True), ("todo", False), ("doing", False)],
)
async def test_only_what_is_over_goes_and_when_it_is_old(engine, status, goes):
    async with engine.begin() as conn:
        await add_job(conn, Job(name="once", run=nothing))
        await conn.execute(text(f"UPDATE procrastinate_jobs SET status = '{status}'"))
        await conn.execute(text("UPDATE procrastinate_events SET at = now() - interval '2 days'"))
    now = datetime.now(UTC)
    for age, gone in ((timedelta(days=3), 0), (timedelta(days=1), int(goes))):
        async with engine.connect() as conn:
            assert await count(conn, OLD_JOBS, now - age) == gone
        assert await clear(engine, OLD_JOBS, now - age) == gone
    async with engine.connect() as conn:
        events = await conn.scalar(text("SELECT count(*) FROM procrastinate_events"))
    assert (events > 0) is not goes, "they go with their job"
