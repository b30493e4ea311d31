"""E-mails that are to be sent: rows written with an alert's change, taken by one process at a time, marked when they
were sent. A process that dies in between leaves them to the next one, so an e-mail may come twice and is never lost.

One e-mail tells all that is due for an address: after quiet hours what is still true, and nothing of what was raised
and cleared in them. The only writer of `alert_mails`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Update, func, literal, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.alerts.notices import addresses_of, read_notices
from outdial.alerts.views import Alert, alerts_by_id
from outdial.db.alert_tables import alert_mails, alerts
from outdial.db.clearing import Clearing
from outdial.db.notify import notify
from outdial.repeating import Pauses

LEASE = timedelta(minutes=3)       # longer than one e-mail may take
GIVE_UP_AFTER = timedelta(days=2)
AGAIN = Pauses(first_s=30.0, longest_s=1800.0)
KEPT = timedelta(days=365)
OLD_ALERTS = Clearing(table=alerts, since=alerts.c.cleared_at, over=alerts.c.cleared_at.is_not(None))
MAILS_KEPT = timedelta(days=30)
OLD_MAILS = Clearing(table=alert_mails, since=alert_mails.c.created_at, over=alert_mails.c.finished_at.is_not(None))


class MailEvent(StrEnum):
    RAISED = "raised"
    CLEARED = "cleared"


class MailResult(StrEnum):
    SENT = "sent"
    OVERTAKEN = "overtaken"  # not true any more when it would have been sent
    REFUSED = "refused"      # by the mail server, for good
    GIVEN_UP = "given_up"    # it couldn't be sent for two days


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One alert in an e-mail: that it was raised, or cleared."""

    alert: Alert
    event: MailEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """All that is due for an address, the newest last. `began_at`: when the oldest of it came to wait."""

    workspace_id: str
    address: str
    notices: Sequence[Notice]
    failures: int
    began_at: datetime


async def add_raised(conn: AsyncConnection, workspace_id: str, alert_id: str, *, now: datetime) -> int:
    """Have everybody told who is to be told; how many that are. Part of the caller's transaction."""
    notices = await read_notices(conn, workspace_id)
    quiet = None if notices.quiet is None else notices.quiet.over_at(now)
    rows = [
        {
            "alert_id": alert_id,
            "event": MailEvent.RAISED,
            "address": address,
            "workspace_id": workspace_id,
            "created_at": now,
            "due_at": quiet or now,
        }
        for address in await addresses_of(conn, workspace_id, notices)
    ]
    if rows:
        await conn.execute(upsert(alert_mails).values(rows).on_conflict_do_nothing())
        await notify(conn, "outdial_alert_mails", "")
    return len(rows)


async def add_cleared(conn: AsyncConnection, alert_id: str, *, now: datetime) -> int:
    """Have those told who were told that it was raised, or are about to be."""
    mail = alert_mails.c
    told = select(
        mail.alert_id, literal(str(MailEvent.CLEARED)), mail.address, mail.workspace_id, literal(now), literal(now)
    ).where(mail.alert_id == alert_id, mail.event == MailEvent.RAISED)
    columns = [mail.alert_id, mail.event, mail.address, mail.workspace_id, mail.created_at, mail.due_at]
    added = await conn.execute(upsert(alert_mails).from_select(columns, told).on_conflict_do_nothing())
    if added.rowcount:
        await notify(conn, "outdial_alert_mails", "")
    return added.rowcount


async def take(engine: AsyncEngine, *, now: datetime, leaving_out: Collection[str] = ()) -> Mail | None:
    """The next e-mail, for this process alone for a while; None: nothing is due. What is over by now is finished.
    `leaving_out`: not of these workspaces."""
    while True:
        async with engine.begin() as conn:
            await conn.execute(_LOCK)
            first = (await conn.execute(_FIRST, {"at": now, "leaving_out": list(leaving_out)})).one_or_none()
            if first is None:
                return None
            which = {"workspace": first.workspace_id, "address": first.address, "at": now}
            notices = await read_notices(conn, first.workspace_id)
            quiet = None if notices.quiet is None else notices.quiet.over_at(now)
            if quiet is not None:
                await conn.execute(_PUT_OFF, which | {"until": quiet})
                continue
            if first.address not in await addresses_of(conn, first.workspace_id, notices):
                await conn.execute(_DROP, which)
                continue
            rows = (await conn.execute(_TAKE, which | {"lease_until": now + LEASE})).all()
            known = await alerts_by_id(conn, [row.alert_id for row in rows])
            told = set((await conn.scalars(_TOLD, {"ids": list(known), "address": first.address})).all())
            due = [Notice(alert=known[row.alert_id], event=MailEvent(row.event)) for row in rows]
            still = [each for each in due if _is_true(each, told)]
            over = [each for each in due if each not in still]
            mail = Mail(
                workspace_id=first.workspace_id,
                address=first.address,
                notices=sorted(still, key=lambda each: each.alert.found.raised_at),
                failures=max(row.failures for row in rows),
                began_at=min(row.due_at for row in rows),
            )
            await _finish(conn, mail.address, over, MailResult.OVERTAKEN, now)
        if mail.notices:
            return mail


async def finish(
    engine: AsyncEngine, mail: Mail, result: MailResult, *, now: datetime, error: str | None = None
) -> None:
    async with engine.begin() as conn:
        await _finish(conn, mail.address, mail.notices, result, now, error)


async def put_off(engine: AsyncEngine, mail: Mail, error: str, *, now: datetime) -> bool:
    """Try it again later; False: it has been tried long enough, and is given up."""
    if now - mail.began_at > GIVE_UP_AFTER:
        await finish(engine, mail, MailResult.GIVEN_UP, now=now, error=error)
        return False
    failures = mail.failures + 1
    again = {
        "failures": failures,
        "error": error,
        "lease_until": now + timedelta(seconds=AGAIN.after(failures)),
    }
    async with engine.begin() as conn:
        await conn.execute(_rows(mail.address, mail.notices).values(again))
    return True


def _is_true(notice: Notice, told: Collection[str]) -> bool:
    """Of one raised: whether it is still; of one cleared: whether anybody was told that it was raised."""
    if notice.event is MailEvent.RAISED:
        return notice.alert.cleared_at is None
    return notice.alert.found.id in told


async def _finish(
    conn: AsyncConnection,
    address: str,
    notices: Sequence[Notice],
    result: MailResult,
    now: datetime,
    error: str | None = None,
) -> None:
    if notices:
        done = {"finished_at": now, "result": result, "error": error, "lease_until": None}
        await conn.execute(_rows(address, notices).values(done))


def _rows(address: str, notices: Sequence[Notice]) -> Update:
    mail = alert_mails.c
    which = [(each.alert.found.id, str(each.event)) for each in notices]
    return update(alert_mails).where(mail.address == address, tuple_(mail.alert_id, mail.event).in_(which))


# That an alert is over waits while it is being told that it was raised, and for as long as that is put off.
_DUE = """
    finished_at IS NULL AND due_at <= :at AND (lease_until IS NULL OR lease_until <= :at)
    AND NOT (event = 'cleared' AND EXISTS (
        SELECT FROM alert_mails AS first
        WHERE first.alert_id = alert_mails.alert_id AND first.address = alert_mails.address
            AND first.event = 'raised' AND first.finished_at IS NULL AND first.lease_until > :at))
"""
# Held for the moment in which rows of an address are taken: two that each had one of them would wait for each other.
_LOCK = select(func.pg_advisory_xact_lock(func.hashtextextended("outdial alert mails", 0)))
_FIRST = text(f"""
    SELECT workspace_id, address FROM alert_mails
    WHERE {_DUE} AND workspace_id <> ALL(CAST(:leaving_out AS text[])) ORDER BY due_at LIMIT 1
""")  # noqa: S608 - put together of constants
_TAKE = text(f"""
    UPDATE alert_mails SET lease_until = :lease_until
    WHERE workspace_id = :workspace AND address = :address AND {_DUE}
    RETURNING alert_id, event, failures, due_at
""")  # noqa: S608 - put together of constants
_PUT_OFF = text(f"""
    UPDATE alert_mails SET due_at = :until WHERE workspace_id = :workspace AND address = :address AND {_DUE}
""")  # noqa: S608 - put together of constants
_DROP = text(f"""
    UPDATE alert_mails SET finished_at = :at, result = 'overtaken'
    WHERE workspace_id = :workspace AND address = :address AND {_DUE}
""")  # noqa: S608 - put together of constants
_TOLD = text("""
    SELECT alert_id FROM alert_mails
    WHERE alert_id = ANY(:ids) AND address = :address AND event = 'raised' AND result = 'sent'
""")
