"""What `outdial doctor` says of work that is left undone: webhooks that are off, callbacks and jobs nobody finished,
calls that wait for their account's pace. `look` asks the database, the rest is pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.cli.findings import Finding, Status

LONG_WAIT_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Of a carrier account: `waiting` calls are due, at so many calls a second."""

    account_id: str
    calls_per_second: float
    waiting: int

    @property
    def takes_s(self) -> float:
        return self.waiting / self.calls_per_second


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """`off`: webhook endpoints; `given_up`: deliveries of the last day; `unhandled`: callbacks older than a minute;
    `untold`: what webhooks should have been told a minute ago; `paused`: workspaces and numbers."""

    off: int
    given_up: int
    unhandled: int
    untold: int
    failed_jobs: int
    paused: int
    paces: Sequence[Pace]


async def look(conn: AsyncConnection) -> Work:
    row = (await conn.execute(_LOOK)).one()
    paces = [
        Pace(account_id=one.id, calls_per_second=one.calls_per_second, waiting=one.waiting)
        for one in await conn.execute(_PACES)
    ]
    return Work(
        off=row.off,
        given_up=row.given_up,
        unhandled=row.unhandled,
        untold=row.untold,
        failed_jobs=row.failed_jobs,
        paused=row.paused,
        paces=paces,
    )


def judge(work: Work) -> Iterator[Finding]:
    faults = list(_lying(work))
    yield from faults
    if not faults:
        yield Finding(subject="Left undone", status=Status.OK, found="no callback, webhook or job")
    if work.paused:
        what = f"dialling is paused in {work.paused} {'place' if work.paused == 1 else 'places'}"
        yield Finding(subject="Pauses", status=Status.WARN, found=what, todo="To dial again: outdial resume")
    slow = [pace for pace in work.paces if pace.takes_s > LONG_WAIT_S]
    for pace in slow:
        what = (
            f"{pace.account_id} dials {pace.calls_per_second:g} a second: the {pace.waiting:,} calls that are due take "
            f"{pace.takes_s / 3600:.1f} hours"
        )
        todo = f"Where the carrier allows more: outdial accounts change {pace.account_id} --calls-per-second N"
        yield Finding(subject="Pace", status=Status.WARN, found=what, todo=todo)
    if work.paces and not slow:
        told = ", ".join(f"{pace.account_id} {pace.calls_per_second:g} a second" for pace in work.paces)
        yield Finding(subject="Pace", status=Status.OK, found=f"{told}; nobody waits for it for long")


def _lying(work: Work) -> Iterator[Finding]:
    serve = "Start a process with the role jobs, and read its log."
    for count, what, todo in (
        (work.off, "webhook endpoints are off: they accepted nothing for days", "See: outdial webhooks list"),
        (work.given_up, "webhook deliveries were given up in the last day", "outdial webhooks resend --help"),
        (work.untold, "events wait to be told to webhooks for more than a minute", serve),
        (work.unhandled, "callbacks wait for more than a minute", serve.replace("jobs", "api")),
        (work.failed_jobs, "background jobs have failed in the last day", "Its log says why; look for the job's name."),
    ):
        if count:
            yield Finding(subject="Left undone", status=Status.WARN, found=f"{count:,} {what}", todo=todo)


_LOOK = text("""
    SELECT
        (SELECT count(*) FROM webhooks WHERE off_at IS NOT NULL AND removed_at IS NULL) AS off,
        (SELECT count(*) FROM (SELECT state, finished_at FROM webhook_deliveries ORDER BY id DESC LIMIT 100000) AS late
            WHERE state = 'given_up' AND finished_at > now() - interval '1 day') AS given_up,
        (SELECT count(*) FROM callbacks WHERE handled_at IS NULL AND received_at < now() - interval '1 minute')
            AS unhandled,
        (SELECT count(*) FROM webhook_outbox WHERE due_at < now() - interval '1 minute') AS untold,
        (SELECT count(*) FROM procrastinate_jobs WHERE status = 'failed' AND EXISTS (
            SELECT FROM procrastinate_events AS event
            WHERE event.job_id = procrastinate_jobs.id AND event.at > now() - interval '1 day')) AS failed_jobs,
        (SELECT count(*) FROM pauses) AS paused
""")
_PACES = text("""
    SELECT account.id, account.calls_per_second, (
        SELECT count(*) FROM calls JOIN numbers ON numbers.id = calls.number_id
        WHERE numbers.carrier_account_id = account.id AND calls.state = 'queued' AND calls.due_at <= now()
    ) AS waiting
    FROM carrier_accounts AS account ORDER BY account.id
""")
