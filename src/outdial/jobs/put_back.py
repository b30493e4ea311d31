"""Jobs of processes that died: procrastinate leaves them as being done for ever, so we put them back."""

import logging

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.db.engine import reading

logger = logging.getLogger(__name__)

HEARTBEAT_S = 10.0
STALLED_S = 30.0   # without a heartbeat: its process is dead, or as good as that
MOST_TIMES = 5     # a job is begun; one that kills its process each time must not go on for ever


async def put_back(engine: AsyncEngine, *, stalled_s: float = STALLED_S) -> int:
    """Have others do what dead processes had begun; how many jobs that were. Any number of processes may do so at once.

    One that was begun too often fails, and so does one where another of its kind waits: that does its work.
    """
    async with reading(engine) as conn:
        stalled = (await conn.scalars(_STALLED, {"stalled_s": stalled_s})).all()
    done = 0
    for job_id in stalled:
        try:
            async with engine.begin() as conn:
                found = {"job": job_id, "stalled_s": stalled_s, "most_times": MOST_TIMES}
                row = (await conn.execute(_PUT_BACK, found)).one_or_none()
        except IntegrityError:  # another of its kind came to wait just now; next time this one fails
            continue
        if row is not None:
            done += 1
            logger.warning(
                "Job of a dead process put back" if row.status == "todo" else "Job of a dead process given up",
                extra={"job": row.task_name, "job_id": job_id, "begun": row.attempts},
            )
    return done


_IS_STALLED = """
    job.status = 'doing' AND NOT EXISTS (
        SELECT FROM procrastinate_workers AS worker
        WHERE worker.id = job.worker_id AND worker.last_heartbeat > now() - make_interval(secs => :stalled_s))"""
_STALLED = text(f"SELECT id FROM procrastinate_jobs AS job WHERE {_IS_STALLED} ORDER BY id")  # noqa: S608 - our own
_PUT_BACK = text(f"""
    UPDATE procrastinate_jobs AS job
    SET attempts = job.attempts + 1, worker_id = NULL, abort_requested = false, status = CASE
        WHEN job.attempts + 1 >= :most_times OR EXISTS (
            SELECT FROM procrastinate_jobs AS twin
            WHERE twin.queueing_lock = job.queueing_lock AND twin.status = 'todo')
        THEN 'failed'::procrastinate_job_status ELSE 'todo'::procrastinate_job_status END
    WHERE job.id = :job AND {_IS_STALLED}
    RETURNING job.status::text, job.task_name, job.attempts""")  # noqa: S608 - our own
