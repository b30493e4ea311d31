"""Jobs that are over and were kept: those that failed. (One that succeeded is deleted when it has.)"""

from sqlalchemy import BigInteger, DateTime, Text, column, func, select, table
from sqlalchemy import cast as sql_cast

from outdial.db.clearing import Clearing

_jobs = table("procrastinate_jobs", column("id", BigInteger), column("status"))
_events = table("procrastinate_events", column("job_id", BigInteger), column("at", DateTime(timezone=True)))

OLD_JOBS = Clearing(
    table=_jobs,
    since=select(func.max(_events.c.at)).where(_events.c.job_id == _jobs.c.id).scalar_subquery(),
    over=sql_cast(_jobs.c.status, Text).in_(["succeeded", "failed", "cancelled", "aborted"]),
)
