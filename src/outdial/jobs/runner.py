"""Jobs done by this process, until it is to stop."""

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import procrastinate
from procrastinate.exceptions import ConnectorException, JobAborted
from procrastinate.jobs import Job as StoredJob
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.background import Background
from outdial.db.engine import connection_url, is_away, why
from outdial.draining import Drain
from outdial.jobs.job import Job
from outdial.jobs.put_back import HEARTBEAT_S, STALLED_S, put_back
from outdial.repeating import Pauses

logger = logging.getLogger(__name__)

AT_ONCE = 8             # jobs; most of them wait for a model
CONNECTIONS = 2         # to fetch and to finish them; one more listens
POLL_S = 1.0            # nothing else wakes for a job of later, and a notification may be lost
PUT_BACK_EVERY_S = 15.0
LOOK_EVERY_S = 0.5      # whether the process is to stop
FINISH_S = 3.0          # for jobs that run when the process ends; then others do them
PATIENCE_S = 1.5        # with a database that doesn't answer, then
CONNECT_S = 5.0
AGAIN = Pauses(first_s=0.5, longest_s=10.0)
STEADY_S = 60.0         # who has worked so long had no trouble


class JobRunner:
    """Does `jobs`, and puts back what dead processes had begun. Any number of processes may run the same."""

    def __init__(self, engine: AsyncEngine, url: str, jobs: Sequence[Job], *, drain: Drain) -> None:
        self._engine = engine
        self._drain = drain
        self._queues = [job.name for job in jobs]
        self._background = Background()
        self._closing: asyncio.Task[None] | None = None
        self._unmarked = asyncio.Event()  # a job has ended, and the database doesn't know
        self._app = procrastinate.App(
            connector=procrastinate.PsycopgConnector(
                conninfo=connection_url(url), min_size=1, max_size=CONNECTIONS, timeout=CONNECT_S, name="jobs"
            )
        )
        for job in jobs:
            task = self._app.task(
                name=job.name,
                queue=job.name,
                lock=job.lock,
                queueing_lock=job.lock,
                pass_context=True,
                retry=_Again(job),
            )(_told(job, self._unmarked.set))
            if job.every is not None:
                self._app.periodic(cron=job.every)(task)

    async def run(self) -> None:
        """Until cancelled, or until the process is to stop: then nothing new is begun.

        Outlives the database: who works on procrastinate ends without it, and is begun again.
        """
        loop = asyncio.get_running_loop()
        failures = 0
        self._background.start(self._keep_putting_back(), name="jobs put back")
        try:
            while not self._is_ending:
                began_at = loop.time()
                self._unmarked.clear()
                working = self._background.start(self._work(), name="jobs", awaited=True)
                working.add_done_callback(_heard)
                while not (working.done() or self._is_ending or self._unmarked.is_set()):
                    await asyncio.wait({working}, timeout=LOOK_EVERY_S)
                if self._is_ending:
                    break
                if not working.done():  # as long as it works, the job would count as running, and nobody put it back
                    working.cancel()
                while not (working.done() or self._is_ending):  # its database may be silent: found dead, it lets go
                    await asyncio.wait({working}, timeout=LOOK_EVERY_S)
                if self._is_ending:
                    break
                failures = 1 if loop.time() - began_at > STEADY_S else failures + 1
                _tell(working, failures)
                await asyncio.sleep(AGAIN.after(failures))
        finally:
            await self.aclose()

    @property
    def _is_ending(self) -> bool:
        return self._drain.stops or self._closing is not None

    async def aclose(self) -> None:
        """Begin nothing more; what runs has a moment, then it is left to others."""
        if self._closing is None:
            ending = self._background.cancel(patience_s=FINISH_S + PATIENCE_S)
            self._closing = asyncio.create_task(ending, name="jobs end")
        await asyncio.shield(self._closing)

    async def _work(self) -> None:
        """Returns or raises when the database is lost."""
        try:
            await self._app.open_async()
            await self._app.run_worker_async(
                queues=self._queues,
                concurrency=AT_ONCE,
                fetch_job_polling_interval=POLL_S,
                shutdown_graceful_timeout=FINISH_S,
                delete_jobs="successful",
                install_signal_handlers=False,
                update_heartbeat_interval=HEARTBEAT_S,
                stalled_worker_timeout=STALLED_S,
            )
        finally:
            await self._app.close_async()  # also what was opened by half

    async def _keep_putting_back(self) -> None:
        while True:
            try:
                await put_back(self._engine)
            except Exception as error:
                if not is_away(error):
                    logger.exception("Jobs of dead processes not put back; trying again")
            await asyncio.sleep(PUT_BACK_EVERY_S)


def _heard(ended: asyncio.Task[None]) -> None:
    """How it ended is looked at, or doesn't matter any more."""
    if not ended.cancelled():
        ended.exception()


def _tell(ended: asyncio.Task[None], failures: int) -> None:
    """Of a database that is away, once; of anything else, each time."""
    error = None if ended.cancelled() else ended.exception()
    is_ours = error is not None and not isinstance(error, ConnectorException | OSError)
    if is_ours and not (isinstance(error, Exception) and is_away(error)):
        logger.error("Job worker failed; starting again", exc_info=error)
    elif failures == 1:
        logger.warning("Job worker lost the database; starting again")


def _tell_of_end(name: str, unmarked: Callable[[], None], task: asyncio.Task[Any]) -> None:
    """A job that was done, or has failed, and of which the database doesn't know it. It will be put back."""
    if not task.cancelled() and (error := task.exception()) is not None:
        unmarked()
        logger.warning("Job ended and is not marked so", extra={"job": name, "error": type(error).__name__})


def _told(job: Job, unmarked: Callable[[], None]) -> Callable[..., Awaitable[None]]:
    """`job.run` as procrastinate calls it, with what fails told in our words; `unmarked` is called where the database
    didn't hear of its end."""

    async def run(context: procrastinate.JobContext, *, timestamp: int | None = None, **arguments: Any) -> None:
        if (task := asyncio.current_task()) is not None:
            task.add_done_callback(functools.partial(_tell_of_end, job.name, unmarked))
        try:
            await job.run(**arguments)
        except Exception as error:
            failures = context.job.attempts + 1
            fields = {"job": job.name, "job_id": context.job.id, "failures": failures}
            if is_away(error):
                logger.warning("Job failed: database away", extra={**fields, "error": why(error)})
            elif job.may_fail_again(failures):
                logger.warning("Job failed; trying again", extra=fields, exc_info=error)
            else:
                logger.exception("Job failed", extra=fields)
            raise

    return run


class _Again(procrastinate.BaseRetryStrategy):
    """What becomes of a job that failed, or that the end of its process cut short."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def get_retry_decision(
        self, *, exception: BaseException, job: StoredJob
    ) -> procrastinate.RetryDecision | None:
        if isinstance(exception, asyncio.CancelledError | JobAborted):
            return procrastinate.RetryDecision(retry_in={"seconds": 0})
        failures = job.attempts + 1
        if not self._job.may_fail_again(failures):
            return None
        return procrastinate.RetryDecision(retry_in={"seconds": max(1, round(self._job.pauses.after(failures)))})
